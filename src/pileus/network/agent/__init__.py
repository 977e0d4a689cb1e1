"""What runs on each host for the network service: plugs ports and opens doors for metadata."""
