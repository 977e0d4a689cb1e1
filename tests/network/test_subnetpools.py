"""Subnet pools and address scopes: prefixes for subnets, never one twice, and who may take them."""

from typing import Any

import pytest

from pileus.network.models import pools

Open = Any


async def _pool(n: Any, who: str = "alice", **claims: Any) -> Any:
    return await n.make(
        "subnetpools", who, **{"name": "p", "prefixes": ["10.1.0.0/16"], "default_prefixlen": 24, **claims}
    )


async def _subnet(n: Any, pool: str | None, who: str = "alice", **claims: Any) -> Any:
    network = claims.pop("network_id", None) or (await n.make("networks", who))["id"]
    named = {} if pool is None else {"subnetpool_id": pool}
    return await n.post("subnets", who, network_id=network, **{"ip_version": 4, **named, **claims})


@pytest.mark.parametrize(
    ("prefixes", "taken", "length", "free"),
    [
        (["10.0.0.0/8"], [], 24, "10.0.0.0/24"),
        (["10.0.0.0/8"], ["10.0.0.0/25"], 24, "10.0.1.0/24"),
        (["10.0.0.0/24"], ["10.0.0.128/25"], 25, "10.0.0.0/25"),
        (["10.0.0.0/24"], ["10.0.0.64/26"], 25, "10.0.0.128/25"),
        (["10.0.0.0/24", "10.9.0.0/24"], ["10.0.0.0/24"], 24, "10.9.0.0/24"),
        (["10.0.0.0/24"], ["10.0.0.4/30"], 24, None),
    ],
)
def test_the_first_free_prefix_is_found(prefixes: Any, taken: Any, length: int, free: str | None) -> None:
    assert free == pools.free_prefix(prefixes, taken, length, 4)


async def test_subnets_get_prefixes_one_after_the_other(net: Open) -> None:
    async with net() as n:
        pool = await _pool(n, prefixes=["10.1.0.0/17", "10.1.128.0/17"])
        assert ["10.1.0.0/16"] == pool["prefixes"]
        assert (4, "24", "8", "32") == tuple(
            pool[name] for name in ("ip_version", "default_prefixlen", "min_prefixlen", "max_prefixlen")
        )
        made = [(await _subnet(n, pool["id"], **claims)).body["subnet"] for claims in ({}, {"prefixlen": 20}, {})]
        assert ["10.1.0.0/24", "10.1.16.0/20", "10.1.1.0/24"] == [subnet["cidr"] for subnet in made]
        assert {pool["id"]} == {subnet["subnetpool_id"] for subnet in made}
        own = await _subnet(n, pool["id"], cidr="10.1.200.0/24")
        assert 201 == own.status
        for cidr in ("10.1.200.128/25", "10.2.0.0/24"):
            refused = await _subnet(n, pool["id"], cidr=cidr)
            assert (409, "SubnetAllocationError") == (refused.status, refused.kind)
        assert (400, "SubnetPoolDeleteError") == (
            (await n.delete("subnetpools", pool["id"])).status, (await n.delete("subnetpools", pool["id"])).kind
        )  # fmt: skip
        for subnet in (*made, own.body["subnet"]):
            assert 204 == (await n.delete("subnets", subnet["id"])).status
        assert 204 == (await n.delete("subnetpools", pool["id"])).status


async def test_a_pool_has_bounds_and_a_quota(net: Open) -> None:
    async with net() as n:
        pool = await _pool(n, min_prefixlen=20, max_prefixlen=26, default_quota=512)
        assert "MinPrefixSubnetAllocationError" == (await _subnet(n, pool["id"], prefixlen=19)).kind
        assert "MaxPrefixSubnetAllocationError" == (await _subnet(n, pool["id"], prefixlen=27)).kind
        assert 201 == (await _subnet(n, pool["id"], prefixlen=23)).status
        refused = await _subnet(n, pool["id"], prefixlen=26)
        assert (409, "SubnetPoolQuotaExceeded") == (refused.status, refused.kind)


