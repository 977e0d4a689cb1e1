"""The link between a cloud's external bridge and the machine it runs on.

A veth pair: one end is a port of the external bridge, the other is in the machine's own namespace and has the external
gateway's address, so that whoever works on the machine reaches floating IPs. With masquerade, guests reach what the machine reaches.
Checksums are computed before packets enter the pair: the userspace switch hands them on as they are.
"""

import ipaddress
import json
from pathlib import Path

import msgspec

from pileus.kit.run import ProgramFailed, run
from pileus.network.drivers.interface import DriverError
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.daemons import Daemons
from pileus.network.drivers.ovn.place import EXTERNAL_BRIDGE, Place

_INNER = "uplink"
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


class ExternalLink(msgspec.Struct, frozen=True, kw_only=True):
    """The machine's address on the external network, with prefix, and whether its guests may go out through it.

    `mtu` is that of guests behind routers, so that the machine itself, and not a TAP, refuses what is too long for them.
    """

    address: str = "172.24.4.1/24"
    masquerade: bool = True
    mtu: int = 1442


async def free_address(place: Place, preferred: str = "172.24.4.1/24") -> str:
    """The preferred address for the link, or the next that nothing on the machine overlaps: for a second cloud."""
    taken = await _taken(place)
    for address in (preferred, *(f"172.24.{third}.1/24" for third in range(4, 256))):
        if not any(block.overlaps(ipaddress.IPv4Interface(address).network) for block in taken.values()):
            return address
    raise DriverError("link the external network", "every block of 172.24.4.0 to 172.24.255.0 is taken")


async def ensure_link(place: Place, daemons: Daemons, link: ExternalLink) -> None:
    """The machine has the address on the external bridge; the switch runs already."""
    try:
        await _refuse_overlap(place, link)
        await _ensure_pair(place)
        await run(["ip", "address", "replace", link.address, "dev", place.link])
        await run(["ip", "link", "set", place.link, "mtu", str(link.mtu), "up"])
        await run(["ip", "-n", place.namespace, "link", "set", _INNER, "mtu", str(link.mtu), "up"])
        await run(["ethtool", "-K", place.link, "tx", "off"])
        await run(["nsenter", f"--net={namespace.NAMESPACES / place.namespace}", "ethtool", "-K", _INNER, "tx", "off"])
        await daemons.vsctl("--may-exist", "add-port", EXTERNAL_BRIDGE, _INNER)
        await _ensure_masquerade(place, link)
    except ProgramFailed as failed:
        raise DriverError("link the external network", str(failed)) from failed


async def remove_link(place: Place) -> None:
    """Neither the pair nor the rules are left."""
    if await _is_there(place):
        await run(["ip", "link", "delete", place.link])
    await run(["nft", "-f", "-"], stdin=f"table ip {place.nft_table}\ndelete table ip {place.nft_table}\n".encode())


async def _is_there(place: Place) -> bool:
    return (await run(["ip", "link", "show", place.link], check=False)).code == 0


async def _ensure_pair(place: Place) -> None:
    inner = await run(["ip", "-n", place.namespace, "link", "show", _INNER], check=False)
    outer = await _is_there(place)
    if outer and inner.code == 0:
        return
    if outer:  # Its other end went with a namespace that is no more.
        await run(["ip", "link", "delete", place.link])
    await run(["ip", "link", "add", place.link, "type", "veth", "peer", "name", _INNER, "netns", place.namespace])


async def _taken(place: Place) -> dict[str, ipaddress.IPv4Network]:
    """Blocks the machine's other devices are in, by device."""
    devices = json.loads((await run(["ip", "-json", "-4", "address", "show"])).out)
    return {
        device["ifname"]: ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
        for device in devices
        for address in device.get("addr_info", ())
        if device["ifname"] != place.link
    }


async def _refuse_overlap(place: Place, link: ExternalLink) -> None:
    wanted = ipaddress.IPv4Interface(link.address).network
    for device, taken in (await _taken(place)).items():
        if taken.overlaps(wanted):
            raise DriverError(
                "link the external network", f"{link.address} overlaps {taken} of {device}; choose another"
            )


async def _ensure_masquerade(place: Place, link: ExternalLink) -> None:
    table = place.nft_table
    rules = [f"table ip {table}", f"delete table ip {table}"]
    if link.masquerade:
        guests = ipaddress.IPv4Interface(link.address).network
        rules += [
            f"table ip {table} {{",
            "  chain out { type nat hook postrouting priority srcnat;",
            f'    ip saddr {guests} oifname != "{place.link}" masquerade',
            "  }",
            "}",
        ]
        if _FORWARD.read_text().strip() != "1":
            _FORWARD.write_text("1")
    # The first two lines make the file a replacement, in one step, whether the table was there or not.
    await run(["nft", "-f", "-"], stdin="\n".join([*rules, ""]).encode())
