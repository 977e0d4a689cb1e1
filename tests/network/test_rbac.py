"""RBAC policies: things shared with single projects and with all, seen so by each, and not taken away while used."""

from typing import Any

import pytest

Open = Any


async def _grant(
    n: Any, object_type: str, object_id: str, target: str = "p2", who: str = "alice", **claims: Any
) -> Any:
    values = {"action": "access_as_shared", **claims}
    return await n.post(
        "rbac-policies", who, object_type=object_type, object_id=object_id, target_tenant=target, **values
    )


async def test_a_network_is_shared_with_one_project(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        assert 404 == (await n.ask("GET", f"/v2.0/networks/{network}", who="bob")).status
        made = await _grant(n, "network", network)
        assert 201 == made.status, made.body
        policy = made.body["rbac_policy"]
        assert ("p1", "p1", "network", network, "access_as_shared", "p2") == tuple(
            policy[name] for name in ("project_id", "tenant_id", "object_type", "object_id", "action", "target_tenant")
        )
        assert (await n.get(f"networks/{network}", "bob"))["shared"]
        assert not (await n.get(f"networks/{network}"))["shared"]
        assert [network] == [each["id"] for each in await n.get("networks", "bob")]
        assert [network] == [each["id"] for each in await n.get("networks?shared=true", "bob")]
        assert [] == await n.get("networks?shared=true")
        assert [subnet] == [each["id"] for each in await n.get("subnets", "bob")]
        assert 200 == (await n.ask("GET", f"/v2.0/subnets/{subnet}", who="bob")).status
        port = await n.make("ports", "bob", network_id=network)
        assert 403 == (await n.put("networks", network, "bob", name="x")).status

        used = await n.delete("rbac-policies", policy["id"])
        assert (409, "RbacPolicyInUse") == (used.status, used.kind)
        await n.delete("ports", port["id"], "bob")
        assert 204 == (await n.delete("rbac-policies", policy["id"])).status
        assert 404 == (await n.ask("GET", f"/v2.0/networks/{network}", who="bob")).status


async def test_shared_is_a_policy_for_all(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network("root", shared=True)
        (policy,) = await n.get("rbac-policies", "root")
        assert ("*", network) == (policy["target_tenant"], policy["object_id"])
        assert [] == await n.get("rbac-policies", "bob")
        await n.make("ports", "bob", network_id=network)
        refused = await n.put("networks", network, "root", shared=False)
        assert (409, "InvalidSharedSetting") == (refused.status, refused.kind)
        assert 201 == (await _grant(n, "network", network, "p2", "root")).status
        assert 200 == (await n.put("networks", network, "root", shared=False)).status
        assert ["p2"] == [each["target_tenant"] for each in await n.get("rbac-policies", "root")]
        assert (await n.get(f"networks/{network}", "bob"))["shared"]
        assert 404 == (await n.ask("GET", f"/v2.0/networks/{network}", who="alice")).status
        again = await _grant(n, "network", network, "*", "root")
        assert 201 == again.status
        assert (await n.get(f"networks/{network}", "alice"))["shared"]


async def test_external_for_one_project_is_seen_by_it_alone(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network("root")
        made = await _grant(n, "network", network, "p2", "root", action="access_as_external")
        assert 201 == made.status, made.body
        seen = await n.get(f"networks/{network}", "bob")
        assert (True, False) == (seen["router:external"], seen["shared"])
        assert 404 == (await n.ask("GET", f"/v2.0/networks/{network}", who="alice")).status
        router = await n.make("routers", "bob", external_gateway_info={"network_id": network})
        assert 409 == (await n.delete("rbac-policies", made.body["rbac_policy"]["id"], "root")).status
        await n.delete("routers", router["id"], "bob")
        assert 204 == (await n.delete("rbac-policies", made.body["rbac_policy"]["id"], "root")).status
        assert not (await n.get(f"networks/{network}", "root"))["router:external"]


async def test_a_group_is_shared_and_used(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network("bob")
        group = await n.make("security-groups", name="web")
        assert 404 == (await n.post("ports", "bob", network_id=network, security_groups=[group["id"]])).status
        policy = (await _grant(n, "security_group", group["id"])).body["rbac_policy"]
        assert (await n.get(f"security-groups/{group['id']}", "bob"))["shared"]
        assert [group["id"]] == [each["id"] for each in await n.get("security-groups?shared=true", "bob")]
        port = await n.make("ports", "bob", network_id=network, security_groups=[group["id"]])
        assert 409 == (await n.delete("rbac-policies", policy["id"])).status
        await n.delete("ports", port["id"], "bob")
        assert 204 == (await n.delete("rbac-policies", policy["id"])).status
        assert 204 == (await n.delete("security-groups", group["id"])).status


async def test_pools_and_scopes_are_shared(net: Open) -> None:
    async with net() as n:
        scope = await n.make("address-scopes", name="s", ip_version=4)
        pool = await n.make("subnetpools", prefixes=["10.1.0.0/16"], default_prefixlen=24)
        assert 201 == (await _grant(n, "address_scope", scope["id"])).status
        made = await _grant(n, "subnetpool", pool["id"])
        assert (await n.get(f"address-scopes/{scope['id']}", "bob"))["shared"]
        theirs = {"prefixes": ["10.9.0.0/16"], "address_scope_id": scope["id"], "default_prefixlen": 24}
        assert 201 == (await n.post("subnetpools", "bob", **theirs)).status
        network = await n.make("networks", "bob")
        await n.make("subnets", "bob", network_id=network["id"], ip_version=4, subnetpool_id=pool["id"])
        assert 409 == (await n.delete("rbac-policies", made.body["rbac_policy"]["id"])).status


async def test_only_admins_share_with_all(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        assert 403 == (await _grant(n, "network", network, "*")).status
        assert 201 == (await _grant(n, "network", network, "*", "root")).status


async def test_a_policy_moves_to_another_project(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        policy = (await _grant(n, "network", network, "p9")).body["rbac_policy"]
        assert (
            403
            == (
                await n.ask("PUT", f"/v2.0/rbac-policies/{policy['id']}", {"rbac_policy": {"target_tenant": "*"}})
            ).status
        )
        moved = await n.ask("PUT", f"/v2.0/rbac-policies/{policy['id']}", {"rbac_policy": {"target_tenant": "p2"}})
        assert (200, "p2") == (moved.status, moved.body["rbac_policy"]["target_tenant"])
        assert 200 == (await n.ask("GET", f"/v2.0/networks/{network}", who="bob")).status


@pytest.mark.parametrize(
    ("object_type", "claims", "status"),
    [
        ("nothing", {}, 400),
        ("network", {"action": "access_as_god"}, 400),
        ("security_group", {"action": "access_as_external"}, 403),
        ("network", {"object_id": "x"}, 404),
    ],
)
async def test_refuses_what_cannot_be_shared(net: Open, object_type: str, claims: Any, status: int) -> None:
    async with net() as n:
        network, _ = await n.network()
        group = await n.make("security-groups", name="web")
        object_id = claims.pop("object_id", group["id"] if object_type == "security_group" else network)
        refused = await _grant(n, object_type, object_id, **claims)
        assert status == refused.status, refused.body


async def test_what_is_not_ones_own_is_not_shared(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        refused = await _grant(n, "network", network, "p2", "bob")
        assert (404, "NetworkNotFound") == (refused.status, refused.kind)


async def test_the_same_policy_is_there_once_and_there_is_a_quota(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        assert 201 == (await _grant(n, "network", network)).status
        again = await _grant(n, "network", network)
        assert (409, "DuplicateRbacPolicy") == (again.status, again.kind)
        await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"rbac_policy": 1}}, "root")
        full = await _grant(n, "network", network, "p3")
        assert (409, "OverQuota") == (full.status, full.kind)


async def test_policies_go_with_what_they_share(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        await _grant(n, "network", network)
        assert 204 == (await n.delete("networks", network)).status
        assert [] == await n.get("rbac-policies")