async def test_the_default_pool_is_one_and_used_when_asked_for(net: Open) -> None:
    async with net() as n:
        missing = await _subnet(n, None, use_default_subnetpool=True)
        assert (400, "BadRequest") == (missing.status, missing.kind)
        assert 403 == (await n.post("subnetpools", prefixes=["10.0.0.0/8"], is_default=True)).status
        pool = await _pool(n, "root", is_default=True, shared=True)
        again = await n.post("subnetpools", "root", prefixes=["10.5.0.0/16"], is_default=True)
        assert (400, "InvalidInput") == (again.status, again.kind)
        assert "10.1.0.0/24" == (await _subnet(n, None, use_default_subnetpool=True)).body["subnet"]["cidr"]
        assert [pool["id"]] == [each["id"] for each in await n.get("subnetpools?is_default=true", "bob")]
        assert 400 == (await _subnet(n, None)).status


async def test_a_pool_of_others_is_not_there(net: Open) -> None:
    async with net() as n:
        pool = await _pool(n)
        assert 404 == (await n.ask("GET", f"/v2.0/subnetpools/{pool['id']}", who="bob")).status
        refused = await _subnet(n, pool["id"], "bob")
        assert (404, "SubnetPoolNotFound") == (refused.status, refused.kind)
        assert [] == await n.get("subnetpools", "bob")


async def test_subnets_of_a_network_are_of_one_pool(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        pool = await _pool(n)
        refused = await _subnet(n, pool["id"], network_id=network)
        assert (400, "NetworkSubnetPoolAffinityError") == (refused.status, refused.kind)


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"prefixes": ["10.0.0.0/8", "2001:db8::/32"]}, "PrefixVersionMismatch"),
        ({"prefixes": []}, "InvalidInput"),
        ({"prefixes": ["ten"]}, "InvalidInput"),
        ({"min_prefixlen": 25}, "IllegalSubnetPoolPrefixBounds"),
        ({"max_prefixlen": 33}, "IllegalSubnetPoolPrefixBounds"),
        ({"address_scope_id": "none"}, "AddressScopeNotFound"),
    ],
)
async def test_refuses_pools_that_cannot_be(net: Open, claims: Any, kind: str) -> None:
    async with net() as n:
        refused = await n.post("subnetpools", **{"prefixes": ["10.0.0.0/8"], "default_prefixlen": 24, **claims})
        assert kind == refused.kind, refused.body


async def test_prefixes_come_and_go_unless_they_are_used(net: Open) -> None:
    async with net() as n:
        pool = await _pool(n)
        path = f"/v2.0/subnetpools/{pool['id']}"
        less = await n.put("subnetpools", pool["id"], prefixes=["10.1.0.0/17"])
        assert (400, "IllegalSubnetPoolPrefixUpdate") == (less.status, less.kind)
        more = await n.put("subnetpools", pool["id"], name="q", prefixes=["10.0.0.0/15"])
        assert ("q", ["10.0.0.0/15"]) == (more.body["subnetpool"]["name"], more.body["subnetpool"]["prefixes"])
        added = await n.ask("PUT", f"{path}/add_prefixes", {"prefixes": ["10.4.0.0/16"]})
        assert {"prefixes": ["10.0.0.0/15", "10.4.0.0/16"]} == added.body
        await _subnet(n, pool["id"], cidr="10.4.7.0/24")
        assert 400 == (await n.ask("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.4.0.0/16"]})).status
        left = await n.ask("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.0.0.0/16"]})
        assert {"prefixes": ["10.1.0.0/16", "10.4.0.0/16"]} == left.body
        tagged = await n.ask("PUT", f"{path}/tags/blue", who="alice")
        assert (201, ["blue"]) == (tagged.status, (await n.get(f"subnetpools/{pool['id']}"))["tags"])


