"""What a host has lost is never made anew in silence: of nothing, of an image, or of what a volume holds by now."""

from tests.block_storage.world import IMAGE, World, a_world

from pileus.block_storage.drivers.interface import Kind


async def removed(world: World, kind: Kind, id: str) -> None:
    """Somebody removed the file behind our back; the host has looked since."""
    world.backends["h1"].lose(kind, id)
    await looked_at(world)


async def looked_at(world: World) -> None:
    world.clock.move(61)
    await world.settle(until_s=1)


async def here(world: World, kind: Kind) -> list[str]:
    return list(await world.backends["h1"].observe(kind))


async def messages(world: World) -> list[str]:
    found = (await world.got("GET", "/messages"))["messages"]
    return [each["user_message"] for each in found]


async def test_a_volume_that_was_removed_is_in_error_and_its_owner_told_until_it_is_back() -> None:
    async with a_world() as world:
        of_nothing, of_image = await world.volume(), await world.volume(imageRef=IMAGE)
        for volume in (of_nothing, of_image):
            await removed(world, Kind.VOLUME, volume)
            assert "error" == (await world.show(volume))["status"]
        assert [] == await here(world, Kind.VOLUME)
        told = await messages(world)
        assert 2 == len(told)
        assert all("does not have its bytes any more" in each for each in told)
        assert 400 == (await world.act(of_nothing, os__extend={"new_size": 2})).status
        for volume in (of_nothing, of_image):
            world.backends["h1"].bring_back(Kind.VOLUME, volume)
        await looked_at(world)
        assert {"available"} == {(await world.show(volume))["status"] for volume in (of_nothing, of_image)}
        kinds = [event.kind for event in await world.app.events.of_subject(f"volume:{of_image}")]
        assert ["volume.found", "volume.lost"] == kinds[:2]
        await removed(world, Kind.VOLUME, of_nothing)
        assert "error" == (await world.show(of_nothing))["status"]
        assert 3 == len(await messages(world))


async def test_a_volume_in_error_for_another_reason_stays_so() -> None:
    async with a_world() as world:
        volume = await world.volume()
        assert 202 == (await world.act(volume, by="root", os__reset_status={"status": "error"})).status
        await looked_at(world)
        assert "error" == (await world.show(volume))["status"]
        assert [] == await messages(world)


async def test_a_volume_that_grows_after_it_was_lost_is_not_made_anew() -> None:
    async with a_world() as world:
        volume = await world.volume()
        world.backends["h1"].lose(Kind.VOLUME, volume)
        assert 202 == (await world.act(volume, os__extend={"new_size": 2})).status
        await world.settle()
        assert "error_extending" == (await world.show(volume))["status"]
        assert [] == await here(world, Kind.VOLUME)


async def test_a_volume_made_anew_or_moved_and_lost_is_not_made_of_what_it_once_was() -> None:
    async with a_world() as world:
        volume = await world.volume()
        taken = (await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume}}))["snapshot"]["id"]
        await world.settle()
        assert 202 == (await world.act(volume, revert={"snapshot_id": taken})).status
        await world.settle()
        await removed(world, Kind.VOLUME, volume)
        assert "error" == (await world.show(volume))["status"]
        assert [] == await here(world, Kind.VOLUME)


async def test_a_snapshot_or_a_backup_that_was_removed_is_not_made_of_what_the_volume_holds_by_now() -> None:
    async with a_world() as world:
        volume = await world.volume()
        backend = world.backends["h1"]
        backend.write(Kind.VOLUME, volume, b"old")
        taken = (await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume}}))["snapshot"]["id"]
        await world.settle()
        kept = (await world.got("POST", "/backups", {"backup": {"volume_id": volume}}))["backup"]["id"]
        await world.settle()
        (copy,) = await here(world, Kind.BACKUP)
        backend.write(Kind.VOLUME, volume, b"new")
        await removed(world, Kind.SNAPSHOT, taken)
        await removed(world, Kind.BACKUP, copy)
        assert ([], []) == (await here(world, Kind.SNAPSHOT), await here(world, Kind.BACKUP))
        await world.got("POST", f"/backups/{kept}/restore", {"restore": {"name": "again"}})
        made = (await world.got("POST", "/volumes", {"volume": {"size": 1, "snapshot_id": taken}}))["volume"]["id"]
        await world.settle()
        found = (await world.got("GET", "/volumes/detail"))["volumes"]
        assert {"error", "error_restoring"} == {each["status"] for each in found if each["id"] != volume}
        assert "error" == (await world.show(made))["status"]
