"""What is unmanaged keeps its bytes, and is taken over again."""

from tests.block_storage.world import a_world

from pileus.block_storage.drivers.interface import Kind


async def test_an_unmanaged_volume_is_taken_over_again_with_its_bytes() -> None:
    async with a_world() as world:
        volume, kept = await world.volume(size=2), await world.volume()
        world.backends["h1"].write(Kind.VOLUME, volume, b"precious")
        assert 403 == (await world.act(volume, os__unmanage={})).status
        assert 202 == (await world.act(volume, by="root", os__unmanage={})).status
        await world.settle()
        assert 404 == (await world.ask("GET", f"/volumes/{volume}")).status
        found = await world.got("GET", "/manageable_volumes/detail?host=h1@fake", by="root")
        safe = {each["reference"]["source-name"]: each["safe_to_manage"] for each in found["manageable-volumes"]}
        assert {volume: True, kept: False} == safe
        asked = {"volume": {"host": "h1@fake#fake", "ref": {"source-name": volume}, "name": "back"}}
        made = await world.got("POST", "/manageable_volumes", asked, by="root")
        assert ("back", 2) == (made["volume"]["name"], made["volume"]["size"])
        assert 400 == (await world.ask("POST", "/manageable_volumes", asked, by="root")).status
        await world.settle()
        assert b"precious" == world.backends["h1"].read(Kind.VOLUME, volume)
        assert "available" == (await world.show(volume, by="root"))["status"]
        assert 202 == (await world.ask("DELETE", f"/volumes/{volume}", by="root")).status
        await world.settle()
        assert {kept} == set(await world.backends["h1"].observe(Kind.VOLUME))


async def test_an_unmanaged_snapshot_is_taken_over_again() -> None:
    async with a_world() as world:
        volume = await world.volume()
        made = await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume}})
        snapshot = made["snapshot"]["id"]
        await world.settle()
        assert 202 == (await world.act(snapshot, by="root", of="snapshot", os__unmanage={})).status
        assert [] == (await world.got("GET", "/snapshots"))["snapshots"]
        (found,) = (await world.got("GET", "/os-snapshot-manage?host=h1@fake", by="root"))["manageable-snapshots"]
        assert (snapshot, True) == (found["reference"]["source-name"], found["safe_to_manage"])
        asked = {"snapshot": {"volume_id": volume, "ref": {"source-name": snapshot}, "name": "back"}}
        taken = (await world.got("POST", "/manageable_snapshots", asked, by="root"))["snapshot"]
        assert [] == [name for name in taken if name.startswith("os-extended-snapshot-attributes")]
        assert "back" == (await world.show(snapshot, of="snapshot"))["name"]


async def test_disks_are_looked_for_where_there_is_a_back_end() -> None:
    async with a_world() as world:
        assert 404 == (await world.ask("GET", "/manageable_volumes?host=h9@fake", by="root")).status
        assert 400 == (await world.ask("GET", "/manageable_volumes", by="root")).status
