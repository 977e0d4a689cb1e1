"""Values of the network service and rules about them; no I/O."""
