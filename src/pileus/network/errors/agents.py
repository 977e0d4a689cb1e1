"""Errors about agents and what is scheduled to them, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, NotFound


class InvalidDHCPAgent(Conflict):
    """Agent {id} is not a valid DHCP Agent or has been disabled. OVN answers DHCP itself, there are no such agents."""


class NetworkNotHostedByDhcpAgent(Conflict):
    """The network {network} is not hosted by the DHCP agent {id}."""


class InvalidL3Agent(Conflict):
    """Agent {id} is not a L3 Agent or has been disabled; only a gateway agent carries routers."""


class RouterHostedByL3Agent(Conflict):
    """The router {router} has been already hosted by the L3 Agent {id}: any gateway host carries it when needed."""


class RouterNotHostedByL3Agent(NotFound):
    """The router {router} is not hosted by L3 agent {id}."""


class RouterStays(Conflict):
    """The router {router} cannot be taken from agent {id}: OVN moves it by itself when the host is drained or lost."""
