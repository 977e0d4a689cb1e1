"""Snapshots of attached volumes that somebody leaves to compute: heard, refused, and told to have failed."""

import json
from typing import Any

from tests.compute.world import Answered, World, a_world

PATH = "/v2.1/os-assisted-volume-snapshots"
SNAPSHOT = "99999999-9999-4999-8999-999999999999"


async def ask(world: World, volume: str, snapshot: str = SNAPSHOT, *, by: str = "root", **more: Any) -> Answered:
    info = {"snapshot_id": snapshot, "type": "qcow2", "new_file": "over.qcow2", **more}
    return await world.ask("POST", PATH, {"snapshot": {"volume_id": volume, "create_info": info}}, by=by)


async def take_back(world: World, told: str, *, by: str = "root") -> Answered:
    return await world.ask("DELETE", f"{PATH}/{SNAPSHOT}{told}", by=by)


async def attached(world: World) -> tuple[str, str]:
    id, volume = await world.boot(), await world.volume()
    body = {"volumeAttachment": {"volumeId": volume}}
    assert 200 == (await world.ask("POST", f"/v2.1/servers/{id}/os-volume_attachments", body)).status
    await world.settle()
    return id, volume


async def test_the_snapshot_somebody_waits_for_is_in_error() -> None:
    async with a_world(volumes=True) as world:
        _, volume = await attached(world)
        body = {"snapshot": {"volume_id": volume, "name": "s", "force": True}}
        made = await world.ask("POST", "/v3/snapshots", body, of="volume")
        assert 202 == made.status, made.body
        snapshot = made.body["snapshot"]["id"]
        answered = await ask(world, volume, snapshot, id=SNAPSHOT)
        assert (200, {"id": SNAPSHOT, "volumeId": volume}) == (answered.status, answered.body["snapshot"])
        shown = await world.ask("GET", f"/v3/snapshots/{snapshot}", of="volume")
        assert "error" == shown.body["snapshot"]["status"]


async def test_a_snapshot_nobody_knows_is_heard_and_taken_back() -> None:
    async with a_world(volumes=True) as world:
        _, volume = await attached(world)
        answered = await ask(world, volume)
        assert (200, {"id": None, "volumeId": volume}) == (answered.status, answered.body["snapshot"])
        told = json.dumps({"volume_id": volume}).replace(" ", "")
        assert 204 == (await take_back(world, f"?delete_info={told}")).status


async def test_only_volumes_that_one_idle_server_has_are_heard_of() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await attached(world)
        assert 400 == (await ask(world, await world.volume())).status
        assert 202 == (await world.act(id, reboot={"type": "HARD"})).status
        busy = await ask(world, volume)
        assert (409, True) == (busy.status, "task_state" in busy.body["conflictingRequest"]["message"])


async def test_nonsense_and_strangers_are_refused() -> None:
    async with a_world(volumes=True) as world:
        _, volume = await attached(world)
        assert 403 == (await ask(world, volume, by="alice")).status
        for wrong in ({"type": "raw"}, {"new_file": ""}, {"snapshot_id": "x"}, {"more": 1}):
            assert 400 == (await ask(world, volume, **wrong)).status, wrong
        for told in ("", "?delete_info=x", "?delete_info=[]", "?delete_info={}", '?delete_info={"volume_id":1}'):
            assert 400 == (await take_back(world, told)).status, told
        assert 403 == (await take_back(world, f'?delete_info={{"volume_id":"{volume}"}}', by="alice")).status
