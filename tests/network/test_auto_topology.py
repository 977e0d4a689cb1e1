"""A network for whoever asks for one: made once, of the default pools, behind the default way out."""

from typing import Any

from pileus.kit.auth import Caller

Open = Any
ALICE = Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"}))
PATH = "/v2.0/auto-allocated-topology"


async def _defaults(n: Any) -> str:
    outside, _ = await n.outside()
    assert 200 == (await n.put("networks", outside, "root", is_default=True)).status
    for prefixes in (["10.60.0.0/16"], ["2001:db8::/48"]):
        length = 64 if ":" in prefixes[0] else 26
        await n.make("subnetpools", "root", prefixes=prefixes, default_prefixlen=length, is_default=True, shared=True)
    return str(outside)


async def test_a_project_gets_a_network_once(net: Open) -> None:
    async with net() as n:
        outside = await _defaults(n)
        tried = await n.ask("GET", f"{PATH}/None?fields=dry-run")
        assert "dry-run=pass" == tried.body["auto_allocated_topology"]["id"]
        assert [outside] == [each["id"] for each in await n.get("networks")]

        first, again = [(await n.ask("GET", f"{PATH}/{named}")).body for named in ("None", "p1")]
        assert first == again
        network = await n.get(f"networks/{first['auto_allocated_topology']['id']}")
        assert ("auto_allocated_network", 2) == (network["name"], len(network["subnets"]))
        cidrs = {subnet["cidr"] for subnet in await n.get(f"subnets?network_id={network['id']}")}
        assert {"10.60.0.0/26", "2001:db8::/64"} == cidrs
        (router,) = await n.get("routers")
        assert outside == router["external_gateway_info"]["network_id"]

        assert 204 == (await n.ask("DELETE", f"{PATH}/None")).status
        assert ([outside], []) == ([each["id"] for each in await n.get("networks")], await n.get("routers"))


async def test_it_says_what_admins_left_out(net: Open) -> None:
    async with net() as n:
        refused = await n.ask("GET", f"{PATH}/None")
        assert (409, "AutoAllocationFailure") == (refused.status, refused.kind)
        outside, _ = await n.outside()
        await n.put("networks", outside, "root", is_default=True)
        refused = await n.ask("GET", f"{PATH}/None?fields=dry-run")
        assert "No default subnetpools" in refused.message


async def test_others_projects_are_not_ones_business(net: Open) -> None:
    async with net() as n:
        await _defaults(n)
        assert 403 == (await n.ask("GET", f"{PATH}/p2")).status
        assert 403 == (await n.ask("DELETE", f"{PATH}/p2")).status
        assert 200 == (await n.ask("GET", f"{PATH}/p2", who="root")).status


async def test_a_server_without_a_network_gets_one(net: Open) -> None:
    async with net() as n:
        await _defaults(n)
        (port,) = await n.ports.make_ports(ALICE, "s1", "web", "auto")
        assert "auto_allocated_network" == port.network_name
        assert {4, 6} == {address.version for address in port.addresses}
        (other,) = await n.ports.make_ports(ALICE, "s2", "db", "auto")
        assert port.network_id == other.network_id
