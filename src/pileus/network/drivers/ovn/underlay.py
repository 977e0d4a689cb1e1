"""The way of tunnels between hosts: from the switch's namespace through the machine's own address to other machines.

    br-int -geneve-> br-phy (tunnel address on its local port) -veth-> the machine -its address-> other machines

The userspace switch sends tunnel packets by itself and needs a bridge with an address to send them from. The machine keeps its
network cards: it translates between the tunnel address, which only it knows, and its own, which other hosts know. So a machine with
one card, or one whose card is not ours to take, joins as well.
"""

import ipaddress
import json
from pathlib import Path

import msgspec

from pileus.kit.run import ProgramFailed, run
from pileus.network.drivers.interface import DriverError
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.daemons import SWITCH, Daemons
from pileus.network.drivers.ovn.jsonrpc import RpcFailed
from pileus.network.drivers.ovn.place import PHYSICAL_BRIDGE, Place

GENEVE_PORT = 6081
_INNER = "underlay"
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# Meant for tests of network gear (RFC 2544), so no real network has it; each cloud takes four addresses by its digest.
_BLOCKS = ipaddress.IPv4Network("198.18.0.0/15")


class Underlay(msgspec.Struct, frozen=True):
    """The address by which other hosts send tunnel packets to this machine."""

    address: str


def block(place: Place) -> ipaddress.IPv4Network:
    """The four addresses between machine and switch: the machine has the first usable one, the switch the second."""
    number = int(place.digest, 16) % (_BLOCKS.num_addresses // 4)
    return ipaddress.IPv4Network((int(_BLOCKS.network_address) + 4 * number, 30))


async def ensure_underlay(place: Place, daemons: Daemons, underlay: Underlay) -> None:
    """Tunnel packets get out and in; the switch runs already."""
    machine, tunnel = (f"{address}" for address in block(place).hosts())
    space = place.namespace
    try:
        await _ensure_pair(place)
        await run(["ip", "address", "replace", f"{machine}/30", "dev", _device(place)])
        await run(["ip", "link", "set", _device(place), "up"])
        # The bridge's local port answers ARP for the tunnel address; this device, a port of that bridge, would do so too,
        # with a MAC at which no tunnel ends.
        await run(["ip", "-n", space, "link", "set", _INNER, "arp", "off", "up"])
        await run(["ethtool", "-K", _device(place), "tx", "off"])
        await run(["nsenter", f"--net={namespace.NAMESPACES / space}", "ethtool", "-K", _INNER, "tx", "off"])
        await daemons.vsctl(
            "--may-exist", "add-br", PHYSICAL_BRIDGE,
            "--", "set", "Bridge", PHYSICAL_BRIDGE, "datapath_type=netdev", "fail_mode=standalone",
            "other_config:disable-in-band=true",
            "--", "--may-exist", "add-port", PHYSICAL_BRIDGE, _INNER,
        )  # fmt: skip
        await run(["ip", "-n", space, "link", "set", PHYSICAL_BRIDGE, "up"])
        await run(["ip", "-n", space, "address", "replace", f"{tunnel}/30", "dev", PHYSICAL_BRIDGE])
        await run(["ip", "-n", space, "route", "replace", "default", "via", machine, "dev", PHYSICAL_BRIDGE])
        await _introduce(place, daemons, machine)
        await _ensure_translation(place, underlay.address, tunnel)
    except (ProgramFailed, RpcFailed) as failed:
        raise DriverError("link the hosts", str(failed)) from failed


async def remove_underlay(place: Place) -> None:
    """Neither the pair nor the rules are left."""
    if (await run(["ip", "link", "show", _device(place)], check=False)).code == 0:
        await run(["ip", "link", "delete", _device(place)])
    table = _table(place)
    await run(["nft", "-f", "-"], stdin=f"table ip {table}\ndelete table ip {table}\n".encode())


def _device(place: Place) -> str:
    """The machine's end of the way tunnels take."""
    return f"pt-{place.digest}"


def _table(place: Place) -> str:
    """The nftables table that translates tunnels' addresses."""
    return f"pileus_{place.digest}_tunnels"


async def _ensure_pair(place: Place) -> None:
    inner = (await run(["ip", "-n", place.namespace, "link", "show", _INNER], check=False)).code == 0
    outer = (await run(["ip", "link", "show", _device(place)], check=False)).code == 0
    if outer and inner:
        return
    if outer:  # Its other end went with a namespace that is no more.
        await run(["ip", "link", "delete", _device(place)])
    if inner:  # Its other end went with a network namespace this machine was.
        await run(["ip", "-n", place.namespace, "link", "delete", _INNER])
    pair = ["ip", "link", "add", _device(place), "type", "veth", "peer", "name", _INNER, "netns", place.namespace]
    await run(pair)


async def _introduce(place: Place, daemons: Daemons, machine: str) -> None:
    """The switch knows the machine's MAC: it would ask for it otherwise, and drop the first packets of each connection."""
    (link,) = json.loads((await run(["ip", "-json", "link", "show", _device(place)])).out)
    await daemons.control(SWITCH, "tnl/neigh/set", PHYSICAL_BRIDGE, machine, link["address"])


async def _ensure_translation(place: Place, address: str, tunnel: str) -> None:
    table = _table(place)
    if (await run(["nft", "list", "table", "ip", table], check=False)).code == 0:
        listed = (await run(["nft", "list", "table", "ip", table])).out
        if f"ip daddr {address} " in listed and f"dnat to {tunnel}" in listed:
            return  # To write it again would cost every tunnel its place in connection tracking.
    rules = [
        f"table ip {table}",
        f"delete table ip {table}",
        f"table ip {table} {{",
        "  chain in { type nat hook prerouting priority dstnat;",
        f"    ip daddr {address} udp dport {GENEVE_PORT} dnat to {tunnel}",
        "  }",
        "  chain out { type nat hook postrouting priority srcnat;",
        f"    ip saddr {tunnel} snat to {address}",
        "  }",
        "}",
    ]
    if _FORWARD.read_text().strip() != "1":
        _FORWARD.write_text("1")
    await run(["nft", "-f", "-"], stdin="\n".join([*rules, ""]).encode())
