"""What can be asked of block storage: each decides, and writes rows and an operation in one transaction."""
