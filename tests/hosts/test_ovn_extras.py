"""More of what the real OVN carries out, seen in the traffic of guests; many checks share one cloud."""

import socket
import struct
from pathlib import Path

import msgspec
import pytest
from tests.hosts.ovn_world import OUTSIDE, Guest, machine_gets, until, world
from tests.network.builders import ANN, BOB, ROUTER, SHUT, a_rule, a_topology, port_of, with_port

from pileus.network.drivers.interface import AddressGroup, PortForwarding, QosPolicy, QosRule, Topology
from pileus.network.drivers.ovn import namespace

pytestmark = [pytest.mark.host, pytest.mark.timeout(400)]

PACKETS, SIZE = 200, 1000
EXPEDITED = 46


def _only_offices(topology: Topology, *addresses: str) -> Topology:
    """Into the group that is shut come those with these addresses only."""
    shut = next(group for group in topology.security_groups if group.id == SHUT)
    shut = msgspec.structs.replace(
        shut, rules=(*shut.rules, a_rule(20, address_group="offices")), log_accepted="yes", log_dropped="no"
    )
    groups = tuple(shut if group.id == SHUT else group for group in topology.security_groups)
    offices = AddressGroup(id="offices", addresses=addresses)
    return msgspec.structs.replace(topology, security_groups=groups, address_groups=(offices,))


async def test_addresses_of_a_group_come_in_as_long_as_they_are_in_it_and_logs_tell_so(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = with_port(a_topology(OUTSIDE), ANN, security_groups=(SHUT,))
        await w.apply(_only_offices(wanted, "10.2.0.0/28", "fd00::/64"))
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))
        await ann.lease()
        await bob.lease()
        await until(lambda: bob.reaches("10.1.0.10"))

        await w.apply(_only_offices(wanted, "10.2.0.32/28"))

        async def shut_out() -> bool:
            return not await bob.reaches("10.1.0.10")

        await until(shut_out)
        assert await ann.reaches("10.2.0.10"), "answers follow requests"

        async def told() -> bool:
            log = w.host.place.log("ovn-controller").read_text()
            return 'name="neutron-yes", verdict=allow' in log and 'name="neutron-no", verdict=drop' in log

        await until(told)

        await w.apply(_stateless(_only_offices(wanted, "10.2.0.32/28"), SHUT))

        async def unanswered() -> bool:
            return not await ann.reaches("10.2.0.10")

        await until(unanswered)


def _stateless(topology: Topology, group_id: str) -> Topology:
    groups = tuple(msgspec.structs.replace(group, stateful=group.id != group_id) for group in topology.security_groups)
    return msgspec.structs.replace(topology, security_groups=groups)


async def _listen(guest: Guest) -> socket.socket:
    def opened() -> socket.socket:
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * PACKETS * SIZE)
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        listening.bind(("", 7000))
        listening.settimeout(2)
        return listening

    return await namespace.within(guest.space, opened)


async def _send(guest: Guest, address: str, packets: int) -> None:
    def sent() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for _ in range(packets):
                sending.sendto(b"x" * SIZE, (address, 7000))

    await namespace.within(guest.space, sent)


def _marks(listening: socket.socket) -> list[int]:
    """The mark of each packet that came; it ends when none has come for a while."""
    found = []
    while True:
        try:
            _, told, _, _ = listening.recvmsg(SIZE, 64)
        except TimeoutError:
            return found
        found += [body[0] >> 2 for level, kind, body in told if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)]


async def test_qos_marks_and_limits_what_a_guest_sends(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        rules = (
            QosRule(kind="dscp_marking", dscp_mark=EXPEDITED),
            QosRule(kind="bandwidth_limit", max_kbps=100, max_burst_kbps=100),
        )
        wanted = a_topology(OUTSIDE, qos_policies=(QosPolicy(id="slow", rules=rules),))
        wanted = with_port(wanted, ANN, qos_policy="slow")
        await w.apply(wanted)
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))
        await ann.lease()
        await bob.lease()
        await until(lambda: ann.reaches("10.2.0.10"))
        listening = await _listen(bob)
        try:
            await _send(ann, "10.2.0.10", PACKETS)
            limited = await namespace.within(bob.space, lambda: _marks(listening))
            assert 0 < len(limited) < PACKETS / 2, "what is over the limit is dropped"
            assert {EXPEDITED} == set(limited)

            await w.apply(with_port(wanted, ANN, qos_policy=None))

            async def free() -> bool:
                await _send(ann, "10.2.0.10", PACKETS)
                came = await namespace.within(bob.space, lambda: _marks(listening))
                return len(came) > PACKETS / 2 and came[-1] == 0

            await until(free)
        finally:
            listening.close()


async def test_single_ports_of_a_floating_ip_lead_to_guests(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        web = PortForwarding(
            id="f1", floating_ip="fip", address=f"{OUTSIDE}.60", router=ROUTER, protocol="tcp", fixed_ip="10.1.0.10", inner=80,
            outer=8080,
        )  # fmt: skip
        other = msgspec.structs.replace(web, id="f2", fixed_ip="10.2.0.10", outer=8081)
        wanted = a_topology(OUTSIDE, floating_ips=(), port_forwardings=(web, other))
        await w.apply(wanted)
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))
        await ann.lease()
        await bob.lease()
        await ann.serve("I am Ann.")
        await bob.serve("I am Bob.")

        async def ann_is_reached() -> bool:
            return await machine_gets(f"http://{OUTSIDE}.60:8080/") == "I am Ann."

        await until(ann_is_reached)
        assert "I am Bob." == await machine_gets(f"http://{OUTSIDE}.60:8081/")
        assert "I am Bob." == await ann.gets(f"http://{OUTSIDE}.60:8081/"), "from inside, too"
        assert await machine_gets(f"http://{OUTSIDE}.60:80/") is None, "nothing else of the address is open"


def _asked_by_tag(tag: int, mac: str, own: str, target: str) -> bool:
    """Whether somebody answers ARP for an address in frames with that tag, as a trunk's guest would ask."""
    source = bytes.fromhex(mac.replace(":", ""))
    ethernet = b"\xff" * 6 + source + struct.pack("!HHH", 0x8100, tag, 0x0806)
    arp = (
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + source + socket.inet_aton(own) + bytes(6) + socket.inet_aton(target)
    )
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as line:
        line.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the kernel takes the tag off and tells it beside
        line.bind(("eth0", 0))
        line.settimeout(1)
        line.send(ethernet + arp)
        try:
            while True:
                frame, told, _, _ = line.recvmsg(2048, 256)
                tags = [struct.unpack("=IIIHHHH", body)[5] for level, kind, body in told if (level, kind) == (263, 8)]
                if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02" and tags == [tag]:
                    return frame[28:32] == socket.inet_aton(target)
        except TimeoutError:
            return False


async def test_a_trunks_guest_reaches_another_network_by_its_tag(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = with_port(a_topology(OUTSIDE), BOB, parent=ANN, tag=42)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        bob = port_of(wanted, BOB)

        async def up() -> bool:
            return (await w.fabric.port_states())[BOB].up

        await until(up)

        async def answered(tag: int = 42) -> bool:
            asked = (tag, bob.mac, "10.2.0.10", "10.2.0.1")
            return await namespace.within(ann.space, lambda: _asked_by_tag(*asked))

        await until(answered)
        assert not await answered(43)
