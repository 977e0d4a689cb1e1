"""The block storage API, one module per resource: wires, handlers, views."""
