"""The real OVN carries what a topology asks for: guests get addresses, talk across routers, and are guarded."""

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest
from tests.hosts.ovn_world import World, machine_gets, machine_reaches, until, world
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
)

from pileus.kit.run import run
from pileus.network.drivers.interface import (
    AddressPair,
    DhcpOption,
    DriverError,
    FixedIp,
    FloatingIp,
    HostRoute,
    Network,
    PortState,
    Subnet,
    Topology,
)
from pileus.network.drivers.ovn.link import free_address
from pileus.network.drivers.ovn.place import Place

pytestmark = [pytest.mark.host, pytest.mark.timeout(120)]

OUTSIDE = "172.31.254"


def _port(topology, port_id):
    return next(port for port in topology.ports if port.id == port_id)


def _with_port(topology, port_id, **claims):
    ports = tuple(msgspec.structs.replace(p, **claims) if p.id == port_id else p for p in topology.ports)
    return msgspec.structs.replace(topology, ports=ports)


async def test_guest_is_given_address_names_routes_and_metadata(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))

        told = await ann.lease()

        assert ("10.1.0.10", "24", "9.9.9.9") == (told["ip"], told["mask"], told["dns"])
        assert "0.0.0.0/0 10.1.0.1" in told["staticroutes"]
        assert "10.9.0.0/16 10.1.0.254" in told["staticroutes"]
        assert f"{RED} 10.1.0.10 GET /openstack/latest 169.254.169.254" == await ann.gets(
            "http://169.254.169.254/openstack/latest"
        )
        asked = await ann.do("busybox", "nslookup", "-type=a", "ann.red.test", "9.9.9.9")
        assert "10.1.0.10" in asked.out


async def test_guests_talk_across_the_router_and_with_the_outside(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann, bob = await w.arrive(_port(wanted, ANN)), await w.arrive(_port(wanted, BOB))
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
        ann = await w.arrive(_port(wanted, ANN))
        await ann.lease()
        await ann.serve("I am Ann.")

        await until(lambda: machine_reaches(f"{OUTSIDE}.51"))
        assert "I am Ann." == await machine_gets(f"http://{OUTSIDE}.51/")


async def test_security_group_lets_answers_in_and_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = _with_port(a_topology(OUTSIDE), ANN, security_groups=(SHUT,))
        await w.apply(wanted)
        ann, bob = await w.arrive(_port(wanted, ANN)), await w.arrive(_port(wanted, BOB))
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
        ann, bob = await w.arrive(_port(wanted, ANN)), await w.arrive(_port(wanted, BOB))
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

        await w.arrive(_port(wanted, ANN))

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


async def test_traffic_flows_while_the_controller_is_away_and_another_adopts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        pids = [state.pid for state in w.host.daemons()]

        await w.fabric.stop()
        await w.host.close()
        assert await ann.reaches(f"{OUTSIDE}.1")
        w._open()
        await w.start()

        assert pids == [state.pid for state in w.host.daemons()]
        assert (await w.fabric.sync(wanted)).none
        await w.apply(wanted)
        assert await ann.gets("http://169.254.169.254/") is not None
        assert {ANN} == await w.host.plug.plugged()


@pytest.mark.parametrize("daemon", ["ovn-controller", "ovs-vswitchd", "ovsdb-server", "ovn-northd"])
async def test_killed_daemon_is_replaced_and_traffic_flows_again(tmp_path: Path, daemon: str) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        before = {state.name: state.pid for state in w.host.daemons()}

        os.kill(before[daemon], signal.SIGKILL)

        async def replaced() -> bool:
            now = {state.name: state.pid for state in w.host.daemons()}
            return now[daemon] not in (None, before[daemon])

        await until(replaced)
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"), 30)
        assert {ANN} == await w.host.plug.plugged()
        extra = _with_port(wanted, BOB, name="renamed")
        assert 1 == (await w.fabric.sync(extra)).updated


async def test_traffic_goes_on_while_ovn_controller_is_replaced(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        pinging = asyncio.create_task(ann.do("busybox", "ping", "-i", "0.1", "-c", "70", f"{OUTSIDE}.1"))

        os.kill(next(state.pid for state in w.host.daemons() if state.name == "ovn-controller"), signal.SIGKILL)

        said = (await pinging).out
        lost = 70 - int(said.partition(" packets received")[0].rpartition(" ")[2])
        assert lost <= 3, said.splitlines()[-2:]


async def test_ovn_understands_every_kind_of_row(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.apply(_everything())

        await run(["ovn-nbctl", f"--db=unix:{w.host.socket}", "--wait=hv", "sync"])

        for daemon in ("ovn-northd", "ovn-controller"):
            bad = [
                line for line in w.host.place.log(daemon).read_text().splitlines() if "WARN" in line or "ERR" in line
            ]
            assert not [line for line in bad if "vif_plug" not in line]


def _everything() -> Topology:
    """A topology with IPv6, every protocol in rules, options of a port's own, a VLAN and static routes."""
    six = (
        Subnet(id="s6", network=RED, cidr="fd00:1::/64", gateway_ip="fd00:1::1", ipv6_mode="slaac"),
        Subnet(
            id="s7", network=BLUE, cidr="fd00:2::/64", gateway_ip="fd00:2::1", ipv6_mode="dhcpv6-stateful",
            dns_servers=("fd00::53",),
        ),
    )  # fmt: skip
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
    )
    told = ("mtu:1300", "router:10.1.0.1", "dns-server:9.9.9.9,8.8.8.8", "ntp-server:1.1.1.1", "lease-time:60",
            "domain-name:a.b", "domain-search:a.b,c.d", "hostname:ann", "tftp-server:boot", "bootfile-name:x/y",
            "server-ip-address:1.2.3.4", "path-prefix:/x", "wpad:http://x", "broadcast:10.1.0.255", "arp-timeout:5",
            "classless-static-route:10.0.0.0/8,10.1.0.1", "netmask:255.255.255.0")  # fmt: skip
    options = tuple(DhcpOption(*text.split(":", 1)) for text in told)
    topology = _with_port(
        a_topology(OUTSIDE), ANN, dhcp_options=options, allowed_pairs=(AddressPair("10.1.0.0/28"),),
        fixed_ips=(FixedIp(RED_SUBNET, "10.1.0.10"), FixedIp("s6", "fd00:1::10")),
    )  # fmt: skip
    leg = next(port for port in topology.ports if port.id == RED_LEG)
    topology = _with_port(topology, RED_LEG, fixed_ips=(*leg.fixed_ips, FixedIp("s6", "fd00:1::1")))
    topology = _with_port(topology, BOB, fixed_ips=(FixedIp(BLUE_SUBNET, "10.2.0.10"), FixedIp("s7", "fd00:2::10")))
    tagged = Network(id="vlan", network_type="vlan", physical_network="external", segmentation_id=7)
    routed = msgspec.structs.replace(topology.routers[0], routes=(HostRoute("10.8.0.0/16", "10.1.0.99"),))
    return msgspec.structs.replace(
        topology,
        networks=(*topology.networks, tagged),
        subnets=(*topology.subnets, *six),
        routers=(routed,),
        security_groups=tuple(
            msgspec.structs.replace(group, rules=(*rules, *more)) if group.id == OPEN else group
            for group in topology.security_groups
        ),
    )


async def test_deleted_databases_are_made_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))
        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))

        for name in ("conf", "nb", "sb"):
            w.host.place.database(name).unlink()
        await w.host.repair()

        await until(lambda: ann.reaches(f"{OUTSIDE}.1"), 30)
        assert (await w.fabric.sync(wanted)).none
        assert {ANN} == await w.host.plug.plugged()


