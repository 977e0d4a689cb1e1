"""Errors about forwarded ports, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, NotFound


class PortForwardingNotFound(NotFound):
    """Port Forwarding {id} could not be found."""


class FipInUseByPortForwarding(Conflict):
    """Floating IP {id} in use by Port Forwarding resources."""


class PortHasPortForwarding(Conflict):
    """Cannot associate floating IP {id} to port {port} using fixed IP {address}: it has a Port Forwarding already."""


class FloatingIpLeadsElsewhere(Conflict):
    """Ports of floating IP {id} cannot be forwarded: all of it leads to port {port}."""


class OtherRouter(Conflict):
    """Ports of floating IP {id} are forwarded by router {router}; port {port} is behind another."""
