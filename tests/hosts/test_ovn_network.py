"""The real OVN carries what a topology asks for: guests get addresses, talk across routers, and are guarded."""

import itertools
from pathlib import Path

import msgspec
import pytest
from tests.hosts.ovn_world import OUTSIDE, machine_gets, machine_reaches, until, world
from tests.network.builders import (
    ANN,
    BLUE,
    BLUE_SUBNET,
    BOB,
    FLOATING,
    OPEN,
    RED,
    RED_LEG,
    RED_SUBNET,
    ROUTER,
    SHUT,
    a_rule,
    a_topology,
    port_of,
    with_port,
)

from pileus.kit.run import run
from pileus.network.drivers.interface import (
    AddressGroup,
    AddressPair,
    DhcpOption,
    FixedIp,
    FloatingIp,
    HostRoute,
    Network,
    PortForwarding,
    PortPlug,
    PortState,
    QosPolicy,
    QosRule,
    SecurityRule,
    Subnet,
    Topology,
)

pytestmark = [pytest.mark.host, pytest.mark.timeout(400)]


async def test_guest_is_given_address_names_routes_and_metadata(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))

        told = await ann.lease()

        assert ("10.1.0.10", "24", "9.9.9.9") == (told["ip"], told["mask"], told["dns"])
        assert "0.0.0.0/0 10.1.0.1" in told["staticroutes"]
        assert "10.9.0.0/16 10.1.0.254" in told["staticroutes"]
        assert f"{RED} 10.1.0.10 GET /openstack/latest 169.254.169.254" == await ann.gets(
            "http://169.254.169.254/openstack/latest"
        )
        asked = await ann.do("busybox", "nslookup", "-type=a", "ann.red.test", "9.9.9.9")
        assert "10.1.0.10" in asked.out
        back = await ann.do("busybox", "nslookup", "-type=ptr", "10.0.1.10.in-addr.arpa", "9.9.9.9")
        assert "ann.red.test" in back.out


async def test_guests_talk_across_the_router_and_with_the_outside(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))
        await ann.lease()
        await bob.lease()
        await ann.serve("I am Ann. " + "x" * 20000)

        await until(lambda: ann.reaches("10.2.0.10"))
        assert await bob.reaches(f"{OUTSIDE}.1"), "SNAT takes Bob out"
        assert (await bob.gets("http://10.1.0.10/")).startswith("I am Ann"), "TCP across the router"
        await until(lambda: machine_reaches(f"{OUTSIDE}.50"))
        assert (await machine_gets(f"http://{OUTSIDE}.50/")).startswith("I am Ann"), "TCP to the floating IP"
        assert (await bob.gets(f"http://{OUTSIDE}.50/")).startswith("I am Ann"), "floating IP from inside"


async def test_floating_ip_is_answered_where_the_port_is_when_it_has_a_mac(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        floating = FloatingIp(
            id=FLOATING, address=f"{OUTSIDE}.51", router=ROUTER, fixed_ip="10.1.0.10", port=ANN, mac="fa:16:3e:09:00:01"
        )
        wanted = a_topology(OUTSIDE, floating_ips=(floating,))
        await w.apply(wanted)
        ann = await w.arrive(port_of(wanted, ANN))
        await ann.lease()
        await ann.serve("I am Ann.")

        await until(lambda: machine_reaches(f"{OUTSIDE}.51"))
        assert "I am Ann." == await machine_gets(f"http://{OUTSIDE}.51/")


async def test_security_group_lets_answers_in_and_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = with_port(a_topology(OUTSIDE), ANN, security_groups=(SHUT,))
        await w.apply(wanted)
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))
        await ann.lease()
        await bob.lease()
        await ann.serve("I am Ann.")
        await bob.serve("I am Bob.")

        await until(lambda: ann.reaches("10.2.0.10"))
        assert "I am Bob." == await ann.gets("http://10.2.0.10/"), "answers follow requests"
        assert not await bob.reaches("10.1.0.10")
        assert await bob.gets("http://10.1.0.10/") is None

        shut = next(group for group in wanted.security_groups if group.id == SHUT)
        web = a_rule(9, protocol="tcp", port_min=80, port_max=80, remote_group=OPEN)
        groups = tuple(
            msgspec.structs.replace(shut, rules=(*shut.rules, web)) if g.id == SHUT else g
            for g in wanted.security_groups
        )
        await w.apply(msgspec.structs.replace(wanted, security_groups=groups))

        async def bob_gets_ann() -> bool:
            return await bob.gets("http://10.1.0.10/") == "I am Ann."

        await until(bob_gets_ann)
        assert not await bob.reaches("10.1.0.10"), "only the web is open, and only to the remote group"


