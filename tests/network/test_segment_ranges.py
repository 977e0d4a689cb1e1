"""Ranges of segments: which numbers networks get."""

from typing import Any

Open = Any
VLAN = {"network_type": "vlan", "physical_network": "external"}
PROVIDER = {"provider:network_type": "vlan", "provider:physical_network": "external"}


async def _vlan(n: Any, who: str = "root", **values: Any) -> int:
    """The number of a new VLAN network."""
    made = await n.make("networks", who, **PROVIDER, **values)
    return int(made["provider:segmentation_id"])


async def _range(n: Any, minimum: int, maximum: int, **values: Any) -> Any:
    return await n.make("network_segment_ranges", "root", **{**VLAN, "minimum": minimum, "maximum": maximum, **values})


async def test_all_numbers_there_are_stand_in_ranges_nobody_changes(net: Open) -> None:
    async with net() as n:
        await n.settle()
        ranges = await n.get("network_segment_ranges", "root")
        assert {("vlan", "external", 1, 4094), ("geneve", None, 1, 16777215)} == {
            (each["network_type"], each["physical_network"], each["minimum"], each["maximum"]) for each in ranges
        }
        assert {(True, True)} == {(each["default"], each["shared"]) for each in ranges}
        for each in ranges:
            assert 409 == (await n.put("network_segment_ranges", each["id"], "root", minimum=5)).status
            refused = await n.delete("network_segment_ranges", each["id"], "root")
            assert (409, "NetworkSegmentRangeDefaultReadOnly") == (refused.status, refused.kind)
        assert 4094 >= max(len(each["available"]) for each in ranges)


async def test_a_projects_networks_get_the_numbers_of_its_range_and_no_others_do(net: Open) -> None:
    async with net() as n:
        made = await _range(n, 1, 2, shared=False, project_id="p1", name="theirs")
        assert ("theirs", "p1", False, False) == tuple(made[key] for key in ("name", "project_id", "shared", "default"))
        assert [1, 2] == made["available"]
        assert 3 == await _vlan(n)
        assert [1, 2] == [await _vlan(n, project_id="p1") for _ in range(2)]
        told = await n.get(f"network_segment_ranges/{made['id']}", "root")
        assert ({"1": "p1", "2": "p1"}, []) == (told["used"], told["available"])
        assert 4 == await _vlan(n, project_id="p1"), "when its own are used up, a project has what all share"


async def test_a_range_for_all_is_used_up_before_what_is_beyond(net: Open) -> None:
    async with net() as n:
        await _range(n, 200, 201)
        assert [200, 201, 1] == [await _vlan(n) for _ in range(3)]


async def test_tunnels_have_ranges_too(net: Open) -> None:
    async with net() as n:
        mine = {"network_type": "geneve", "physical_network": None, "shared": False, "project_id": "p1"}
        await _range(n, 7000, 7001, **mine)
        numbers = {(await n.get(f"networks/{(await n.network())[0]}", "root"))["provider:segmentation_id"]}
        numbers |= {(await n.get(f"networks/{(await n.network())[0]}", "root"))["provider:segmentation_id"]}
        assert {7000, 7001} == numbers


async def test_a_range_that_is_used_neither_goes_nor_shrinks_below_that(net: Open) -> None:
    async with net() as n:
        made = await _range(n, 100, 110)
        network = await n.make("networks", "root", **PROVIDER)
        assert 100 == network["provider:segmentation_id"]
        refused = await n.put("network_segment_ranges", made["id"], "root", minimum=101)
        assert (409, "NetworkSegmentRangeReferencedByProject") == (refused.status, refused.kind)
        assert 409 == (await n.delete("network_segment_ranges", made["id"], "root")).status
        smaller = await n.put("network_segment_ranges", made["id"], "root", maximum=104, name="small")
        changed = smaller.body["network_segment_range"]
        assert ("small", 104, [101, 102, 103, 104]) == (changed["name"], changed["maximum"], changed["available"])
        await n.delete("networks", network["id"], "root")
        assert 204 == (await n.delete("network_segment_ranges", made["id"], "root")).status
        assert 404 == (await n.delete("network_segment_ranges", made["id"], "root")).status


async def test_ranges_that_cannot_be_are_refused(net: Open) -> None:
    async with net() as n:
        await _range(n, 100, 110)
        collection = "network_segment_ranges"
        overlapping = await n.post(collection, "root", **VLAN, minimum=110, maximum=120)
        assert (409, "NetworkSegmentRangeOverlaps") == (overlapping.status, overlapping.kind)
        for wrong in (
            {**VLAN, "minimum": 130, "maximum": 120},
            {**VLAN, "minimum": 1, "maximum": 4095},
            {**VLAN, "maximum": 5},
            {"network_type": "vlan", "minimum": 1, "maximum": 2},
            {"network_type": "vlan", "physical_network": "nowhere", "minimum": 1, "maximum": 2},
            {"network_type": "geneve", "physical_network": "external", "minimum": 1, "maximum": 2},
            {"network_type": "vxlan", "minimum": 1, "maximum": 2},
            {"network_type": "flat", "minimum": 1, "maximum": 2},
        ):
            assert 400 == (await n.post(collection, "root", **wrong)).status, wrong
        assert 403 == (await n.post(collection, **VLAN, minimum=1, maximum=2)).status
        assert 403 == (await n.ask("GET", f"/v2.0/{collection}")).status


async def test_ranges_are_found_by_what_they_are_and_have_tags(net: Open) -> None:
    async with net() as n:
        made = await _range(n, 100, 110)
        path = f"/v2.0/network_segment_ranges/{made['id']}/tags"
        assert 200 == (await n.ask("PUT", path, {"tags": ["lab"]}, "root")).status
        (found,) = await n.get("network_segment_ranges?network_type=vlan&default=false&tags=lab", "root")
        assert made["id"] == found["id"]
        assert [] == await n.get("network_segment_ranges?minimum=101&network_type=vlan", "root")
