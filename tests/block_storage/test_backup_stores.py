"""Backups in a store that several hosts have outlive the host that made them, and are known to other clouds by their records."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.block_storage.world import World, a_world

from pileus.block_storage.drivers.fake import Fake, Pretence
from pileus.block_storage.drivers.interface import Kind, Room

SWIFT = "cinder.backup.drivers.swift.SwiftBackupDriver"


def a_store(name: str, shelf: dict[str, Pretence]) -> Fake:
    """A back end whose backups are in object storage."""
    room = Room(name=name, driver="fake", total_gib=100, free_gib=100, backups="objects",
                capabilities={"thin_provisioning_support": True})  # fmt: skip
    return Fake(name, room, shelf)


@contextlib.asynccontextmanager
async def two_hosts() -> AsyncIterator[tuple[World, dict[str, Pretence]]]:
    """Two hosts with pretended volumes, of whose back ends `one` and `two` share a store of backups."""
    shelf: dict[str, Pretence] = {}
    more = {"h1": [a_store("one", shelf)], "h2": [a_store("two", shelf)]}
    async with a_world("h1", "h2", more=more) as world:
        for name in ("one", "two"):
            specs = {"volume_backend_name": name}
            await world.got("POST", "/types", {"volume_type": {"name": name, "extra_specs": specs}}, by="root")
        yield world, shelf


async def a_backup(world: World, volume: str, **more: Any) -> str:
    made = await world.got("POST", "/backups", {"backup": {"volume_id": volume, "name": "b", **more}})
    await world.settle()
    return str(made["backup"]["id"])


async def place(world: World, volume: str) -> str:
    return str((await world.show(volume, by="root"))["os-vol-host-attr:host"])


async def test_a_backup_is_restored_where_its_host_is_lost() -> None:
    async with two_hosts() as (world, _):
        volume = await world.volume(volume_type="one")
        world.stores["h1"]["one"].write(Kind.VOLUME, volume, b"precious")
        backup = await a_backup(world, volume)
        del world.agents["h1"]
        world.clock.move(3600)
        await world.settle()
        made = await world.got("POST", f"/backups/{backup}/restore", {"restore": {}}, by="alice")
        await world.settle()
        restored = made["restore"]["volume_id"]
        assert "available" == (await world.show(restored))["status"]
        assert "h2@two#two" == await place(world, restored)
        assert b"precious" == world.stores["h2"]["two"].read(Kind.VOLUME, restored)


async def test_a_volume_on_another_host_gets_a_backup_s_bytes_if_that_host_has_the_store() -> None:
    async with two_hosts() as (world, _):
        volume, other = await world.volume(volume_type="one"), await world.volume(volume_type="two")
        world.stores["h1"]["one"].write(Kind.VOLUME, volume, b"precious")
        full = await a_backup(world, volume)
        more = await a_backup(world, volume, incremental=True)
        assert (await world.show(more, of="backup"))["is_incremental"]
        world.stores["h2"]["two"].slow(other)
        await world.got("POST", f"/backups/{more}/restore", {"restore": {"volume_id": other}})
        await world.settle(until_s=1)
        wished = await world.hosts.wanted("h2", Kind.VOLUME, other)
        assert wished is not None
        assert ([full], None) == (wished.body["origin"]["chain"], wished.body["origin"]["host"])
        world.stores["h2"]["two"].let_on(Kind.VOLUME, other)
        await world.settle()
        assert b"precious" == world.stores["h2"]["two"].read(Kind.VOLUME, other)


async def test_a_record_names_the_store_and_whoever_has_it_looks_before_the_backup_is_available() -> None:
    async with two_hosts() as (world, shelf):
        volume = await world.volume(volume_type="one")
        world.stores["h1"]["one"].write(Kind.VOLUME, volume, b"precious")
        backup = await a_backup(world, volume)
        record = (await world.got("GET", f"/backups/{backup}/export_record", by="root"))["backup-record"]
        assert SWIFT == record["backup_service"]
        said = json.loads(base64.b64decode(record["backup_url"]))
        for id, stored_as in (("b" * 32, backup), ("c" * 32, "gone")):
            changed = base64.b64encode(json.dumps({**said, "id": id, "stored_as": stored_as}).encode()).decode()
            asked = {"backup-record": {"backup_service": SWIFT, "backup_url": changed}}
            made = await world.got("POST", "/backups/import_record", asked, by="root")
            assert id == made["backup"]["id"]
            assert "creating" == (await world.show(id, of="backup", by="root"))["status"]
            await world.settle()
        shown = [await world.show(letter * 32, of="backup", by="root") for letter in "bc"]
        assert ["available", "error"] == [each["status"] for each in shown]
        assert "not here" in shown[1]["fail_reason"]
        # What could not be taken over takes nothing with it.
        await world.got("DELETE", f"/backups/{'c' * 32}", by="root")
        await world.settle()
        assert [backup] == list(shelf)


async def test_a_record_of_a_store_that_no_host_has_is_refused() -> None:
    async with a_world() as world:
        volume = await world.volume()
        record = await world.got("GET", f"/backups/{await a_backup(world, volume)}/export_record", by="root")
        said = json.loads(base64.b64decode(record["backup-record"]["backup_url"]))
        for store, service in (("swift:elsewhere", SWIFT), ("tape:1", SWIFT), ("swift:elsewhere", "tape")):
            url = base64.b64encode(json.dumps({**said, "store": store}).encode()).decode()
            asked = {"backup-record": {"backup_service": service, "backup_url": url}}
            assert 400 == (await world.ask("POST", "/backups/import_record", asked, by="root")).status
        for url in ("\u00d5q};", "=", base64.b64encode(b"{}").decode()):
            asked = {"backup-record": {"backup_service": SWIFT, "backup_url": url}}
            assert 400 == (await world.ask("POST", "/backups/import_record", asked, by="root")).status
