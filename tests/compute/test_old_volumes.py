"""Volumes and snapshots as clients asked compute for them until 2.35, handed on to block storage."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.block_storage.world import CALLERS, Answered
from tests.block_storage.world import World as Yard
from tests.block_storage.world import a_world as a_yard
from tests.compute.fakes import VAULT, FakeConsoles, FakeDirectory, FakeFiles, FakeImages, FakeNetworks, FakePlacement
from tests.compute.world import a_world

from pileus.block_storage.manifest import port
from pileus.compute import manifest
from pileus.compute.tables import COMPUTE
from pileus.kit.db import create_all
from pileus.kit.observe.events import Events

NOWHERE = "99999999-9999-4999-8999-999999999999"
SERVER = "44444444-4444-4444-8444-444444444444"


@contextlib.asynccontextmanager
async def a_cloud() -> AsyncIterator[Yard]:
    """Block storage as it is, and compute in front of it."""
    async with a_yard() as yard:
        await create_all(yard.db, COMPUTE)
        app = manifest.build(
            yard.db, yard.clock, yard.bus, yard.engine, yard.hosts, Events(yard.db, yard.bus, yard.clock),
            placement=FakePlacement(), images=FakeImages(), networks=FakeNetworks(), identity=FakeDirectory(),
            consoles=FakeConsoles({}), files=FakeFiles({}), vault=VAULT, volumes=port(yard.app),
        )  # fmt: skip
        yard.kernel.mount("compute", manifest.API, app)
        yield yard


async def ask(yard: Yard, method: str, path: str, body: Any = None, *, by: str = "alice", at: str = "2.35") -> Answered:
    """What compute says."""
    version = {"openstack-api-version": f"compute {at}"}
    return await yard.ask(method, path, body, by=by, headers=version, prefix="/compute/v2.1")


async def made(yard: Yard, what: str, **values: Any) -> Any:
    answered = await ask(yard, "POST", f"/os-{what}s", {what: values})
    assert 200 == answered.status, answered.body
    await yard.settle()
    return answered.body[what]


async def names(yard: Yard, path: str, *, by: str = "alice") -> list[str]:
    answered = await ask(yard, "GET", path, by=by)
    assert 200 == answered.status, answered.body
    return [one["displayName"] for one in next(iter(answered.body.values()))]


async def test_a_volume_is_made_shown_and_deleted() -> None:
    async with a_cloud() as yard:
        new = {"display_name": "disk", "display_description": "d", "size": "2", "metadata": {"a": "1"}}
        answered = await ask(yard, "POST", "/os-volumes", {"volume": new})
        volume = answered.body["volume"]
        assert answered.headers["location"].endswith(f"/compute/v2.1/os-volumes/{volume['id']}")
        assert (200, "creating") == (answered.status, volume["status"])
        await yard.settle()
        shown = (await ask(yard, "GET", f"/os-volumes/{volume['id']}")).body["volume"]
        assert {**volume, "status": "available"} == shown
        assert ("disk", "d", 2, {"a": "1"}, [{}], None, "__DEFAULT__") == tuple(
            shown[name]
            for name in (
                "displayName", "displayDescription", "size", "metadata", "attachments", "snapshotId", "volumeType"
            )
        )  # fmt: skip
        assert "disk" == (await yard.show(volume["id"]))["name"]
        assert 404 == (await ask(yard, "GET", f"/os-volumes/{volume['id']}", by="bob")).status
        assert 404 == (await ask(yard, "DELETE", f"/os-volumes/{volume['id']}", by="bob")).status
        assert 202 == (await ask(yard, "DELETE", f"/os-volumes/{volume['id']}")).status
        await yard.settle()
        assert 404 == (await ask(yard, "GET", f"/os-volumes/{volume['id']}")).status


async def test_who_has_a_volume_is_told() -> None:
    async with a_cloud() as yard:
        id = (await made(yard, "volume", size=1))["id"]
        volumes = port(yard.app)
        await volumes.reserve(NOWHERE, id, SERVER, CALLERS["alice"])
        await volumes.connect(NOWHERE, "h1", device="/dev/vdb")
        await volumes.complete(NOWHERE)
        (attached,) = (await ask(yard, "GET", f"/os-volumes/{id}")).body["volume"]["attachments"]
        assert {"id": id, "volumeId": id, "serverId": SERVER, "device": "/dev/vdb"} == attached
        assert 400 == (await ask(yard, "DELETE", f"/os-volumes/{id}")).status
        body = {"snapshot": {"volume_id": id}}
        assert 400 == (await ask(yard, "POST", "/os-snapshots", body)).status
        body["snapshot"]["force"] = "True"
        assert 200 == (await ask(yard, "POST", "/os-snapshots", body)).status


async def test_lists_are_the_projects_own_and_cut() -> None:
    async with a_cloud() as yard:
        for name in ("one", "two", "three"):
            yard.clock.move(1)
            await made(yard, "volume", display_name=name, size=1)
        await yard.volume(by="bob")
        for path in ("/os-volumes", "/os-volumes/detail"):
            assert ["three", "two", "one"] == await names(yard, path)
            assert ["two"] == await names(yard, f"{path}?limit=1&offset=1")
            assert [] == await names(yard, path, by="root")
            assert 400 == (await ask(yard, "GET", f"{path}?limit=-1")).status


async def test_a_snapshot_is_made_listed_and_deleted() -> None:
    async with a_cloud() as yard:
        volume = (await made(yard, "volume", size=2))["id"]
        snapshot = await made(yard, "snapshot", volume_id=volume, display_name="then", display_description="d")
        id = snapshot["id"]
        shown = (await ask(yard, "GET", f"/os-snapshots/{id}")).body["snapshot"]
        assert {**snapshot, "status": "available"} == shown
        assert ("then", "d", 2, volume) == tuple(
            shown[name] for name in ("displayName", "displayDescription", "size", "volumeId")
        )
        for path in ("/os-snapshots", "/os-snapshots/detail"):
            assert [["then"], []] == [await names(yard, path), await names(yard, f"{path}?offset=1")]
        copy = await made(yard, "volume", snapshot_id=id)
        assert (2, id) == (copy["size"], copy["snapshotId"])
        assert 404 == (await ask(yard, "DELETE", f"/os-snapshots/{id}", by="bob")).status
        assert 202 == (await ask(yard, "DELETE", f"/os-snapshots/{id}")).status
        await yard.settle()
        assert 404 == (await ask(yard, "GET", f"/os-snapshots/{id}")).status


async def test_what_is_wrong_is_said() -> None:
    async with a_cloud() as yard:
        for body, status in (
            ({"volume": {}}, 400),
            ({"volume": {"size": "many"}}, 400),
            ({"volume": {"size": 0}}, 400),
            ({"volume": {"size": 1, "snapshot_id": NOWHERE}}, 404),
            ({"volume": {"size": 10**6}}, 403),
        ):
            assert status == (await ask(yard, "POST", "/os-volumes", body)).status, body
        for body, status in (
            ({"snapshot": {}}, 400),
            ({"snapshot": {"volume_id": NOWHERE}}, 404),
            ({"snapshot": {"volume_id": NOWHERE, "force": "perhaps"}}, 400),
        ):
            assert status == (await ask(yard, "POST", "/os-snapshots", body)).status, body
        assert 403 == (await ask(yard, "POST", "/os-volumes", {"volume": {"size": 1}}, by="rita")).status
        assert 404 == (await ask(yard, "GET", "/os-volumes", at="2.36")).status


async def test_without_block_storage_it_is_not_offered() -> None:
    async with a_world() as world:
        for path in ("/os-volumes", f"/os-volumes/{NOWHERE}", "/os-snapshots"):
            answered = await world.ask("GET", f"/v2.1{path}")
            assert 501 == answered.status
            assert "does not offer 'volumes'" in str(answered.body)
