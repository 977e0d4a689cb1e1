"""Address groups, alone and in rules."""

from typing import Any

Open = Any


async def test_addresses_are_blocks_added_and_removed(net: Open) -> None:
    async with net() as n:
        group = await n.make("address-groups", name="offices", addresses=["10.1.2.3", "10.9.0.7/16", "fd00::1/64"])
        assert ["10.1.2.3/32", "10.9.0.0/16", "fd00::/64"] == group["addresses"]
        assert ("offices", False, "p1") == (group["name"], group["shared"], group["project_id"])
        place = f"/v2.0/address-groups/{group['id']}"
        more = await n.ask("PUT", f"{place}/add_addresses", {"addresses": ["10.1.2.4"]})
        assert (200, 4) == (more.status, len(more.body["address_group"]["addresses"]))
        twice = await n.ask("PUT", f"{place}/add_addresses", {"addresses": ["10.1.2.4/32"]})
        assert (400, "AddressesAlreadyExist") == (twice.status, twice.kind)
        fewer = await n.ask("PUT", f"{place}/remove_addresses", {"addresses": ["10.1.2.4"]})
        assert (200, group["addresses"]) == (fewer.status, fewer.body["address_group"]["addresses"])
        missing = await n.ask("PUT", f"{place}/remove_addresses", {"addresses": ["10.1.2.4"]})
        assert (404, "AddressesNotFound") == (missing.status, missing.kind)
        assert 400 == (await n.ask("PUT", f"{place}/add_addresses", {"addresses": ["x"]})).status
        changed = await n.put("address-groups", group["id"], name="branches", description="ours")
        assert ("branches", 3) == (
            changed.body["address_group"]["name"],
            changed.body["address_group"]["revision_number"],
        )
        assert 400 == (await n.put("address-groups", group["id"], addresses=[])).status
        assert [group["id"]] == [each["id"] for each in await n.get("address-groups?name=branches")]
        assert 204 == (await n.delete("address-groups", group["id"])).status
        assert 404 == (await n.ask("GET", place)).status


async def test_a_group_that_rules_name_stays_and_reaches_the_fabric(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        await n.make("ports", network_id=network)
        blocks = await n.make("address-groups", addresses=["10.1.0.0/16"])
        (group,) = await n.get("security-groups")
        rule = {"security_group_id": group["id"], "direction": "ingress", "remote_address_group_id": blocks["id"]}
        both = await n.post("security-group-rules", **rule, remote_ip_prefix="10.0.0.0/8")
        assert 400 == both.status
        made = await n.make("security-group-rules", **rule)
        assert blocks["id"] == made["remote_address_group_id"]
        assert 409 == (await n.post("security-group-rules", **rule)).status, "such a rule is there"
        found = await n.get(f"security-group-rules?remote_address_group_id={blocks['id']}")
        assert [made["id"]] == [each["id"] for each in found]
        used = await n.delete("address-groups", blocks["id"])
        assert (409, "AddressGroupInUse") == (used.status, used.kind)
        await n.settle()
        assert [("10.1.0.0/16",)] == [each.addresses for each in n.fabric.topology.address_groups]
        await n.delete("security-group-rules", made["id"])
        assert 204 == (await n.delete("address-groups", blocks["id"])).status
        await n.settle()
        assert () == n.fabric.topology.address_groups


async def test_address_groups_of_others_are_not_there(net: Open) -> None:
    async with net() as n:
        group = await n.make("address-groups", addresses=[])
        assert [] == await n.get("address-groups", "bob")
        assert 404 == (await n.ask("GET", f"/v2.0/address-groups/{group['id']}", who="bob")).status
        assert 404 == (await n.delete("address-groups", group["id"], "bob")).status
        assert 403 == (await n.delete("address-groups", group["id"], "rita")).status
        (own,) = await n.get("security-groups", "bob")
        rule = {"security_group_id": own["id"], "direction": "ingress", "remote_address_group_id": group["id"]}
        answer = await n.post("security-group-rules", "bob", **rule)
        assert (404, "AddressGroupNotFound") == (answer.status, answer.kind)
        await n.ask("PUT", "/v2.0/quotas/p1", {"quota": {"address_group": 1}}, "root")
        assert (409, "OverQuota") == ((full := await n.post("address-groups", name="x")).status, full.kind)