async def test_lost_switch_database_does_not_unplug_guests(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))
        await ann.lease()
        await w.host.close()
        w.host.place.database("conf").unlink()
        os.kill(next(state.pid for state in w.host.daemons() if state.name == "ovsdb-server"), signal.SIGKILL)

        await w.host.start()
        await w.apply(wanted)

        assert {ANN} == await w.host.plug.plugged()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"), 30)


async def test_everything_comes_back_after_the_machine_restarted(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        wanted = a_topology(OUTSIDE)
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))
        await w.fabric.stop()
        await w.host.close()
        await ann.leave()
        for state in w.host.daemons():
            os.kill(state.pid, signal.SIGKILL)
        await run(["ip", "netns", "delete", w.host.place.namespace])

        w._open()
        await w.start()
        await w.apply(wanted)
        ann = await w.arrive(_port(wanted, ANN))

        await ann.lease()
        await until(lambda: ann.reaches(f"{OUTSIDE}.1"))
        assert await ann.gets("http://169.254.169.254/") is not None


async def test_controller_killed_at_once_leaves_the_daemons_running(tmp_path: Path) -> None:
    code = f"""
import asyncio, pathlib
from tests.hosts.ovn_world import World
async def main():
    await World(pathlib.Path({str(tmp_path)!r}), {OUTSIDE!r}, "host-a").start()
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    controller = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=env, stdout=asyncio.subprocess.PIPE
    )
    assert b"up\n" == await controller.stdout.readline()
    before = World(tmp_path, OUTSIDE, "host-a").host.daemons()
    controller.kill()
    await controller.wait()
    async with world(tmp_path) as w:
        assert [state.pid for state in before] == [state.pid for state in w.host.daemons()]
        assert None not in [state.pid for state in before]


async def test_second_cloud_takes_the_next_free_block(tmp_path: Path) -> None:
    async with world(tmp_path, "172.24.4"):
        assert "172.24.4.1/24" == await free_address(Place(tmp_path))
        assert "172.24.5.1/24" == await free_address(Place(tmp_path / "other"))
        with pytest.raises(DriverError, match="overlaps"):
            async with world(tmp_path / "other", "172.24.4"):
                pass


async def test_two_clouds_stand_side_by_side_below_long_paths(tmp_path: Path) -> None:
    deep = tmp_path / ("a-very-long-name-of-a-folder-" * 4)
    deep.mkdir()
    other_outside = "172.31.253"
    async with world(deep) as one, world(tmp_path / "two", other_outside) as two:
        for w, outside in ((one, OUTSIDE), (two, other_outside)):
            wanted = a_topology(outside)
            await w.apply(wanted)
            ann = await w.arrive(_port(wanted, ANN))
            await ann.lease()
            await ann.serve(f"I am Ann of {outside}.")
        for outside in (OUTSIDE, other_outside):
            await until(lambda outside=outside: machine_reaches(f"{outside}.50"))
            assert f"I am Ann of {outside}." == await machine_gets(f"http://{outside}.50/")
        await one.remove()
        assert f"I am Ann of {other_outside}." == await machine_gets(f"http://{other_outside}.50/")


async def test_nothing_is_left_after_removal(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.apply(a_topology(OUTSIDE))
        digest = w.host.place.digest
    left = [
        (await run(argv)).out
        for argv in (["ip", "netns"], ["ip", "link"], ["nft", "list", "tables"], ["ps", "-eo", "args"])
    ]
    assert not [text for text in left if digest in text or str(tmp_path) in text]
    await asyncio.sleep(0)
