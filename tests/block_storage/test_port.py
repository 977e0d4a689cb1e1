"""What other services do with volumes: each verb may be repeated, and nobody gets at what is another's or elsewhere."""

import datetime as dt

import pytest
from tests.block_storage.world import CALLERS, World, a_store, a_world

from pileus.block_storage.models.types import QosSpecs
from pileus.block_storage.port import VolumePort, limits_of
from pileus.kit.errors import Conflict, Invalid, NotFound
from pileus.ports.block_storage import NewVolume, Volumes

ALICE = CALLERS["alice"]
SERVER = "44444444-4444-4444-8444-444444444444"
ID = "66666666-6666-4666-8666-666666666666"


def a_port(world: World) -> Volumes:
    return VolumePort(world.app)


async def test_a_volume_is_reserved_connected_attached_and_released() -> None:
    async with a_world() as world:
        volumes, volume = a_port(world), await world.volume()
        for _ in range(2):
            await volumes.reserve(ID, volume, SERVER, ALICE)
        for _ in range(2):
            how = await volumes.connect(ID, "h1", device="/dev/vdb")
        assert ("fake", "raw", f"/fake/volume/{volume}") == (how.kind, how.format, how.path)
        for _ in range(2):
            await volumes.complete(ID)
        assert "in-use" == (await world.show(volume))["status"]
        (held,) = (await volumes.attachments([SERVER]))[SERVER]
        assert (ID, volume, "/dev/vdb", "attached") == (held.id, held.volume_id, held.device, held.status)
        await volumes.begin_detaching(ID)
        assert "detaching" == (await world.show(volume))["status"]
        await volumes.roll_detaching(ID)
        assert "in-use" == (await world.show(volume))["status"]
        for _ in range(2):
            await volumes.release(ID)
        assert "available" == (await world.show(volume))["status"]
        assert {SERVER: ()} == await volumes.attachments([SERVER])


async def test_a_volume_that_somebody_has_is_not_reserved_for_another() -> None:
    async with a_world() as world:
        volumes, volume = a_port(world), await world.volume()
        await volumes.reserve(ID, volume, SERVER, ALICE)
        with pytest.raises(Invalid, match="reserved"):
            await volumes.reserve(ID[:-1] + "7", volume, SERVER[:-1] + "5", ALICE)
        with pytest.raises(NotFound):
            await volumes.reserve(ID[:-1] + "8", volume, SERVER, CALLERS["bob"])
        assert await volumes.get(volume, CALLERS["bob"]) is None


async def test_a_volume_to_boot_from_is_made_once() -> None:
    async with a_world() as world:
        volumes = a_port(world)
        for _ in range(2):
            made = await volumes.create(ID, ALICE, NewVolume(name="root", size_gib=1))
        assert "creating" == made.status
        await world.settle()
        found = await volumes.look(ID)
        assert found is not None
        assert "available" == found.status
        await volumes.remove(ID)
        await world.settle()
        await volumes.remove(ID)
        assert await volumes.look(ID) is None


async def test_a_file_of_one_host_is_not_had_by_a_server_on_another_but_one_they_share_is() -> None:
    shelves = {host: [a_store("local", "file"), a_store("nfs", "nfs", shared="s")] for host in ("h1", "h2")}
    async with a_world("h1", "h2", more=shelves) as world:
        volumes = a_port(world)
        for backend, elsewhere in (("local", "is kept by host"), ("nfs", None)):
            type = {"volume_type": {"name": backend, "extra_specs": {"volume_backend_name": backend}}}
            await world.got("POST", "/types", type, by="root")
            volume = await world.volume(volume_type=backend)
            place = (await world.show(volume, by="root"))["os-vol-host-attr:host"].partition("@")[0]
            other = {"h1": "h2", "h2": "h1"}[place]
            found = await volumes.look(volume)
            assert found is not None
            assert (place if elsewhere else None) == found.host
            await volumes.reserve(volume, volume, SERVER, ALICE)
            if elsewhere:
                with pytest.raises(Conflict, match=elsewhere):
                    await volumes.connect(volume, other)
                other = place
            made = await volumes.connect(volume, other)
            assert ("file", f"/fake/volume/{volume}") == (made.kind, made.path)


def test_limits_are_read_from_specs_and_count_the_size() -> None:
    specs = {"total_iops_sec": "100", "read_bytes_sec_per_gb": "10", "colour": "red"}
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    qos = QosSpecs(id="q", name="q", consumer="front-end", specs=specs, created_at=at)
    found = limits_of(qos, 5)
    assert (100, 50, None) == (found.total_iops, found.read_bytes, found.write_iops)