async def test_pools_in_a_scope_share_no_address(net: Open) -> None:
    async with net() as n:
        scope = await n.make("address-scopes", name="s", ip_version=4)
        assert {"id", "name", "project_id", "tenant_id", "ip_version", "shared"} == set(scope)
        pool = await _pool(n, address_scope_id=scope["id"])
        refused = await n.post(
            "subnetpools", prefixes=["10.1.2.0/24"], default_prefixlen=24, address_scope_id=scope["id"]
        )
        assert (409, "AddressScopePrefixConflict") == (refused.status, refused.kind)
        other = await n.post("subnetpools", prefixes=["2001:db8::/32"], address_scope_id=scope["id"])
        assert "IllegalSubnetPoolIpVersionAssociationToAddressScope" == other.kind
        subnet = (await _subnet(n, pool["id"])).body["subnet"]
        network = await n.get(f"networks/{subnet['network_id']}")
        assert (scope["id"], None) == (network["ipv4_address_scope"], network["ipv6_address_scope"])
        used = await n.delete("address-scopes", scope["id"])
        assert (409, "AddressScopeInUse") == (used.status, used.kind)
        assert 200 == (await n.put("subnetpools", pool["id"], address_scope_id=None)).status
        assert 204 == (await n.delete("address-scopes", scope["id"])).status


async def test_a_scope_is_seen_by_its_owner_and_by_all_when_shared(net: Open) -> None:
    async with net() as n:
        own = await n.make("address-scopes", name="s", ip_version=6)
        assert 404 == (await n.ask("GET", f"/v2.0/address-scopes/{own['id']}", who="bob")).status
        assert 403 == (await n.post("address-scopes", name="s", ip_version=6, shared=True)).status
        shared = await n.make("address-scopes", "root", name="t", ip_version=6, shared=True)
        assert [shared["id"]] == [each["id"] for each in await n.get("address-scopes", "bob")]
        back = await n.put("address-scopes", shared["id"], "root", shared=False)
        assert (400, "AddressScopeUpdateError") == (back.status, back.kind)
        assert "u" == (await n.put("address-scopes", own["id"], name="u")).body["address_scope"]["name"]


async def test_a_networks_subnets_are_taken_into_a_pool(net: Open) -> None:
    async with net() as n:
        pool = await n.make("subnetpools", name="p", prefixes=["10.40.0.0/16"], default_prefixlen=24)
        network, subnet = await n.network(cidr="10.50.1.0/24")
        place = f"/v2.0/subnetpools/{pool['id']}/onboard_network_subnets"
        taken = await n.ask("PUT", place, {"network_id": network, "ip_version": 4})
        assert (200, [{"id": subnet, "cidr": "10.50.1.0/24"}]) == (taken.status, taken.body)
        assert ["10.40.0.0/16", "10.50.1.0/24"] == sorted((await n.get(f"subnetpools/{pool['id']}"))["prefixes"])
        assert pool["id"] == (await n.get(f"subnets/{subnet}"))["subnetpool_id"]
        assert [] == (await n.ask("PUT", place, {"network_id": network})).body
        other, _ = await n.network(cidr="10.40.7.0/24")
        clash = await n.ask("PUT", place, {"network_id": other})
        assert (400, "IllegalSubnetPoolPrefixUpdate") == (clash.status, clash.kind)
        assert 404 == (await n.ask("PUT", place, {"network_id": network}, "bob")).status


async def test_floating_ips_are_of_the_ipv4_blocks_of_external_networks(net: Open) -> None:
    async with net() as n:
        assert [] == await n.get("floatingip_pools")
        outside, subnet = await n.outside()
        await n.network()
        (pool,) = await n.get("floatingip_pools")
        assert (outside, subnet, "172.24.4.0/24", "p1") == tuple(
            pool[name] for name in ("network_id", "subnet_id", "cidr", "project_id")
        )
        assert [{"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True}] == await n.get("service-providers")
