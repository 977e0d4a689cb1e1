"""IPv6 over the real OVN: guests make their addresses of what routers advertise, or get them by DHCPv6."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.hosts.ovn_world import OUTSIDE, Guest, until, world
from tests.network.builders import (
    ANN,
    BLUE,
    BLUE_LEG,
    BOB,
    OPEN,
    RED,
    RED_LEG,
    SHUT,
    a_rule,
    a_topology,
    port_of,
    with_port,
)

from pileus.network.drivers.interface import FixedIp, Subnet, Topology
from pileus.network.drivers.ovn import namespace
from pileus.network.models.ipv6 import eui64

pytestmark = [pytest.mark.host, pytest.mark.timeout(400)]

ANN_SIX = eui64("fd00:1::/64", "fa:16:3e:00:00:01")
BOB_SIX = eui64("fd00:2::/64", "fa:16:3e:00:00:02")


def _both(blue: str = "slaac", bob: str = BOB_SIX) -> Topology:
    """Two networks with IPv4 and IPv6 behind a router; everything may come in."""
    topology = a_topology(OUTSIDE)
    six = (
        Subnet(id="s6", network=RED, cidr="fd00:1::/64", gateway_ip="fd00:1::1", ipv6_ra="slaac", ipv6_mode="slaac"),
        Subnet(
            id="s7", network=BLUE, cidr="fd00:2::/64", gateway_ip="fd00:2::1", ipv6_ra=blue, ipv6_mode=blue,  # type: ignore[arg-type]
            dns_servers=("fd00::53",),
        ),
    )  # fmt: skip
    for port_id, fixed in (
        (ANN, FixedIp("s6", ANN_SIX)),
        (BOB, FixedIp("s7", bob)),
        (RED_LEG, FixedIp("s6", "fd00:1::1")),
        (BLUE_LEG, FixedIp("s7", "fd00:2::1")),
    ):
        topology = with_port(topology, port_id, fixed_ips=(*port_of(topology, port_id).fixed_ips, fixed))
    opened = next(group for group in topology.security_groups if group.id == OPEN)
    pings = a_rule(7, ethertype="IPv6", protocol="ipv6-icmp")
    opened = msgspec.structs.replace(opened, rules=(*opened.rules, pings))
    groups = tuple(opened if group.id == OPEN else group for group in topology.security_groups)
    return msgspec.structs.replace(topology, subnets=(*topology.subnets, *six), security_groups=groups)


async def _has(guest: Guest, address: str) -> bool:
    shown = await guest.do("ip", "-6", "address", "show", "dev", "eth0", "scope", "global")
    return f"{address}/" in shown.out and "tentative" not in shown.out


async def _pings(guest: Guest, address: str) -> bool:
    return (await guest.do("busybox", "ping", "-6", "-c", "1", "-W", "1", address)).code == 0


async def test_guests_make_their_addresses_and_reach_each_other_across_the_router(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = _both()
        await w.apply(wanted)
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))

        await until(lambda: _has(ann, ANN_SIX))
        await until(lambda: _has(bob, BOB_SIX))
        await until(lambda: _pings(ann, BOB_SIX))
        assert await _pings(bob, ANN_SIX)
        assert await _pings(bob, "fd00:2::1"), "the router itself"

        await w.apply(with_port(wanted, BOB, security_groups=(SHUT,)))

        async def shut() -> bool:
            return not await _pings(ann, BOB_SIX)

        await until(shut)


def _solicit() -> dict[str, str] | None:
    """The address and the name server a DHCPv6 server offers on eth0; run inside a guest's namespace."""
    client = struct.pack("!HHHH", 1, 10, 3, 1) + bytes.fromhex("fa163e000002")
    lease = struct.pack("!HHIII", 3, 12, 7, 0, 0)
    wanted = struct.pack("!HHH", 6, 2, 23)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        try:
            asking.bind(("::", 546))
            asking.sendto(b"\x01abc" + client + lease + wanted, ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0")))
            options = dict(_options(asking.recv(2000)[4:]))
        except OSError:
            return None
    inner = dict(_options(options[3][12:]))
    return {"address": _text(inner[5][:16]), "dns": _text(options[23][:16])}


def _options(raw: bytes) -> Iterator[tuple[int, bytes]]:
    while raw:
        code, size = struct.unpack("!HH", raw[:4])
        yield code, raw[4 : 4 + size]
        raw = raw[4 + size :]


def _text(raw: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6, raw)


async def test_a_guest_is_offered_its_address_by_dhcpv6(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = _both("dhcpv6-stateful", "fd00:2::10")
        await w.apply(wanted)
        bob = await w.arrive(port_of(wanted, BOB))
        offer = {"address": "fd00:2::10", "dns": "fd00::53"}

        async def offered() -> bool:
            return await namespace.within(bob.space, _solicit) == offer

        await until(offered)
        await bob.do("ip", "-6", "address", "add", "fd00:2::10/64", "dev", "eth0", "nodad", check=True)
        await until(lambda: _pings(bob, "fd00:1::1"))
