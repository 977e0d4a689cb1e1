"""Compute's queries, one module per noun; they take and return model values."""
