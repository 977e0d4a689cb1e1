"""Rules about IPv6: how guests come by their addresses, and the address a MAC makes by itself (EUI-64)."""

import ipaddress

from pileus.network.errors import InvalidInput
from pileus.network.models.blocks import Block
from pileus.network.models.resources import Subnet

LEAST_MTU = 1280
AUTOMATIC = frozenset(("slaac", "dhcpv6-stateless"))
_FLIPPED = 0x02 << 56  # the universal/local bit of an interface identifier


def automatic(subnet: Subnet) -> bool:
    """Whether guests of the subnet make their addresses themselves, so that only one fits each MAC."""
    return subnet.ip_version == 6 and (subnet.ipv6_address_mode or subnet.ipv6_ra_mode) in AUTOMATIC


def check_mtu(ip_version: int, mtu: int) -> None:
    """Raises InvalidInput for an MTU that IPv6 does not work with."""
    if ip_version == 6 and mtu < LEAST_MTU:
        raise InvalidInput(why=f"IPv6 needs an MTU of at least {LEAST_MTU}, not {mtu}")


def check_modes(block: Block, ra_mode: str | None, address_mode: str | None, *, dhcp: bool) -> None:
    """Raises InvalidInput unless a subnet of the block may be advertised and addressed so."""
    if ra_mode is None and address_mode is None:
        return
    if block.version == 4:
        raise InvalidInput(why="ipv6_ra_mode and ipv6_address_mode are for subnets with ip_version 6")
    if not dhcp:
        raise InvalidInput(why="ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra_mode is not None and address_mode is not None and ra_mode != address_mode:
        raise InvalidInput(
            why=f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if (address_mode or ra_mode) in AUTOMATIC and block.prefixlen != 64:
        raise InvalidInput(
            why=f"Invalid CIDR {block} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the "
            "prefix to be /64"
        )


def eui64(cidr: str, mac: str) -> str:
    """The address that follows from a block of 64 bits and a MAC."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = int.from_bytes(octets[:3] + b"\xff\xfe" + octets[3:]) ^ _FLIPPED
    return str(ipaddress.IPv6Network(cidr)[identifier])
