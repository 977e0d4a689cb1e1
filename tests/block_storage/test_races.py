"""Fifty who ask at once: each is answered as if they had come one after the other, and what is counted is what there is."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from typing import Any

from tests.block_storage.world import Answered, World, a_store, a_world

from pileus.block_storage.config import BlockStorageConfig
from pileus.block_storage.drivers.interface import Kind

MANY = 50
SERVER = "44444444-4444-4444-8444-4444444444"
WIDE = BlockStorageConfig(quota_volumes=-1, quota_snapshots=-1, quota_gigabytes=-1)


async def statuses(asked: Iterable[Awaitable[Answered]]) -> Counter[int]:
    return Counter(answered.status for answered in await asyncio.gather(*asked))


async def some(world: World, count: int) -> list[str]:
    ids = [await world.volume(settled=False) for _ in range(count)]
    await world.settle()
    return ids


async def quota(world: World, **limits: int) -> None:
    await world.got("PUT", "/os-quota-sets/p1", {"quota_set": limits}, by="root")


async def counted(world: World) -> tuple[int, int, int]:
    """Volumes, snapshots and gigabytes as they are counted; nothing is held back for what has ended."""
    usage = (await world.got("GET", "/os-quota-sets/p1?usage=true"))["quota_set"]
    assert {0} == {each["reserved"] for name, each in usage.items() if name != "id"}
    return tuple(usage[name]["in_use"] for name in ("volumes", "snapshots", "gigabytes"))  # type: ignore[return-value]


async def there(world: World) -> tuple[int, int, int]:
    """The same as it is."""
    volumes = (await world.got("GET", "/volumes/detail"))["volumes"]
    snapshots = (await world.got("GET", "/snapshots/detail"))["snapshots"]
    assert not [each["status"] for each in (*volumes, *snapshots) if each["status"] not in {"available", "in-use"}]
    return len(volumes), len(snapshots), sum(each["size"] for each in (*volumes, *snapshots))


async def test_one_of_fifty_who_let_a_volume_grow_does() -> None:
    async with a_world(config=WIDE) as world:
        volume = await world.volume()
        asked = (world.act(volume, os__extend={"new_size": 2 + at}) for at in range(MANY))
        assert {202: 1, 400: MANY - 1} == await statuses(asked)
        await world.settle()
        assert "available" == (await world.show(volume))["status"]
        assert await there(world) == await counted(world)


async def test_fifty_volumes_that_grow_at_once_do_not_outgrow_the_quota() -> None:
    async with a_world(config=WIDE) as world:
        volumes = await some(world, MANY)
        await quota(world, gigabytes=MANY + 20)
        asked = [world.act(volume, os__extend={"new_size": 2}) for volume in volumes]
        assert {202: 20, 413: 30} == await statuses(asked)
        usage = (await world.got("GET", "/os-quota-sets/p1?usage=true"))["quota_set"]["gigabytes"]
        assert (MANY, 20) == (usage["in_use"], usage["reserved"])
        assert 413 == (await world.ask("POST", "/volumes", {"volume": {"size": 1}})).status
        await world.settle()
        assert (MANY, 0, MANY + 20) == await counted(world) == await there(world)


async def test_volumes_that_could_not_grow_give_back_what_they_asked_for() -> None:
    async with a_world(config=WIDE) as world:
        volumes = await some(world, 3)
        await quota(world, gigabytes=6)
        world.backends["h1"].fail_next("ensure_disk", "disk full", times=1000)
        assert {202: 3} == await statuses(world.act(volume, os__extend={"new_size": 2}) for volume in volumes)
        await world.settle()
        assert (3, 0, 3) == await counted(world)


async def test_a_back_end_is_not_promised_away_by_volumes_that_grow() -> None:
    config = BlockStorageConfig(quota_volumes=-1, quota_gigabytes=-1, over_subscription=1.0)
    async with a_world(config=config, more={"h1": [a_store("other")]}) as world:
        room = {"name": "fake", "driver": "fake", "total_gib": 30, "free_gib": 30, "capabilities": {}}
        await world.agents["h1"].set_facts({"volume_backends": [room]})
        volumes = await some(world, 20)
        asked = [world.act(volume, os__extend={"new_size": 2}) for volume in volumes]
        assert {202: 10, 400: 10} == await statuses(asked)
        answered = await world.act(volumes[-1], os__extend={"new_size": 2})
        assert "h1@fake#fake has 0 GiB left" in answered.body["badRequest"]["message"]
        await world.settle()
        assert (20, 0, 30) == await counted(world) == await there(world)


async def test_fifty_volumes_made_at_once_stop_at_the_quota() -> None:
    async with a_world(config=BlockStorageConfig(quota_volumes=20, quota_gigabytes=30)) as world:
        sizes = [1 + at % 2 for at in range(MANY)]
        asked = [world.ask("POST", "/volumes", {"volume": {"size": size}}) for size in sizes]
        assert {202: 20, 413: 30} == await statuses(asked)
        await world.settle()
        assert (20, 0, 30) == await counted(world) == await there(world)


async def test_snapshots_and_deletions_at_once_leave_no_snapshot_without_its_volume() -> None:
    async with a_world(config=WIDE) as world:
        volumes = await some(world, 10)

        def asked(at: int) -> Awaitable[Answered]:
            volume = volumes[at % 10]
            if at % 3:
                return world.ask("POST", "/snapshots", {"snapshot": {"volume_id": volume, "force": True}})
            return world.ask("DELETE", f"/volumes/{volume}")

        assert {202, 400} >= set(await statuses(asked(at) for at in range(MANY)))
        await world.settle()
        assert await there(world) == await counted(world)
        kept = {each["id"] for each in (await world.got("GET", "/volumes"))["volumes"]}
        snapshots = (await world.got("GET", "/snapshots"))["snapshots"]
        assert {each["volume_id"] for each in snapshots} <= kept
        cascade = [world.ask("DELETE", f"/volumes/{id}?cascade=true") for id in kept for _ in range(5)]
        assert {202: len(kept), 400: 4 * len(kept)} == await statuses(cascade)
        await world.settle()
        assert (0, 0, 0) == await counted(world) == await there(world)
        assert (
            {} == await world.backends["h1"].observe(Kind.VOLUME) == await world.backends["h1"].observe(Kind.SNAPSHOT)
        )


async def test_fifty_snapshots_deleted_and_copied_at_once_are_counted_right() -> None:
    async with a_world(config=WIDE) as world:
        volume = await world.volume()
        taken = [{"snapshot": {"volume_id": volume}} for _ in range(25)]
        assert {202: 25} == await statuses(world.ask("POST", "/snapshots", one) for one in taken)
        await world.settle()
        ids = [each["id"] for each in (await world.got("GET", "/snapshots"))["snapshots"]]
        copies = [world.ask("POST", "/volumes", {"volume": {"snapshot_id": id}}) for id in ids]
        gone = [world.ask("DELETE", f"/snapshots/{id}") for id in ids]
        answers = await statuses(each for pair in zip(copies, gone, strict=True) for each in pair)
        assert {202, 400, 404} >= set(answers)
        assert MANY == sum(answers.values())
        await world.settle()
        assert await there(world) == await counted(world)


async def test_fifty_who_add_to_metadata_lose_nothing_of_one_another() -> None:
    async with a_world() as world:
        volume = await world.volume()
        asked = [world.ask("POST", f"/volumes/{volume}/metadata", {"metadata": {str(at): "x"}}) for at in range(20)]
        asked += [
            world.ask("PUT", f"/volumes/{volume}/metadata/{at}", {"meta": {str(at): "x"}}) for at in range(20, 35)
        ]
        assert {200: 35} == await statuses(asked)
        assert {str(at) for at in range(35)} == set((await world.show(volume))["metadata"])
        gone = [world.ask("DELETE", f"/volumes/{volume}/metadata/{at}") for at in range(35)]
        images: list[Awaitable[Any]] = [
            world.act(volume, os__set_image_metadata={"metadata": {str(at): "x"}}) for at in range(15)
        ]
        assert {200: MANY} == await statuses([*gone, *images])
        shown = await world.show(volume)
        assert ({}, {str(at) for at in range(15)}) == (shown["metadata"], set(shown["volume_image_metadata"]))
