"""What is unmanaged keeps its bytes, and is taken over again under another id."""

from typing import Any

from tests.block_storage.world import World, a_store, a_world

from pileus.block_storage.drivers.interface import Disk, Kind


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
        assert ("back", 2, "managing") == tuple(made["volume"][name] for name in ("name", "size", "status"))
        assert 400 == (await world.ask("POST", "/manageable_volumes", asked, by="root")).status
        new = made["volume"]["id"]
        assert {volume: new, kept: kept} == await listed(world)
        await world.settle()
        assert {new, kept} == set(await world.backends["h1"].observe(Kind.VOLUME))
        assert b"precious" == world.backends["h1"].read(Kind.VOLUME, new)
        assert "available" == (await world.show(new, by="root"))["status"]
        assert {new: new, kept: kept} == await listed(world)
        assert 400 == (await world.ask("POST", "/manageable_volumes", asked, by="root")).status
        assert 202 == (await world.ask("DELETE", f"/volumes/{new}", by="root")).status
        await world.settle()
        assert {kept} == set(await world.backends["h1"].observe(Kind.VOLUME))


async def listed(world: World) -> dict[str, str | None]:
    """The names of disks, and what they are managed as."""
    found = await world.got("GET", "/manageable_volumes/detail?host=h1@fake", by="root")
    return {each["reference"]["source-name"]: each["cinder_id"] for each in found["manageable-volumes"]}


async def unmanaged(world: World) -> tuple[str, dict[str, Any]]:
    """A disk that lies there with something on it, and what asks for it."""
    volume = await world.volume()
    world.backends["h1"].write(Kind.VOLUME, volume, b"precious")
    assert 202 == (await world.act(volume, by="root", os__unmanage={})).status
    await world.settle()
    return volume, {"volume": {"host": "h1@fake#fake", "ref": {"source-name": f"volume-{volume}"}}}


async def test_a_disk_that_cannot_be_taken_over_stays_and_so_it_does_when_the_volume_is_deleted() -> None:
    async with a_world() as world:
        volume, asked = await unmanaged(world)
        world.backends["h1"].fail_next("ensure_disk", "no")
        new = (await world.got("POST", "/manageable_volumes", asked, by="root"))["volume"]["id"]
        await world.settle()
        assert "error_managing" == (await world.show(new, by="root"))["status"]
        assert 202 == (await world.ask("DELETE", f"/volumes/{new}", by="root")).status
        await world.settle()
        assert b"precious" == world.backends["h1"].read(Kind.VOLUME, volume)
        assert {volume: None} == await listed(world)
        again = (await world.got("POST", "/manageable_volumes", asked, by="root"))["volume"]["id"]
        await world.settle()
        assert b"precious" == world.backends["h1"].read(Kind.VOLUME, again)


async def test_a_name_that_two_back_ends_have_is_taken_over_from_neither() -> None:
    async with a_world(more={"h1": [a_store("other")]}) as world:
        volume, asked = await unmanaged(world)
        stray = Disk(id=volume, backend="other", size_gib=1)
        await world.stores["h1"]["other"].ensure_disk(Kind.VOLUME, stray)
        new = (await world.got("POST", "/manageable_volumes", asked, by="root"))["volume"]["id"]
        await world.settle()
        assert "error_managing" == (await world.show(new, by="root"))["status"]
        assert b"precious" == world.backends["h1"].read(Kind.VOLUME, volume)
        assert {volume} == set(await world.stores["h1"]["other"].observe(Kind.VOLUME))


async def test_what_only_its_key_opens_is_not_unmanaged_and_no_disk_becomes_encrypted_by_its_type() -> None:
    async with a_world() as world:
        made = await world.got("POST", "/types", {"volume_type": {"name": "secret"}}, by="root")
        encryption = {"encryption": {"provider": "luks", "control_location": "front-end"}}
        await world.got("POST", f"/types/{made['volume_type']['id']}/encryption", encryption, by="root")
        secret = await world.volume(volume_type="secret")
        assert 400 == (await world.act(secret, by="root", os__unmanage={})).status
        _, asked = await unmanaged(world)
        asked["volume"]["volume_type"] = "secret"
        assert 400 == (await world.ask("POST", "/manageable_volumes", asked, by="root")).status


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
        assert taken["id"] != snapshot
        await world.settle()
        shown = await world.show(taken["id"], of="snapshot")
        assert ("back", "available") == (shown["name"], shown["status"])
        assert {taken["id"]} == set(await world.backends["h1"].observe(Kind.SNAPSHOT))


async def test_disks_are_looked_for_where_there_is_a_back_end() -> None:
    async with a_world() as world:
        assert 404 == (await world.ask("GET", "/manageable_volumes?host=h9@fake", by="root")).status
        assert 400 == (await world.ask("GET", "/manageable_volumes", by="root")).status
