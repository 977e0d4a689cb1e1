"""What runs on each host for the network service: opens doors for metadata."""
