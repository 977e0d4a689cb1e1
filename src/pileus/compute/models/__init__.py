"""Compute's values and the pure rules about them; no I/O, no framework."""
