"""Volumes move to other back ends and hosts with their bytes, by migration and by another type."""

import asyncio
import hashlib
import os
import random
import uuid
from pathlib import Path

from tests.block_storage.drivers.contract import a_disk, until
from tests.block_storage.drivers.files import OneImage
from tests.block_storage.drivers.test_lvm import LvmWorld
from tests.block_storage.world import World, a_store, a_world

from pileus.block_storage import agent
from pileus.block_storage.drivers.file import FileBackend
from pileus.block_storage.drivers.interface import Backend, Disk, DiskSeen, Kind, Origin, Seen
from pileus.block_storage.drivers.marks import MARK
from pileus.block_storage.drivers.shared import SharedBackend

BOTH = ("h1", "h2")


async def a_type(world: World, name: str, **specs: str) -> str:
    body = {"volume_type": {"name": name, "extra_specs": specs}}
    return str((await world.got("POST", "/types", body, by="root"))["volume_type"]["id"])


async def place(world: World, volume: str) -> str:
    return str((await world.show(volume, by="root"))["os-vol-host-attr:host"])


async def written(world: World) -> str:
    """A volume on h2 with something on it."""
    volume = await world.volume()
    world.backends["h2"].write(Kind.VOLUME, volume, b"precious")
    return volume


async def test_a_volume_that_migrates_takes_its_bytes_and_leaves_nothing() -> None:
    async with a_world(*BOTH) as world:
        volume = await written(world)
        asked = await world.act(volume, by="root", os__migrate_volume={"host": "h1@fake#fake"})
        assert 202 == asked.status
        shown = await world.show(volume, by="root")
        assert ("maintenance", "migrating") == (shown["status"], shown["os-vol-mig-status-attr:migstat"])
        await world.settle()
        shown = await world.show(volume, by="root")
        assert ("available", "success") == (shown["status"], shown["os-vol-mig-status-attr:migstat"])
        assert "h1@fake#fake" == shown["os-vol-host-attr:host"]
        assert b"precious" == world.backends["h1"].read(Kind.VOLUME, volume)
        assert {} == await world.backends["h2"].observe(Kind.VOLUME)
        # And back again, to the host that was told that it is gone.
        await world.act(volume, by="root", os__migrate_volume={"host": "h2@fake"})
        await world.settle()
        assert b"precious" == world.backends["h2"].read(Kind.VOLUME, volume)
        assert {} == await world.backends["h1"].observe(Kind.VOLUME)


async def test_a_volume_that_cannot_migrate_stays_whole_and_says_why() -> None:
    async with a_world(*BOTH) as world:
        volume = await written(world)
        world.backends["h1"].fail_next("ensure_disk", "no room", times=100)
        await world.act(volume, by="root", os__migrate_volume={"host": "h1@fake"})
        await world.settle()
        shown = await world.show(volume, by="root")
        assert ("available", "error") == (shown["status"], shown["os-vol-mig-status-attr:migstat"])
        assert "h2@fake#fake" == shown["os-vol-host-attr:host"]
        assert b"precious" == world.backends["h2"].read(Kind.VOLUME, volume)
        (message,) = (await world.got("GET", "/messages"))["messages"]
        assert "no room" in message["user_message"]


async def test_what_speaks_against_a_move_is_said_at_once() -> None:
    async with a_world(*BOTH, more={"h1": [a_store("tiny", gib=0)]}) as world:
        volume = await world.volume()
        for where, why in (("h3@fake", "No available service"), ("h2@fake", "different"), ("h1@tiny", "GiB left")):
            answer = await world.act(volume, by="root", os__migrate_volume={"host": where})
            assert (400, True) == (answer.status, why in answer.body["badRequest"]["message"]), answer.body
        assert 403 == (await world.act(volume, os__migrate_volume={"host": "h1@fake"})).status
        await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume}})
        await world.settle()
        answer = await world.act(volume, by="root", os__migrate_volume={"host": "h1@fake"})
        assert (400, True) == (answer.status, "snapshots" in answer.body["badRequest"]["message"])


