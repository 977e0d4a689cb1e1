"""Identity's public API, version 3: one module per resource."""
