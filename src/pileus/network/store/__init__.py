"""Statements of the network service, a module for each resource; they take and return model values."""
