"""What one can ask of the network service: checks, decides and writes, in one transaction."""
