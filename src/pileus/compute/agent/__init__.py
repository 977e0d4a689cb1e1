"""What runs on each host: makes servers as wanted, tells what is seen."""
