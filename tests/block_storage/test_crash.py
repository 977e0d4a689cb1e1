"""Killed at every point, everything long that is done with volumes ends where it ends undisturbed, and leaves nothing over."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.block_storage.world import IMAGE, World, a_database

from pileus.block_storage.config import BlockStorageConfig
from pileus.block_storage.drivers.interface import Kind
from pileus.kit.clock import FakeClock
from pileus.kit.flow.crash import Reaper, Scene, play, survives_crashes
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.settle import TakesTurns

CONFIG = BlockStorageConfig()
Begin = Callable[[World], Awaitable[object]]


async def create(world: World) -> object:
    return await world.volume(settled=False)


async def create_fails(world: World) -> object:
    for backend in world.backends.values():
        backend.fail_next("ensure_disk", "disk full", times=1000)
    return await world.volume(settled=False)


async def of_image(world: World) -> object:
    return await world.volume(settled=False, imageRef=IMAGE)


async def a_volume(world: World) -> str:
    """A volume with something written on it."""
    volume = await world.volume()
    for backend in world.backends.values():
        if await backend.observe(Kind.VOLUME):
            backend.write(Kind.VOLUME, volume, b"precious")
    return volume


async def asked(world: World, what: str, body: dict[str, Any]) -> str:
    made = await world.got("POST", f"/{what}s", {what: body})
    return str(made[what]["id"])


async def delete(world: World) -> object:
    return await world.got("DELETE", f"/volumes/{await a_volume(world)}")


async def delete_while_creating(world: World) -> object:
    volume = await world.volume(settled=False)
    return await world.act(volume, by="root", os__force_delete={})


async def delete_cascade(world: World) -> object:
    volume = await a_volume(world)
    await asked(world, "snapshot", {"volume_id": volume})
    await world.settle()
    return await world.got("DELETE", f"/volumes/{volume}?cascade=true")


async def extend(world: World) -> object:
    return await world.act(await a_volume(world), os__extend={"new_size": 3})


async def upload(world: World) -> object:
    return await world.act(await a_volume(world), os__volume_upload_image={"image_name": "i"})


async def upload_fails(world: World) -> object:
    world.images.full = True
    return await upload(world)


async def snapshot(world: World) -> object:
    return await asked(world, "snapshot", {"volume_id": await a_volume(world)})


async def revert(world: World) -> object:
    volume = await a_volume(world)
    taken = await asked(world, "snapshot", {"volume_id": volume})
    await world.settle()
    return await world.act(volume, revert={"snapshot_id": taken})


async def back_up(world: World) -> object:
    return await asked(world, "backup", {"volume_id": await a_volume(world)})


async def backup_fails(world: World) -> object:
    volume = await a_volume(world)
    for backend in world.backends.values():
        backend.fail_next("ensure_backup", "no room", times=1000)
    return await asked(world, "backup", {"volume_id": volume})


async def restore(world: World) -> object:
    backup = await back_up(world)
    await world.settle()
    return await world.got("POST", f"/backups/{backup}/restore", {"restore": {}})


async def delete_backup(world: World) -> object:
    backup = await back_up(world)
    await world.settle()
    return await world.got("DELETE", f"/backups/{backup}")


SCENES: dict[str, Begin] = {
    begin.__name__.replace("_", " "): begin
    for begin in (
        create, create_fails, of_image, delete, delete_while_creating, delete_cascade, extend, upload, upload_fails,
        snapshot, revert, back_up, backup_fails, restore, delete_backup,
    )
}  # fmt: skip


class VolumeScene:
    """Something long is done with a volume; the process dies and another takes over."""

    def __init__(self, world: World, begin: Begin) -> None:
        self.first = self.now = world
        self._begin = begin

    async def begin(self, engine: Engine) -> None:
        await self._begin(self.now)

    async def engine(self) -> Engine:
        self.now = World(self.first.db, self.first.clock, ("h1", "h2"), CONFIG, self.first)
        await self.now.begin()
        return self.now.engine

    async def others(self) -> tuple[TakesTurns, ...]:
        return (*self.now.agents.values(), self.now.reconcilers)

    async def world(self) -> object:
        lists: dict[str, list[Any]] = {}
        for what in ("volumes", "snapshots", "backups"):
            lists[what] = (await self.now.got("GET", f"/{what}/detail"))[what]
        on_hosts = [
            (name, kind, seen, backend.read(kind, id))
            for name, backend in self.now.backends.items()
            for kind in Kind
            for id, seen in (await backend.observe(kind)).items()
        ]
        return (
            [(v["status"], v["size"], v["bootable"]) for v in lists["volumes"]],
            [(each["status"], each["volume_id"] is not None) for each in lists["snapshots"]],
            [(each["status"], each["object_count"]) for each in lists["backups"]],
            sorted((name, str(kind), content) for name, kind, _, content in on_hosts),
            sorted(image.status for image in self.now.images.images.values()),
            len((await self.now.got("GET", "/messages"))["messages"]),
            sorted((seen.host, seen.kind, seen.present) for seen in await self.now.hosts.seen_list()),
        )


def scene(begin: Begin):
    async def make(reaper: Reaper, clock: FakeClock) -> Scene:
        world = World(await a_database(), clock, ("h1", "h2"), CONFIG)
        await world.begin()
        await world.settle()
        return VolumeScene(world, begin)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
async def test_killed_at_any_point_it_ends_as_if_undisturbed(name: str) -> None:
    assert await survives_crashes(scene(SCENES[name])) >= 3


async def test_the_undisturbed_ends_are_the_right_ones() -> None:
    ends = {
        name: (await play(scene(SCENES[name]), None)).world for name in ("create", "create fails", "delete", "revert")
    }
    assert [("available", 1, "false")] == ends["create"][0]
    assert [("error", 1, "false")] == ends["create fails"][0]
    assert ([], [], [], []) == ends["delete"][:4]
    assert [("h2", "volume", b"precious"), ("h2", "volume_snapshot", b"precious")] == ends["revert"][3]
