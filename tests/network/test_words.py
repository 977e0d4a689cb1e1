"""What is refused, by the names and in the words that Neutron's clients know."""

from typing import Any

import pytest

Open = Any
HINTS = "availability_zone_hints"


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "networks", {"network": {"colour": 1}}, "Unrecognized attribute(s) 'colour'"),
        ("POST", "networks", {"network": {"name": 1}}, "Invalid input for name. Reason: "),
        ("POST", "networks", {"colour": {}}, "Unrecognized attribute(s) 'colour'"),
        ("POST", "networks", {}, "Unable to find 'network' in request body"),
        ("POST", "networks", {"networks": []}, "Resources required"),
        ("POST", "subnets", {"subnet": {"ip_version": 4}}, "Required attribute 'network_id' not specified"),
        ("GET", "networks?colour=red", None, "['colour'] is invalid attribute for filtering"),
        ("GET", "networks?sort_key=colour&sort_dir=asc", None, "['colour'] is invalid attribute for sort_keys"),
        (
            "GET",
            "networks?sort_key=name&sort_key=id&sort_dir=asc",
            None,
            "number of sort_keys and sort_dirs must be same",
        ),
        ("GET", "networks?sort_key=name&sort_dir=up", None, "Unknown sort direction"),
        ("GET", "networks?limit=x", None, "limit must be"),
    ],
)
async def test_bad_requests_in_neutrons_words(net: Open, method: str, path: str, body: Any, said: str) -> None:
    async with net() as n:
        answer = await n.ask(method, f"/v2.0/{path}", body)
        assert (400, "HTTPBadRequest") == (answer.status, answer.kind)
        assert said in answer.message


async def test_attributes_that_nobody_sets_or_changes_are_told_as_such(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        for collection, id, name in (
            ("networks", network, "status"), ("networks", network, "tenant_id"), ("subnets", subnet, "cidr"),
        ):  # fmt: skip
            answer = await n.put(collection, id, **{name: "x"})
            said = f"Cannot update read-only attribute {name}"
            assert (400, "HTTPBadRequest", said) == (answer.status, answer.kind, answer.message)
        answer = await n.post("networks", status="ACTIVE")
        assert (400, "Attribute 'status' not allowed in POST") == (answer.status, answer.message)
        answer = await n.put("networks", network, colour="red")
        assert (400, "Unrecognized attribute(s) 'colour'") == (answer.status, answer.message)


async def test_policy_says_which_rule_it_was(net: Open) -> None:
    async with net() as n:
        answer = await n.post("networks", shared=True)
        said = "rule:create_network:shared is disallowed by policy"
        assert (403, "PolicyNotAuthorized", said) == (answer.status, answer.kind, answer.message)


async def test_segments_in_use_have_names_by_their_kind(net: Open) -> None:
    async with net() as n:
        await n.outside()
        for kind, segment, type_ in (
            ({}, 7, "TunnelIdInUse"), ({"provider:physical_network": "external"}, 7, "VlanIdInUse"),
            ({"provider:physical_network": "external"}, None, "FlatNetworkInUse"),
        ):  # fmt: skip
            wish = {
                **kind, "provider:segmentation_id": segment,
                "provider:network_type": {"T": "geneve", "V": "vlan", "F": "flat"}[type_[0]],
            }  # fmt: skip
            if segment is not None:
                await n.make("networks", "root", **wish)
            answer = await n.post("networks", "root", **wish)
            assert (409, type_) == (answer.status, answer.kind)


async def test_zones_asked_for_are_kept_and_exist(net: Open) -> None:
    async with net() as n:
        for collection in ("networks", "routers"):
            made = await n.make(collection, availability_zone_hints=["nova"])
            assert ["nova"] == made[HINTS] == (await n.get(f"{collection}/{made['id']}"))[HINTS]
            assert [] == (await n.make(collection))[HINTS]
            answer = await n.post(collection, availability_zone_hints=["nova", "nowhere"])
            said = "AvailabilityZone nowhere could not be found."
            assert (404, "AvailabilityZoneNotFound", said) == (answer.status, answer.kind, answer.message)


async def test_a_tag_is_named_once(net: Open) -> None:
    async with net() as n:
        network = await n.make("networks")
        path = f"/v2.0/networks/{network['id']}/tags"
        for method in ("PUT", "POST"):
            answer = await n.ask(method, path, {"tags": ["a", "a"]})
            assert (400, "HTTPBadRequest") == (answer.status, answer.kind)
        assert {"tags": ["a"]} == (await n.ask("PUT", path, {"tags": ["a"]})).body
        # What is added may be there.
        assert ["a", "b"] == sorted((await n.ask("POST", path, {"tags": ["a", "b"]})).body["tags"])


async def test_limits_of_ports_and_subnets_are_told(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        pairs = [{"ip_address": f"192.0.2.{number}"} for number in range(11)]
        same = [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}]
        option = [{"opt_name": "mtu", "opt_value": "1400", "ip_version": 5}]
        for wish, kind in (
            ({"allowed_address_pairs": pairs}, "AddressPairsExhausted"), ({"fixed_ips": same}, "HTTPBadRequest"),
            ({"extra_dhcp_opts": option}, "HTTPBadRequest"),
        ):  # fmt: skip
            answer = await n.post("ports", network_id=network, **wish)
            assert (400, kind) == (answer.status, answer.kind)
        answer = await n.post(
            "subnets", "root", network_id=network, ip_version=4, cidr="10.9.0.0/24", service_types=["nonsense"]
        )
        assert (400, "InvalidSubnetServiceType") == (answer.status, answer.kind)
        pooled = await n.post("subnets", network_id=network, ip_version=4, subnetpool_id="nowhere")
        assert (404, "SubnetPoolNotFound") == (pooled.status, pooled.kind)


async def test_routers_are_told_what_does_not_fit(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        _, other = await n.network(cidr="10.1.0.0/24")
        router = (await n.make("routers"))["id"]
        leg = (await n.make("ports", network_id=network, fixed_ips=[{"subnet_id": subnet}]))["id"]
        path = f"/v2.0/routers/{router}"
        assert 200 == (await n.ask("PUT", f"{path}/add_router_interface", {"port_id": leg})).status
        for what, status, kind in (
            ({"subnet_id": "nowhere"}, 404, "SubnetNotFound"),
            ({"subnet_id": other}, 404, "RouterInterfaceNotFoundForSubnet"),
            ({"port_id": leg, "subnet_id": other}, 409, "SubnetMismatchForPort"),
        ):
            answer = await n.ask("PUT", f"{path}/remove_router_interface", what)
            assert (status, kind) == (answer.status, answer.kind)
        routes = [{"destination": f"10.7.{number}.0/24", "nexthop": "10.0.0.9"} for number in range(31)]
        answer = await n.put("routers", router, routes=routes)
        assert (400, "RoutesExhausted") == (answer.status, answer.kind)
