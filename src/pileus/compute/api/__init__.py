"""The compute API, one module per resource: wires, handlers, views."""