async def test_another_type_moves_a_volume_where_that_is_allowed() -> None:
    async with a_world(*BOTH, more={host: [a_store("fast", gib=10)] for host in BOTH}) as world:
        volume = await written(world)
        type_id = await a_type(world, "fast", volume_backend_name="fast")
        answer = await world.act(volume, os__retype={"new_type": "fast"})
        assert (400, True) == (answer.status, "policy is never" in answer.body["badRequest"]["message"])
        asked = {"new_type": "fast", "migration_policy": "on-demand"}
        assert 202 == (await world.act(volume, os__retype=asked)).status
        assert "retyping" == (await world.show(volume))["status"]
        await world.settle()
        shown = await world.show(volume, by="root")
        assert ("available", "fast", type_id) == (shown["status"], shown["volume_type"], shown["volume_type_id"])
        # On the same host, where there is such a back end.
        assert ("h2@fast#fast", "success") == (shown["os-vol-host-attr:host"], shown["os-vol-mig-status-attr:migstat"])
        fast = world.stores["h2"]["fast"]
        assert b"precious" == fast.read(Kind.VOLUME, volume)
        assert {} == await world.backends["h2"].observe(Kind.VOLUME)
        assert 202 == (await world.ask("DELETE", f"/volumes/{volume}")).status
        await world.settle()
        assert {} == await fast.observe(Kind.VOLUME)


async def test_a_copy_with_another_type_is_made_in_another_back_end() -> None:
    async with a_world("h1", more={"h1": [a_store("fast", gib=10)]}) as world:
        await a_type(world, "fast", volume_backend_name="fast")
        volume = await world.volume()
        world.backends["h1"].write(Kind.VOLUME, volume, b"precious")
        near = await world.volume(source_volid=volume)
        far = await world.volume(source_volid=volume, volume_type="fast")
        assert ["h1@fake#fake", "h1@fast#fast"] == [await place(world, each) for each in (near, far)]
        assert b"precious" == world.stores["h1"]["fast"].read(Kind.VOLUME, far)


# With stores that have bytes.


async def arrives(backend: Backend, disk: Disk) -> DiskSeen:
    def there(seen: Seen) -> bool:
        return isinstance(seen, DiskSeen) and seen.content == disk.content and seen.doing is None

    seen = await until(backend, lambda: backend.ensure_disk(Kind.VOLUME, disk), there)
    assert isinstance(seen, DiskSeen)
    return seen


def digest(file: Path) -> str:
    """Of a sparse GiB: of what is not a hole, and where that is."""
    found = hashlib.sha256()
    with file.open("rb") as source:
        end, at = source.seek(0, os.SEEK_END), 0
        while at < end:
            try:
                at = os.lseek(source.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            stop = os.lseek(source.fileno(), at, os.SEEK_HOLE)
            source.seek(at)
            for start in range(at, stop, 4096):
                piece = source.read(4096)
                if piece.strip(b"\0"):
                    found.update(b"%d" % start + piece)
            at = stop
        found.update(b"%d" % end)
    return found.hexdigest()


async def test_bytes_are_the_same_in_every_back_end_they_go_through(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / MARK).write_text("s")
    lvm = LvmWorld(tmp_path)
    images = OneImage(b"")
    stores: dict[str, Backend] = {
        "file": FileBackend("file", tmp_path / "files", images),
        "shared": SharedBackend("shared", tmp_path / "shared", "h1", images),
        "lvm": lvm.backend,
    }
    agent.meet(stores)
    volumes = agent.handlers(stores)[Kind.VOLUME]
    disk = a_disk(id=str(uuid.uuid4()), backend="file")
    path = Path((await arrives(stores["file"], disk)).path or "")
    with path.open("r+b") as out:
        for at in (0, 300 << 20, (1 << 30) - 4096):
            out.seek(at)
            out.write(random.Random(at).randbytes(4096))
    before = digest(path)
    for content, (there, came_from) in enumerate((("shared", "file"), ("lvm", "shared"), ("file", "lvm")), 1):
        origin = Origin(kind=Kind.VOLUME, id=disk.id, backend=came_from)
        moved = a_disk(id=disk.id, backend=there, content=content, origin=origin)
        await arrives(stores[there], moved)
        settled = {"backend": there, "size_gib": 1, "content": content, "origin": {"kind": "volume", "id": disk.id}}
        seen = await volumes.ensure(disk.id, settled, content)
        found = tmp_path / "vg" / f"volume.{disk.id}.{content}" if there == "lvm" else Path(seen.path or "")
        assert before == digest(found), there
        assert [there] == [name for name, each in stores.items() if disk.id in await each.observe(Kind.VOLUME)]
    await asyncio.gather(*(each.close() for each in stores.values()))