async def test_guest_cannot_use_addresses_of_others(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann, bob = await w.arrive(port_of(wanted, ANN)), await w.arrive(port_of(wanted, BOB))
        await ann.lease()
        await bob.lease()
        await until(lambda: bob.reaches("10.1.0.10"))

        await bob.do("ip", "address", "add", "10.2.0.77/24", "dev", "eth0", check=True)

        assert (await bob.do("busybox", "ping", "-c", "1", "-W", "1", "-I", "10.2.0.77", "10.1.0.10")).code != 0


async def test_port_states_tell_when_and_where_a_port_is_up(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        heard: list[tuple[str, PortState]] = []
        w.fabric.on_port_change(lambda port_id, state: heard.append((port_id, state)))
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        assert PortState(up=False) == (await w.fabric.port_states())[ANN]

        await w.arrive(port_of(wanted, ANN))

        async def told() -> bool:
            return (ANN, PortState(up=True, host="host-a")) in heard

        await until(told)
        assert {ANN} == await w.host.plug.plugged()

        await w.host.plug.ensure_unplugged(ANN)
        await w.host.plug.ensure_unplugged(ANN)

        async def down() -> bool:
            return not (await w.fabric.port_states())[ANN].up

        await until(down)
        assert set() == await w.host.plug.plugged()


async def test_second_sync_changes_nothing_and_foreign_rows_stay(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        first = await w.fabric.sync(wanted)
        assert first.inserted > 20
        nbctl = ["ovn-nbctl", f"--db=unix:{w.host.socket}"]
        await run([*nbctl, "ls-add", "somebody-elses"])
        await run([*nbctl, "--wait=hv", "sync"])

        assert (await w.fabric.sync(wanted)).none
        assert (await w.fabric.diff(wanted)).none

        await run([*nbctl, "lsp-del", ANN])
        assert (f"add Logical_Switch_Port {ANN}") in (await w.fabric.diff(wanted)).lines
        await w.fabric.sync(a_topology(OUTSIDE, networks=(), subnets=(), ports=(), routers=(), floating_ips=()))
        left = (await run([*nbctl, "ls-list"])).out
        assert "somebody-elses" in left
        assert BLUE not in left


async def test_ovn_understands_every_kind_of_row(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.apply(_everything())
        for port_id in (ANN, BOB):  # ovn-controller reads only what concerns networks it has ports of.
            await w.host.plug.ensure_plugged(PortPlug(port_id, "fa:16:3e:00:00:01"))

            async def up(port_id: str = port_id) -> bool:
                return (await w.fabric.port_states())[port_id].up

            await until(up)

        await run(["ovn-nbctl", f"--db=unix:{w.host.socket}", "--wait=hv", "sync"])

        for daemon in ("ovn-northd", "ovn-controller"):
            bad = [
                line for line in w.host.place.log(daemon).read_text().splitlines() if "WARN" in line or "ERR" in line
            ]
            assert not [line for line in bad if "vif_plug" not in line]


def _every_rule() -> tuple[SecurityRule, ...]:
    protocols = (None, "tcp", "udp", "sctp", "icmp", "vrrp", "47", "esp", "ah")
    rules = tuple(
        a_rule(number, protocol=protocol, direction=direction, ethertype=ethertype, remote_group=group)
        for number, (protocol, direction, ethertype, group) in enumerate(
            itertools.product(protocols, ("ingress", "egress"), ("IPv4", "IPv6"), (None, SHUT))
        )
    )
    more = (
        a_rule(900, protocol="icmp", port_min=8, port_max=0, remote_prefix="10.0.0.0/8"),
        a_rule(901, protocol="icmpv6", ethertype="IPv6", port_min=128, remote_prefix="fd00::/8"),
        a_rule(902, protocol="udp", port_min=10, port_max=20),
        a_rule(903, protocol="tcp", address_group="blocks"),
        a_rule(904, ethertype="IPv6", address_group="blocks"),
    )
    return (*rules, *more)


def _everything() -> Topology:
    """A topology with IPv6, every protocol in rules, options of a port's own, a VLAN and static routes."""
    six = (
        Subnet(id="s6", network=RED, cidr="fd00:1::/64", gateway_ip="fd00:1::1", ipv6_ra="slaac", ipv6_mode="slaac"),
        Subnet(
            id="s7", network=BLUE, cidr="fd00:2::/64", gateway_ip="fd00:2::1", ipv6_ra="dhcpv6-stateful", ipv6_mode="dhcpv6-stateful",
            dns_servers=("fd00::53",),
        ),
    )  # fmt: skip
    told = ("mtu:1300", "router:10.1.0.1", "dns-server:9.9.9.9,8.8.8.8", "ntp-server:1.1.1.1", "lease-time:60",
            "domain-name:a.b", "domain-search:a.b,c.d", "hostname:ann", "tftp-server:boot", "bootfile-name:x/y",
            "server-ip-address:1.2.3.4", "path-prefix:/x", "wpad:http://x", "broadcast:10.1.0.255", "arp-timeout:5",
            "classless-static-route:10.0.0.0/8,10.1.0.1", "netmask:255.255.255.0")  # fmt: skip
    options = tuple(DhcpOption(*text.split(":", 1)) for text in told)
    topology = with_port(
        a_topology(OUTSIDE), ANN, dhcp_options=options, allowed_pairs=(AddressPair("10.1.0.0/28"),),
        fixed_ips=(FixedIp(RED_SUBNET, "10.1.0.10"), FixedIp("s6", "fd00:1::10")),
    )  # fmt: skip
    leg = next(port for port in topology.ports if port.id == RED_LEG)
    topology = with_port(topology, RED_LEG, fixed_ips=(*leg.fixed_ips, FixedIp("s6", "fd00:1::1")))
    topology = with_port(topology, BOB, fixed_ips=(FixedIp(BLUE_SUBNET, "10.2.0.10"), FixedIp("s7", "fd00:2::10")))
    tagged = Network(id="vlan", network_type="vlan", physical_network="external", segmentation_id=7)
    routed = msgspec.structs.replace(topology.routers[0], routes=(HostRoute("10.8.0.0/16", "10.1.0.99"),))
    told = {"rules": _every_rule(), "log_accepted": "a", "log_dropped": "b"}
    return msgspec.structs.replace(
        with_port(topology, ANN, qos_policy="all"),
        networks=(*topology.networks, tagged),
        subnets=(*topology.subnets, *six),
        routers=(routed,),
        security_groups=tuple(
            msgspec.structs.replace(group, **told) if group.id == OPEN else group for group in topology.security_groups
        ),
        address_groups=(AddressGroup(id="blocks", addresses=("10.0.0.0/8", "fd00::/8")),),
        qos_policies=(QosPolicy(id="all", rules=_every_limit()),),
        port_forwardings=(
            PortForwarding(
                id="f", floating_ip="fip", address=f"{OUTSIDE}.70", router=ROUTER, protocol="sctp", fixed_ip="10.1.0.10",
                inner=80, outer=80, count=3,
            ),
        ),
    )  # fmt: skip


def _every_limit() -> tuple[QosRule, ...]:
    return (
        QosRule(kind="bandwidth_limit", max_kbps=1000),
        QosRule(kind="bandwidth_limit", direction="ingress", max_kbps=1000, max_burst_kbps=10),
        QosRule(kind="dscp_marking", dscp_mark=56),
        QosRule(kind="minimum_bandwidth", min_kbps=10),
    )
