"""Keeps the network service's promises: ports for servers, security groups, addresses."""

from pileus.network.port.servers import Ports

__all__ = ["Ports"]
