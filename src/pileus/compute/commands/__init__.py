"""Everything one can ask of compute: decides, and writes rows and operation in one transaction."""
