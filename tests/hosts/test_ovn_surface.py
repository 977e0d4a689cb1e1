"""What users of the core ask for, seen from inside guests on the real OVN: one cloud, many checks."""

import socket
import struct
from pathlib import Path

import msgspec
import pytest
from tests.hosts.ovn_world import OUTSIDE, Guest, until, world
from tests.network.builders import ANN, BLUE, BLUE_LEG, BLUE_SUBNET, BOB, OPEN, a_port, a_topology, port_of, with_port

from pileus.network.drivers.interface import (
    AddressPair,
    DhcpOption,
    FixedIp,
    HostRoute,
    Network,
    Subnet,
    Topology,
)
from pileus.network.drivers.ovn import namespace
from pileus.network.models.ipv6 import eui64

pytestmark = [pytest.mark.host, pytest.mark.timeout(400)]

VLAN = "a0000007-0000-4000-8000-000000000007"
EVE = "e5555555-5555-4555-8555-555555555555"
TAG = 7
STRANGER = "fa:16:3e:99:99:99"
BOB_SIX = eui64("fd00:2::/64", "fa:16:3e:00:00:02")


def _wanted() -> Topology:
    """Ann stands for 10.8.0.0/16, to which the router sends; Bob is told more by DHCP; Eve is on a VLAN."""
    topology = a_topology(OUTSIDE)
    routed = msgspec.structs.replace(topology.routers[0], routes=(HostRoute("10.8.0.0/16", "10.1.0.10"),))
    eve = a_port(EVE, VLAN, f"{VLAN}-s", "10.7.0.10", "fa:16:3e:00:00:05", security_groups=(OPEN,))
    blue_six = Subnet(
        id="s7", network=BLUE, cidr="fd00:2::/64", gateway_ip="fd00:2::1", ipv6_ra="dhcpv6-stateless",
        ipv6_mode="dhcpv6-stateless", dns_servers=("fd00::53",),
    )  # fmt: skip
    topology = msgspec.structs.replace(
        topology,
        networks=(
            *(msgspec.structs.replace(each, mtu=1350) if each.id == BLUE else each for each in topology.networks),
            Network(id=VLAN, network_type="vlan", physical_network="external", segmentation_id=TAG),
        ),
        subnets=(
            *topology.subnets, blue_six, Subnet(id=f"{VLAN}-s", network=VLAN, cidr="10.7.0.0/24", gateway_ip="10.7.0.1"),
        ),
        routers=(routed,),
        ports=(*topology.ports, eve),
    )  # fmt: skip
    topology = with_port(topology, ANN, allowed_pairs=(AddressPair("10.8.0.0/16"),))
    leg = port_of(topology, BLUE_LEG)
    topology = with_port(topology, BLUE_LEG, fixed_ips=(*leg.fixed_ips, FixedIp("s7", "fd00:2::1")))
    options = (
        DhcpOption("domain-name", "told.test"),
        DhcpOption("42", "192.0.2.42"),
        DhcpOption("tftp-server", "boot"),
    )
    return with_port(
        topology, BOB, dhcp_options=options, fixed_ips=(FixedIp(BLUE_SUBNET, "10.2.0.10"), FixedIp("s7", BOB_SIX))
    )


async def test_the_core_holds_for_guests(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = _wanted()
        await w.apply(wanted)
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))
        await ann.lease()
        told = await bob.lease()

        assert ("1350", "told.test", "192.0.2.42", "boot") == (
            told["mtu"], told["domain"], told["ntpsrv"], told["tftp"]
        ), "the MTU and the port's own DHCP options"  # fmt: skip
        await _reached_by_route_and_pair(ann, bob)
        await _told_by_stateless_dhcp(bob)
        await _nobody_elses_mac(ann, bob)
        await _tagged_outside(w.host.place.link, await w.arrive(port_of(wanted, EVE)))


async def _reached_by_route_and_pair(ann: Guest, bob: Guest) -> None:
    """Bob reaches what the router's extra route leads to: an address Ann may use by an allowed pair, and no other."""
    for address in ("10.8.0.1/32", "10.9.9.9/32"):
        await ann.do("ip", "address", "add", address, "dev", "eth0", check=True)
    await until(lambda: bob.reaches("10.8.0.1"))
    assert (await ann.do("busybox", "ping", "-c", "1", "-W", "1", "-I", "10.9.9.9", "10.2.0.10")).code != 0


async def _told_by_stateless_dhcp(bob: Guest) -> None:
    async def addressed() -> bool:
        return BOB_SIX in (await bob.do("ip", "-6", "address", "show", "dev", "eth0")).out

    async def named() -> bool:
        return await namespace.within(bob.space, _name_server) == "fd00::53"

    await until(addressed)
    await until(named)


def _name_server() -> str | None:
    """What a DHCPv6 server says to who asks for no address (RFC 8415 section 18.2.6); run inside a guest's namespace."""
    client = struct.pack("!HHHH", 1, 10, 3, 1) + bytes.fromhex("fa163e000002")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        try:
            asking.bind(("::", 546))
            asking.sendto(
                b"\x0babc" + client + struct.pack("!HHH", 6, 2, 23),
                ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0")),
            )
            options = asking.recv(2000)[4:]
        except OSError:
            return None
    while options:
        code, size = struct.unpack("!HH", options[:4])
        if code == 23:
            return socket.inet_ntop(socket.AF_INET6, options[4:20])
        options = options[4 + size :]
    return None


async def _nobody_elses_mac(ann: Guest, bob: Guest) -> None:
    """With a MAC that is not its own a guest reaches nobody, and with its own again it does."""
    await ann.do("ip", "link", "set", "eth0", "address", STRANGER, check=True)
    assert not await ann.reaches("10.2.0.10")
    await ann.do("ip", "link", "set", "eth0", "address", ann.port.mac, check=True)
    await ann.do("ip", "route", "replace", "default", "via", "10.1.0.1", "dev", "eth0", check=True)
    await until(lambda: ann.reaches("10.2.0.10"))


async def _tagged_outside(link: str, eve: Guest) -> None:
    """What a guest on a VLAN sends is on the physical network with the VLAN's tag."""
    await eve.lease()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as line:
        line.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the kernel takes the tag off and tells it beside
        line.bind((link, 0))
        line.setblocking(False)
        mac = bytes.fromhex(eve.port.mac.replace(":", ""))

        async def seen() -> bool:
            await eve.reaches("10.7.0.99")
            return TAG in _tags(line, mac)

        await until(seen)


def _tags(line: socket.socket, mac: bytes) -> set[int]:
    """The tags of the frames a MAC has sent since this was asked last."""
    found: set[int] = set()
    while True:
        try:
            frame, told, _, _ = line.recvmsg(2048, 256)
        except BlockingIOError:
            return found
        if frame[6:12] == mac:
            found |= {struct.unpack("=IIIHHHH", body)[5] for level, kind, body in told if (level, kind) == (263, 8)}
