"""Small values that resources and the fabric share."""

from typing import Literal

import msgspec


class HostRoute(msgspec.Struct, frozen=True):
    """A route handed to guests by DHCP, or held by a router."""

    destination: str
    nexthop: str


class Pool(msgspec.Struct, frozen=True):
    """First and last address given to ports."""

    start: str
    end: str


class FixedIp(msgspec.Struct, frozen=True):
    """An address of a port."""

    subnet: str
    address: str


class AddressPair(msgspec.Struct, frozen=True):
    """An address (or block) and MAC a guest may also use; without a MAC, the port's own."""

    address: str
    mac: str | None = None


class DhcpOption(msgspec.Struct, frozen=True):
    """An extra DHCP option of one port, by Neutron's (dnsmasq's) name or its number."""

    name: str
    value: str
    ip_version: Literal[4, 6] = 4
