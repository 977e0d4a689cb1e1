"""What goes on behind requests: the fabric is kept as the tables say, and the tables are told how ports fare."""
