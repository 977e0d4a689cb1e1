"""What holds secrets: the repository of token keys, and the hashing of passwords."""
