"""Everything one can ask of identity: decisions and what they write."""
