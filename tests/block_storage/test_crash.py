"""Killed at every point, everything long that is done with volumes ends where it ends undisturbed, and leaves nothing over."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.block_storage.world import IMAGE, World, a_database, a_store
from tests.postgres import close_opened

from pileus.block_storage import manifest
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
    for backend in [one for stores in world.stores.values() for one in stores.values()]:
        backend.fail_next("ensure_disk", "disk full", times=1000)
    return await world.volume(settled=False)


async def of_image(world: World) -> object:
    return await world.volume(settled=False, imageRef=IMAGE)


async def of_snapshot(world: World) -> object:
    taken = await asked(world, "snapshot", {"volume_id": await a_volume(world)})
    await world.settle()
    return await world.volume(settled=False, snapshot_id=taken)


async def of_volume(world: World) -> object:
    return await world.volume(settled=False, source_volid=await a_volume(world))


async def a_volume(world: World, **about: Any) -> str:
    """A volume with something written on it."""
    volume = await world.volume(**about)
    for backend in world.backends.values():
        if volume in await backend.observe(Kind.VOLUME):
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


async def delete_snapshot(world: World) -> object:
    taken = await asked(world, "snapshot", {"volume_id": await a_volume(world)})
    await world.settle()
    return await world.got("DELETE", f"/snapshots/{taken}")


async def delete_backup(world: World) -> object:
    backup = await back_up(world)
    await world.settle()
    return await world.got("DELETE", f"/backups/{backup}")


async def migrate(world: World) -> object:
    """To the other host, whichever that is."""
    volume = await a_volume(world)
    shown = await world.show(volume, by="root")
    other = "h1" if shown["os-vol-host-attr:host"].startswith("h2") else "h2"
    return await world.act(volume, by="root", os__migrate_volume={"host": f"{other}@fake"})


async def migrate_fails(world: World) -> object:
    volume = await a_volume(world)
    for backend in world.backends.values():
        backend.fail_next("ensure_disk", "disk full", times=1000)
    shown = await world.show(volume, by="root")
    other = "h1" if shown["os-vol-host-attr:host"].startswith("h2") else "h2"
    return await world.act(volume, by="root", os__migrate_volume={"host": f"{other}@fake"})


async def delete_while_migrating(world: World) -> object:
    await migrate(world)
    (volume,) = (await world.got("GET", "/volumes"))["volumes"]
    return await world.act(volume["id"], by="root", os__force_delete={})


async def retype_with_a_move(world: World) -> object:
    """To the only back end that offers what the other type asks for; it is on both hosts."""
    volume = await a_volume(world)
    type = {"volume_type": {"name": "other", "extra_specs": {"volume_backend_name": "other"}}}
    await world.got("POST", "/types", type, by="root")
    return await world.act(volume, os__retype={"new_type": "other", "migration_policy": "on-demand"})


async def manage(world: World) -> object:
    volume = await a_volume(world)
    place = (await world.show(volume, by="root"))["os-vol-host-attr:host"]
    await world.act(volume, by="root", os__unmanage={})
    await world.settle()
    asked = {"volume": {"host": place, "ref": {"source-name": volume}}}
    return await world.got("POST", "/manageable_volumes", asked, by="root")


async def manage_snapshot(world: World) -> object:
    volume = await a_volume(world)
    taken = await asked(world, "snapshot", {"volume_id": volume})
    await world.settle()
    await world.act(taken, by="root", of="snapshot", os__unmanage={})
    body = {"snapshot": {"volume_id": volume, "ref": {"source-name": taken}}}
    return await world.got("POST", "/manageable_snapshots", body, by="root")


async def a_group(world: World) -> str:
    """A group of two volumes with something written on them."""
    type = (await world.got("POST", "/group_types", {"group_type": {"name": "g"}}, by="root"))["group_type"]["id"]
    default = (await world.got("GET", "/types/default"))["volume_type"]["id"]
    group = await asked(world, "group", {"name": "g", "group_type": type, "volume_types": [default]})
    for _ in range(2):
        await a_volume(world, group_id=group, volume_type=default)
    return group


async def a_group_snapshot(world: World) -> str:
    taken = await asked(world, "group_snapshot", {"group_id": await a_group(world)})
    await world.settle()
    return taken


async def copy_group(world: World) -> object:
    taken = await a_group_snapshot(world)
    return await world.got("POST", "/groups/action", {"create-from-src": {"name": "copy", "group_snapshot_id": taken}})


async def copy_group_fails(world: World) -> object:
    group = await a_group(world)
    for backend in world.backends.values():
        backend.fail_next("ensure_disk", "disk full", times=1000)
    return await world.got("POST", "/groups/action", {"create-from-src": {"name": "copy", "source_group_id": group}})


async def delete_group(world: World) -> object:
    return await world.act(await a_group(world), of="group", delete={"delete-volumes": True})


async def snapshot_group(world: World) -> object:
    return await asked(world, "group_snapshot", {"group_id": await a_group(world)})


async def snapshot_group_fails(world: World) -> object:
    group = await a_group(world)
    for backend in world.backends.values():
        backend.fail_next("ensure_disk", "disk full", times=1000)
    return await asked(world, "group_snapshot", {"group_id": group})


async def delete_group_snapshot(world: World) -> object:
    return await world.got("DELETE", f"/group_snapshots/{await a_group_snapshot(world)}")


SCENES: dict[str, Begin] = {
    begin.__name__.replace("_", " "): begin
    for begin in (
        create, create_fails, of_image, of_snapshot, of_volume, delete, delete_while_creating, delete_cascade, extend, upload, upload_fails,
        snapshot, revert, back_up, backup_fails, restore, delete_snapshot, delete_backup,
        manage, manage_snapshot, migrate, migrate_fails, delete_while_migrating, retype_with_a_move,
        copy_group, copy_group_fails, delete_group, snapshot_group, snapshot_group_fails, delete_group_snapshot,
    )
}  # fmt: skip
# The flow of which every step is passed; what is not named here goes wrong on the way, or is another way to the same.
PASSES = {
    "create": "volume.create",
    "delete": "volume.delete",
    "extend": "volume.extend",
    "revert": "volume.remake",
    "retype with a move": "volume.move",
    "upload": "volume.upload",
    "manage": "volume.manage",
    "snapshot": "snapshot.create",
    "manage snapshot": "snapshot.manage",
    "delete snapshot": "snapshot.delete",
    "back up": "backup.create",
    "delete backup": "backup.delete",
    "copy group": "group.create",
    "delete group": "group.delete",
    "snapshot group": "group_snapshot.create",
    "delete group snapshot": "group_snapshot.delete",
}
FLOWS = {flow.name: flow for flow in manifest.FLOWS}


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
            lists[what] = (await self.now.got("GET", f"/{what}/detail?all_tenants=1", by="root"))[what]
        on_hosts = [
            (f"{name}/{called}", kind, seen, backend.read(kind, id))
            for name, backends in self.now.stores.items()
            for called, backend in backends.items()
            for kind in Kind
            for id, seen in (await backend.observe(kind)).items()
        ]
        return (
            sorted((v["status"], v["size"], v["bootable"]) for v in lists["volumes"]),
            [(each["status"], each["volume_id"] is not None) for each in lists["snapshots"]],
            [(each["status"], each["object_count"]) for each in lists["backups"]],
            sorted((name, str(kind), content) for name, kind, _, content in on_hosts),
            sorted(image.status for image in self.now.images.images.values()),
            len((await self.now.got("GET", "/messages"))["messages"]),
            sorted(each["status"] for each in (await self.now.got("GET", "/groups/detail"))["groups"]),
            [each["status"] for each in (await self.now.got("GET", "/group_snapshots/detail"))["group_snapshots"]],
            sorted((seen.host, seen.kind, seen.present) for seen in await self.now.hosts.seen_list()),
        )


def scene(begin: Begin):
    async def make(reaper: Reaper, clock: FakeClock) -> Scene:
        await close_opened()  # those of the play before: a server has only so many connections
        moves = begin is retype_with_a_move
        more = {host: [a_store("other", gib=10)] for host in ("h1", "h2")} if moves else {}
        world = World(await a_database(), clock, ("h1", "h2"), CONFIG, more=more)
        await world.begin()
        await world.settle()
        return VolumeScene(world, begin)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
async def test_killed_at_any_point_it_ends_as_if_undisturbed(name: str, every: int) -> None:
    passes = FLOWS[PASSES[name]] if name in PASSES else None
    assert await survives_crashes(scene(SCENES[name]), passes, every=every) >= 3


MOVES = ("migrate", "migrate fails", "delete while migrating", "retype with a move")


async def test_the_undisturbed_ends_are_the_right_ones() -> None:
    ends = {
        name: (await play(scene(SCENES[name]), None)).world
        for name in ("create", "create fails", "delete", "revert", *MOVES)
    }
    assert [("available", 1, "false")] == ends["create"][0]
    assert [("error", 1, "false")] == ends["create fails"][0]
    assert ([], [], [], []) == ends["delete"][:4]
    assert [("h2/fake", "volume", b"precious"), ("h2/fake", "volume_snapshot", b"precious")] == ends["revert"][3]
    # It was made on h2, which has its name later in the alphabet; the bytes go along and nothing stays behind.
    assert [("h1/fake", "volume", b"precious")] == ends["migrate"][3]
    assert [("h2/fake", "volume", b"precious")] == ends["migrate fails"][3]
    assert ([], [], [], []) == ends["delete while migrating"][:4]
    assert [("h2/other", "volume", b"precious")] == ends["retype with a move"][3]
    assert {"available"} == {ends[name][0][0][0] for name in MOVES if ends[name][0]}
