"""What a topology looks like in OVN's northbound database."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.network.builders import (
    ANN,
    BOB,
    FLOATING,
    GATEWAY,
    OPEN,
    OUTSIDE,
    RED,
    RED_SUBNET,
    ROUTER,
    SHUT,
    a_rule,
    a_topology,
    port_of,
    with_port,
)

from pileus.network.drivers.interface import (
    METADATA_PORT,
    AddressGroup,
    AddressPair,
    DhcpOption,
    FixedIp,
    Gateway,
    Network,
    Port,
    PortForwarding,
    QosPolicy,
    QosRule,
    Subnet,
    Topology,
)
from pileus.network.drivers.ovn import dhcp
from pileus.network.drivers.ovn.rows import TABLES, render
from pileus.network.drivers.ovn.security import match
from pileus.network.drivers.ovn.values import Ref

GOLDEN = Path(__file__).parent / "golden"


def _plain(value):
    if isinstance(value, Ref):
        return f"-> {value.table} {value.key}"
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _rendered(topology) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for row in render(topology):
        columns = {name: _plain(value) for name, value in row.columns.items()}
        found.setdefault(row.table, {})[row.key] = columns
    return found


def _with_ann(**claims):
    topology = a_topology()
    ports = tuple(msgspec.structs.replace(port, **claims) if port.id == ANN else port for port in topology.ports)
    return msgspec.structs.replace(topology, ports=ports)


def test_whole_topology_is_as_reviewed() -> None:
    text = json.dumps(_rendered(a_topology()), indent=1, sort_keys=True) + "\n"
    golden = GOLDEN / "topology.json"
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
        pytest.fail("there was no golden file; review the one just written")
    assert golden.read_text() == text


def test_every_column_written_is_also_read() -> None:
    for row in render(a_topology()):
        assert set(row.columns) <= set(TABLES[row.table])


def test_rows_do_not_depend_on_the_order_of_the_topology() -> None:
    topology = a_topology()
    backwards = msgspec.structs.replace(topology, ports=topology.ports[::-1], networks=topology.networks[::-1])
    assert {row.ref for row in render(topology)} == {row.ref for row in render(backwards)}


def test_allowed_pairs_widen_what_a_guest_may_send() -> None:
    pairs = (AddressPair("10.1.0.100"), AddressPair("10.1.0.0/28", "fa:16:3e:00:00:99"))
    port = _rendered(_with_ann(allowed_pairs=pairs))["Logical_Switch_Port"][ANN]
    assert ["fa:16:3e:00:00:01 10.1.0.10 10.1.0.100", "fa:16:3e:00:00:99 10.1.0.0/28"] == port["port_security"]


def test_a_port_on_its_way_is_active_there_once_its_guest_says_so() -> None:
    port = _rendered(_with_ann(host="host-a", coming_to=("host-b",)))["Logical_Switch_Port"][ANN]
    assert {"requested-chassis": "host-a,host-b", "activation-strategy": "rarp"}.items() <= port["options"].items()


def test_port_without_security_takes_everything_and_is_in_no_group() -> None:
    rendered = _rendered(_with_ann(port_security=False))
    port = rendered["Logical_Switch_Port"][ANN]
    assert [] == port["port_security"]
    assert "unknown" in port["addresses"]
    assert [f"-> Logical_Switch_Port {BOB}"] == rendered["Port_Group"][OPEN]["ports"]
    assert [f"-> Logical_Switch_Port {BOB}"] == rendered["Port_Group"]["drop"]["ports"]


def test_port_with_options_of_its_own_has_a_row_of_its_own() -> None:
    options = (DhcpOption("mtu", "1300"), DhcpOption("bootfile-name", "boot.ipxe"), DhcpOption("unheard-of", "1"))
    rendered = _rendered(_with_ann(dhcp_options=options))
    own = rendered["DHCP_Options"][f"{RED_SUBNET}/{ANN}"]["options"]
    assert ("1300", '"boot.ipxe"') == (own["mtu"], own["bootfile_name"])
    assert [f"-> DHCP_Options {RED_SUBNET}/{ANN}"] == rendered["Logical_Switch_Port"][ANN]["dhcpv4_options"]
    assert "1442" == rendered["DHCP_Options"][RED_SUBNET]["options"]["mtu"]


def test_metadata_port_of_the_topology_is_used_as_next_hop_and_door() -> None:
    own = Port(
        id="m", network=RED, mac="fa:16:3e:00:00:33", fixed_ips=(FixedIp(RED_SUBNET, "10.1.0.2"),),
        device_owner=METADATA_PORT,
    )  # fmt: skip
    topology = a_topology(ports=(*a_topology().ports, own))
    rendered = _rendered(topology)
    assert "169.254.169.254/32,10.1.0.2" in rendered["DHCP_Options"][RED_SUBNET]["options"]["classless_static_route"]
    assert "m" == rendered["Logical_Switch_Port"][f"metadata/{RED}"]["name"]
    door = next(door for door in dhcp.doors(topology) if door.network == RED)
    assert ("m", "fa:16:3e:00:00:33", ("10.1.0.2/24",)) == (door.port, door.mac, door.addresses)


def test_router_without_gateway_port_translates_nothing() -> None:
    topology = a_topology(ports=tuple(port for port in a_topology().ports if port.id != GATEWAY))
    rendered = _rendered(topology)
    assert "NAT" not in rendered
    assert "Gateway_Chassis" not in rendered


def test_no_snat_keeps_floating_ips() -> None:
    router = a_topology().routers[0]
    gateway = msgspec.structs.replace(router.gateway, snat=False)
    rendered = _rendered(a_topology(routers=(msgspec.structs.replace(router, gateway=gateway),)))
    assert ["dnat_and_snat"] == [nat["type"] for nat in rendered["NAT"].values()]


def test_ipv6_subnet_is_advertised_by_its_router() -> None:
    topology = a_topology()
    v6 = Subnet(id="s6", network=RED, cidr="fd00:1::/64", gateway_ip="fd00:1::1", ipv6_ra="slaac", ipv6_mode="slaac")
    ports = tuple(
        msgspec.structs.replace(port, fixed_ips=(*port.fixed_ips, FixedIp("s6", "fd00:1::1")))
        if "router_interface" in port.device_owner and port.network == RED
        else port
        for port in topology.ports
    )
    rendered = _rendered(a_topology(subnets=(*topology.subnets, v6), ports=ports))
    leg = next(port for port in rendered["Logical_Router_Port"].values() if "fd00:1::1/64" in port["networks"])
    assert "slaac" == leg["ipv6_ra_configs"]["address_mode"]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, "outport == @g && ip4"),
        ({"direction": "egress", "ethertype": "IPv6"}, "inport == @g && ip6"),
        ({"protocol": "tcp", "port_min": 22, "port_max": 22}, "outport == @g && ip4 && tcp && tcp.dst == 22"),
        (
            {"protocol": "17", "port_min": 1, "port_max": 9},
            "outport == @g && ip4 && udp && udp.dst >= 1 && udp.dst <= 9",
        ),
        ({"protocol": "icmp", "port_min": 8, "port_max": 0}, "outport == @g && ip4 && icmp4 && icmp4.type == 8 && icmp4.code == 0"),
        ({"protocol": "icmpv6", "ethertype": "IPv6"}, "outport == @g && ip6 && icmp6"),
        ({"protocol": "vrrp"}, "outport == @g && ip4 && ip.proto == 112"),
        ({"remote_prefix": "10.0.0.0/8"}, "outport == @g && ip4 && ip4.src == 10.0.0.0/8"),
        ({"remote_prefix": "0.0.0.0/0"}, "outport == @g && ip4"),
        ({"direction": "egress", "remote_group": "a-b"}, "inport == @g && ip4 && ip4.dst == $sg_a_b_ip4"),
    ],
)  # fmt: skip
def test_rule_is_an_expression(claims, expected) -> None:
    assert expected == match(a_rule(1, **claims), "g")


def test_rule_that_names_a_missing_group_lets_nothing_through() -> None:
    topology = a_topology()
    shut = next(group for group in topology.security_groups if group.id == SHUT)
    rules = (*shut.rules, a_rule(9, remote_group="gone"))
    rendered = _rendered(a_topology(security_groups=(msgspec.structs.replace(shut, rules=rules),)))
    assert f"{SHUT}/rule-9" not in rendered["ACL"]


def test_an_address_group_is_a_set_of_each_ip_version() -> None:
    group = AddressGroup(id="a-b", addresses=("fd00::/64", "10.2.0.0/16", "10.1.0.0/16"))
    rule = a_rule(8, protocol="tcp", port_min=80, port_max=80, address_group="a-b")
    topology = a_topology()
    opened = next(each for each in topology.security_groups if each.id == OPEN)
    opened = msgspec.structs.replace(opened, rules=(rule, a_rule(9, address_group="gone")))
    found = _rendered(msgspec.structs.replace(topology, security_groups=(opened,), address_groups=(group,)))
    sets = found["Address_Set"]
    assert ("ag_a_b_ip4", ["10.1.0.0/16", "10.2.0.0/16"]) == (
        sets["a-b/4"]["name"], sets["a-b/4"]["addresses"]
    )  # fmt: skip
    assert ["fd00::/64"] == sets["a-b/6"]["addresses"]
    own = [acl["match"] for key, acl in found["ACL"].items() if key.startswith(OPEN)]
    assert [f"outport == @sg_{OPEN.replace('-', '_')} && ip4 && ip4.src == $ag_a_b_ip4 && tcp && tcp.dst == 80"] == own


def test_qos_is_done_where_traffic_of_the_port_or_the_address_passes() -> None:
    rules = (
        QosRule(kind="bandwidth_limit", max_kbps=1000),
        QosRule(kind="bandwidth_limit", direction="ingress", max_kbps=500, max_burst_kbps=700),
        QosRule(kind="dscp_marking", dscp_mark=46),
        QosRule(kind="minimum_bandwidth", min_kbps=300),
    )
    topology = a_topology(qos_policies=(QosPolicy(id="gold", rules=rules),))
    floating = msgspec.structs.replace(topology.floating_ips[0], qos_policy="gold")
    edge = msgspec.structs.replace(topology.routers[0], gateway=Gateway(port=GATEWAY, qos_policy="gold"))
    topology = msgspec.structs.replace(topology, floating_ips=(floating,), routers=(edge,))
    found = _rendered(with_port(topology, ANN, qos_policy="gold"))
    done = {key: (row["direction"], row["match"], row["action"], row["bandwidth"]) for key, row in found["QoS"].items()}
    here = f'is_chassis_resident("cr-lrp-{GATEWAY}")'
    assert 9 == len(done)
    assert ("from-lport", f'inport == "{ANN}"', {}, {"rate": 1000, "burst": 800}) == done[
        f"{ANN}/bandwidth_limit/egress"
    ]
    assert ("to-lport", f'outport == "{ANN}"', {}, {"rate": 500, "burst": 700}) == done[
        f"{ANN}/bandwidth_limit/ingress"
    ]
    assert ("from-lport", f'inport == "{ANN}"', {"dscp": 46}, {}) == done[f"{ANN}/dscp_marking/egress"]
    assert f'inport == "{GATEWAY}" && {here}' == done[f"{ROUTER}/gateway/dscp_marking/egress"][1]
    assert (
        f'outport == "{GATEWAY}" && {here} && ip4.dst == 172.24.4.50' == done[f"{FLOATING}/bandwidth_limit/ingress"][1]
    )
    assert "300000" == found["Logical_Switch_Port"][ANN]["options"]["qos_min_rate"]
    assert 3 == len(found["Logical_Switch"][RED]["qos_rules"])
    assert 6 == len(found["Logical_Switch"][OUTSIDE]["qos_rules"])


def test_forwarded_ports_are_load_balancers_with_one_guest_behind() -> None:
    web = PortForwarding(
        id="f1",
        floating_ip="fip",
        address="172.24.4.60",
        router=ROUTER,
        protocol="tcp",
        fixed_ip="10.1.0.10",
        inner=80,
        outer=8080,
    )
    names = msgspec.structs.replace(web, id="f2", protocol="udp", inner=53, outer=5300, count=2)
    found = _rendered(a_topology(port_forwardings=(web, names)))
    assert {"172.24.4.60:8080": "10.1.0.10:80"} == found["Load_Balancer"]["pf-fip-tcp"]["vips"]
    assert {"172.24.4.60:5300": "10.1.0.10:53", "172.24.4.60:5301": "10.1.0.10:54"} == (
        found["Load_Balancer"]["pf-fip-udp"]["vips"]
    )
    assert ["-> Load_Balancer pf-fip-tcp", "-> Load_Balancer pf-fip-udp"] == (
        found["Logical_Router"][ROUTER]["load_balancer"]
    )


def test_a_subport_is_reached_through_its_parent_by_its_tag() -> None:
    found = _rendered(with_port(a_topology(), BOB, parent=ANN, tag=42))["Logical_Switch_Port"]
    assert ([ANN], [42]) == (found[BOB]["parent_name"], found[BOB]["tag"])
    assert ([], []) == (found[ANN]["parent_name"], found[ANN]["tag"])


def test_a_stateless_group_follows_no_connections() -> None:
    groups = tuple(msgspec.structs.replace(group, stateful=group.id != SHUT) for group in a_topology().security_groups)
    acls = _rendered(a_topology(security_groups=groups))["ACL"]
    assert {"allow-stateless"} == {acl["action"] for key, acl in acls.items() if key.startswith(SHUT)}
    assert {"allow-related"} == {acl["action"] for key, acl in acls.items() if key.startswith(OPEN)}


def test_a_logged_group_tells_what_it_lets_through_and_what_is_dropped() -> None:
    groups = tuple(
        msgspec.structs.replace(group, log_accepted="yes", log_dropped="no") if group.id == SHUT else group
        for group in a_topology().security_groups
    )
    found = _rendered(a_topology(security_groups=groups))
    told = {key: (acl["action"], acl["name"], acl["priority"]) for key, acl in found["ACL"].items() if acl["log"]}
    assert {
        f"{SHUT}/rule-4": ("allow-related", ["neutron-yes"], 1003),
        f"{SHUT}/drop/egress": ("drop", ["neutron-no"], 1002),
        f"{SHUT}/drop/ingress": ("drop", ["neutron-no"], 1002),
    } == told
    assert "acl_log_meter" == found["Meter"]["acl_log_meter"]["name"]
    assert "Meter" not in _rendered(a_topology())


def _many_ways(*, ecmp: bool) -> Topology:
    """A router with a second way out, on the same external network."""
    topology = a_topology()
    second = msgspec.structs.replace(
        port_of(topology, GATEWAY), id="second", fixed_ips=(FixedIp("other", "192.0.2.10"),)
    )
    other = Network(id="other-net", external=True, network_type="flat", physical_network="further")
    subnet = Subnet(id="other", network="other-net", cidr="192.0.2.0/24", gateway_ip="192.0.2.1", dhcp=False)
    (router,) = topology.routers
    return msgspec.structs.replace(
        topology,
        networks=(*topology.networks, other),
        subnets=(*topology.subnets, subnet),
        ports=(*topology.ports, msgspec.structs.replace(second, network="other-net")),
        routers=(msgspec.structs.replace(router, further_gateways=(Gateway(port="second", snat=False),), ecmp=ecmp),),
    )


@pytest.mark.parametrize(("ecmp", "nexthops"), [(False, {"172.24.4.1"}), (True, {"172.24.4.1", "192.0.2.1"})])
def test_what_goes_out_by_default_goes_through_the_first_way_or_through_all(*, ecmp: bool, nexthops: set[str]) -> None:
    made = list(render(_many_ways(ecmp=ecmp)))
    routes = [row.columns for row in made if row.table == "Logical_Router_Static_Route"]
    assert nexthops == {route["nexthop"] for route in routes if route["ip_prefix"] == "0.0.0.0/0"}
    places = [row for row in made if row.table == "Gateway_Chassis"]
    assert 2 == len(places)
    outsides = {row.columns["external_ip"] for row in made if row.table == "NAT" and row.columns["type"] == "snat"}
    assert {"172.24.4.10"} == outsides


def test_next_hops_of_default_routes_are_watched_where_the_router_wants_it() -> None:
    topology = a_topology()
    routers = tuple(msgspec.structs.replace(router, bfd=True) for router in topology.routers)
    found = _rendered(msgspec.structs.replace(topology, routers=routers))
    session = f"{GATEWAY}/172.24.4.1"
    assert {session: ("lrp-" + GATEWAY, "172.24.4.1")} == {
        key: (each["logical_port"], each["dst_ip"]) for key, each in found["BFD"].items()
    }
    routes = found["Logical_Router_Static_Route"]
    assert [f"-> BFD {session}"] == routes[f"{ROUTER}/0.0.0.0/0/172.24.4.1"]["bfd"]
    assert "BFD" not in _rendered(topology)


def test_guests_own_tags_pass_where_the_network_lets_them() -> None:
    def shown(**claims: object) -> tuple[object, object]:
        topology = a_topology()
        networks = tuple(
            msgspec.structs.replace(network, **claims) if network.id == OUTSIDE else network
            for network in topology.networks
        )
        found = _rendered(msgspec.structs.replace(topology, networks=networks))
        door = found["Logical_Switch_Port"][f"provider/{OUTSIDE}"]["options"]
        return found["Logical_Switch"][OUTSIDE]["other_config"].get("vlan-passthru"), door.get("ethtype")

    assert (None, None) == shown()
    assert ("true", None) == shown(vlan_transparent=True)
    assert ("true", "802.1ad") == shown(qinq=True, network_type="vlan", segmentation_id=7)


def test_a_port_in_a_domain_of_its_own_is_found_there() -> None:
    topology = with_port(a_topology(), ANN, dns_domain="blue.test.")
    records = _rendered(topology)["DNS"][RED]["records"]
    assert "10.1.0.10" == records["ann.blue.test"]
    assert "ann.red.test" not in records
