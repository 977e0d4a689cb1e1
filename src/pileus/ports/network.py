"""What the network service promises compute: ports for servers, and what to tell about them.

Every verb joins the ambient transaction, so a server's row, its ports and its allocation commit together or not at
all. Problems are the network's own errors (no such network, no address left, quota), fit for the caller's eyes.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from pileus.kit.auth import Caller
from pileus.ports.addresses import Addresses
from pileus.ports.security_groups import SecurityGroups

SERVER_PORTS = "network.server_ports"  # wake-up topic: a server, by its id, whose ports came up or went down


class NicRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A network card a caller asks for: on a network (with a certain address, if given), or on an existing port."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a port, fixed or floating."""

    address: str
    version: Literal[4, 6]
    kind: Literal["fixed", "floating"] = "fixed"
    subnet_id: str | None = None


class PortFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A server's port, as compute needs it. `made`: the port was made for the server and goes with it."""

    id: str
    network_id: str
    network_name: str
    mac: str
    mtu: int
    server_id: str
    made: bool
    up: bool = False
    host: str | None = None
    addresses: tuple[Address, ...] = ()
    security_groups: tuple[str, ...] = ()  # names


class SubnetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet, as guests are told of it. `mode`: how they come by IPv6 addresses; routes are (destination, next hop)."""

    id: str
    cidr: str
    gateway: str | None = None
    dhcp: bool = True
    mode: str | None = None
    servers: tuple[str, ...] = ()  # of names
    routes: tuple[tuple[str, str], ...] = ()


class Networks(Protocol):
    """Ports for servers, and what else compute hands on."""

    @property
    def groups(self) -> SecurityGroups:
        """Security groups."""
        ...

    @property
    def addresses(self) -> Addresses:
        """Floating and fixed addresses, and the networks they are of."""
        ...

    async def make_ports(
        self,
        caller: Caller,
        server_id: str,
        server_name: str,
        nics: Sequence[NicRequest] | Literal["auto", "none"],
        security_groups: Sequence[str] = (),
    ) -> tuple[PortFacts, ...]:
        """The server has these ports besides those it had, not bound yet; security groups by name or id, the project's
        default if none."""
        ...

    async def bind_ports(self, server_id: str, host: str) -> tuple[PortFacts, ...]:
        """The server's ports are bound to the host; repeating changes nothing."""
        ...

    async def expect_ports(self, server_id: str, host: str | None) -> None:
        """The server's ports, which stay where they are, may come to this host too, and to no other; None: to none.

        There they are plugged in already, and traffic goes there from the moment the guest says that it is there. Repeatable.
        """
        ...

    async def release_ports(self, server_id: str) -> None:
        """Ports made for the server are gone, the others are free again."""
        ...

    async def release_port(self, server_id: str, port_id: str) -> None:
        """The server does not have the port: one made for it is gone, another is free again. Repeatable."""
        ...

    async def join_group(self, server_id: str, project_id: str, group: str) -> None:
        """The server's ports have the security group of the project, named by name or id, besides those they have."""
        ...

    async def leave_group(self, server_id: str, project_id: str, group: str) -> bool:
        """No port of the server has the security group; returns whether one had."""
        ...

    async def ports_of(self, server_ids: Sequence[str]) -> Mapping[str, tuple[PortFacts, ...]]:
        """The ports of many servers at once, in the order in which they were asked for."""
        ...

    async def subnets_of(self, ports: Sequence[PortFacts]) -> Mapping[str, SubnetFacts]:
        """The subnets that the ports' addresses are of, by their ids."""
        ...

    async def server_at(self, network_id: str, address: str) -> str | None:
        """The id of the server that has the address on the network."""
        ...
