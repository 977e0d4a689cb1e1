"""Values of block storage and the pure rules about them; no I/O, no framework."""
