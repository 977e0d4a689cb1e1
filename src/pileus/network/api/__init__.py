"""Neutron's API v2.0: wires and handlers, a module for each resource."""
