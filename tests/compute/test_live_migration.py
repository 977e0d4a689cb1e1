"""Servers that move to another host while they run; given up, hurried, refused."""

from typing import Any

import msgspec
import pytest
from tests.compute.test_moves import disk, migrations, other, placed, powers, rooms
from tests.compute.world import HOST_FACTS, World, a_world

from pileus.compute.drivers.interface import PowerSeen
from pileus.kit.hosts.registry import UP_FOR

AUTO = {"host": None, "block_migration": "auto"}
OLD = {"host": None, "block_migration": True, "disk_over_commit": False}


async def migrate(world: World, id: str, at: str = "2.90", by: str = "root", **more: Any) -> tuple[int, str]:
    """The status and the message of the answer."""
    body = {**AUTO, **more}
    answered = await world.ask("POST", f"/v2.1/servers/{id}/action", {"os-migrateLive": body}, at=at, by=by)
    return answered.status, next(iter(answered.body.values()))["message"] if answered.body else ""


async def on_its_way(world: World) -> tuple[str, str, dict[str, Any]]:
    """A server whose memory is being sent; its id, where it is, and its migration."""
    id = await world.boot()
    _, here = await placed(world, id)
    world.drivers[here].hold(id)
    assert 202 == (await migrate(world, id))[0]
    await world.settle(until_s=1)
    (one,) = (await world.ask("GET", f"/v2.1/servers/{id}/migrations", by="root", at="2.80")).body["migrations"]
    return id, here, one


async def stayed(world: World, id: str, here: str) -> None:
    """The server runs where it was, once, and nothing is left anywhere else."""
    assert ("ACTIVE", here) == await placed(world, id)
    assert {here: PowerSeen.ON} == await powers(world, id)
    assert [here] == rooms(world)
    assert {here} == {port.host for port in world.networks.ports[id]}
    assert {} == world.networks.expected


async def test_a_server_goes_to_the_other_host_without_starting_anew() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        before = await world.drivers[here].look(id)
        world.drivers[here].write(id, "kept words")
        assert (202, "") == await migrate(world, id)
        shown = await world.show(id, by="root")
        assert ("MIGRATING", "migrating", here) == (
            shown["status"], shown["OS-EXT-STS:task_state"], shown["OS-EXT-SRV-ATTR:host"],
        )  # fmt: skip
        await world.settle()
        there = other(here)
        assert ("ACTIVE", there) == await placed(world, id)
        assert {there: PowerSeen.ON} == await powers(world, id)
        assert [there] == rooms(world)
        assert before.started_at == (await world.drivers[there].look(id)).started_at
        assert b"kept words" == disk(world, there, id)
        assert ({there}, {}) == ({port.host for port in world.networks.ports[id]}, world.networks.expected)
        (one,) = await migrations(world, id)
        assert ("live-migration", "completed", here, there) == tuple(
            one[name] for name in ("migration_type", "status", "source_compute", "dest_compute")
        )
        told = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions", by="root")).body["instanceActions"]
        assert "live-migration" == told[0]["action"]


async def test_and_back_again() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        for host in (other(here), here):
            assert 202 == (await migrate(world, id, host=host))[0]
            await world.settle()
            assert ("ACTIVE", host) == await placed(world, id)
        await stayed(world, id, here)


async def test_a_migration_under_way_is_shown_and_given_up() -> None:
    async with a_world("h1", "h2") as world:
        id, here, one = await on_its_way(world)
        assert ("running", here, other(here)) == (one["status"], one["source_compute"], one["dest_compute"])
        assert (2**20, 2**19, 2**19) == tuple(one[f"memory_{n}_bytes"] for n in ("total", "remaining", "processed"))
        path = f"/v2.1/servers/{id}/migrations/{one['id']}"
        assert 200 == (await world.ask("GET", path, by="root", at="2.23")).status
        assert {"h1", "h2"} == set(rooms(world))
        assert 404 == (await world.ask("DELETE", path, by="root", at="2.23")).status
        assert 202 == (await world.ask("DELETE", path, by="root", at="2.24")).status
        await world.settle()
        await stayed(world, id, here)
        assert "cancelled" == (await migrations(world, id))[0]["status"]
        assert 409 == (await world.ask("DELETE", path, by="root", at="2.24")).status
        assert 404 == (await world.ask("GET", path, by="root", at="2.23")).status


async def test_before_it_runs_it_is_given_up_only_since_2_65() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        await migrate(world, id)
        (one,) = (await world.ask("GET", f"/v2.1/servers/{id}/migrations", by="root", at="2.23")).body["migrations"]
        assert "queued" == one["status"]
        path = f"/v2.1/servers/{id}/migrations/{one['id']}"
        assert [400, 202] == [(await world.ask("DELETE", path, by="root", at=at)).status for at in ("2.64", "2.65")]
        await world.settle()
        await stayed(world, id, here)


async def test_one_that_takes_too_long_is_made_to_end() -> None:
    async with a_world("h1", "h2") as world:
        id, here, one = await on_its_way(world)
        base, body = f"/v2.1/servers/{id}/migrations", {"force_complete": None}
        assert 400 == (await world.ask("POST", f"{base}/77/action", body, by="root", at="2.22")).status
        assert 202 == (await world.ask("POST", f"{base}/{one['id']}/action", body, by="root", at="2.22")).status
        await world.settle()
        assert ("ACTIVE", other(here)) == await placed(world, id)


@pytest.mark.parametrize(("host", "verb"), [("here", "depart"), ("there", "ensure"), ("there", "arrive")])
async def test_whatever_fails_the_server_runs_on_where_it_is(host: str, verb: str) -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        world.drivers[here if host == "here" else other(here)].fail_next(verb, "on fire", times=1000)
        assert 202 == (await migrate(world, id))[0]
        await world.settle()
        world.drivers[other(here)]._failures.clear()
        await world.settle()
        await stayed(world, id, here)
        assert (await migrations(world, id))[0]["status"] == ("error" if verb == "ensure" else "failed")
        world.drivers[here]._failures.clear()
        assert 202 == (await migrate(world, id))[0]
        await world.settle()
        assert ("ACTIVE", other(here)) == await placed(world, id)


async def test_a_target_that_is_lost_on_the_way_costs_nothing() -> None:
    async with a_world("h1", "h2") as world:
        id, here, _ = await on_its_way(world)
        world.clock.move(UP_FOR.total_seconds() + 1)
        await world.hosts.heard(here)
        lost = world.agents.pop(other(here))
        await world.settle()
        assert ("ACTIVE", here) == await placed(world, id)
        assert [here] == rooms(world)
        world.agents[other(here)] = lost
        await world.hosts.heard(other(here))
        await world.settle()
        await stayed(world, id, here)


async def test_a_paused_server_stays_paused_and_a_deleted_one_goes() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        await world.act(id, pause=None)
        await world.settle()
        _, here = await placed(world, id)
        assert 202 == (await migrate(world, id))[0]
        assert "MIGRATING" == (await placed(world, id))[0]
        await world.settle()
        assert ("PAUSED", other(here)) == await placed(world, id)
        assert {other(here): PowerSeen.PAUSED} == await powers(world, id)
        gone, _, _ = await on_its_way(world)
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{gone}")).status
        await world.settle()
        assert ({}, [other(here)]) == (await powers(world, gone), rooms(world))


async def test_what_cannot_be_is_refused() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        assert 403 == (await migrate(world, id, by="alice"))[0]
        assert 404 == (await migrate(world, id, by="bob"))[0]
        assert (400, "h9") == (
            (found := await migrate(world, id, host="h9"))[0],
            "h9" if "h9" in found[1] else found[1],
        )
        assert "current host" in (await migrate(world, id, host=here))[1]
        assert "shared storage" in (await migrate(world, id, block_migration=False))[1]
        for wrong in ({"block_migration": "perhaps"}, {"disk_over_commit": True}, {"host": "a b"}, {"host": 7}):
            assert 400 == (await migrate(world, id, **wrong))[0], wrong
        assert 400 == (await migrate(world, id, at="2.68", force=True))[0]
        assert 400 == (await migrate(world, id, at="2.29", force=True))[0]
        assert 400 == (await migrate(world, id, at="2.24", **OLD, force=False))[0]
        assert 400 == (await migrate(world, id, at="2.24", block_migration=True))[0]  # disk_over_commit is missing.
        await world.act(id, os_stop=None)
        await world.settle()
        status, why = await migrate(world, id)
        assert (409, True) == (status, "os-migrateLive" in why)
        assert [] == await migrations(world, id)


@pytest.mark.parametrize(("at", "body"), [("2.1", OLD), ("2.24", OLD), ("2.25", AUTO), ("2.30", {**AUTO, "force": False}),
                                          ("2.67", {"host": "h2", "block_migration": "True", "force": True})])  # fmt: skip
async def test_every_microversion_says_it_in_its_own_words(at: str, body: dict[str, Any]) -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        assert ("ACTIVE", "h1") == await placed(world, id)
        answered = await world.ask("POST", f"/v2.1/servers/{id}/action", {"os-migrateLive": body}, at=at, by="root")
        assert 202 == answered.status, answered.body
        await world.settle()
        assert ("ACTIVE", "h2") == await placed(world, id)


async def test_without_a_host_that_fits_clients_are_told_at_once_before_2_34_and_later_since() -> None:
    async with a_world("h1") as world:
        id = await world.boot()
        answered = await world.ask("POST", f"/v2.1/servers/{id}/action", {"os-migrateLive": OLD}, by="root")
        assert (400, True) == (answered.status, "No valid host" in answered.body["badRequest"]["message"])
        assert (["h1"], []) == (rooms(world), await migrations(world, id))
        assert 202 == (await migrate(world, id, at="2.34"))[0]
        await world.settle()
        assert "error" == (await migrations(world, id))[0]["status"]
        await stayed(world, id, "h1")


@pytest.mark.parametrize("facts", [{"abilities": ["disks"]}, {"hypervisor_version": "0.9"}, {"accel": "kvm"}])
async def test_a_host_that_cannot_take_it_as_it_runs_is_told_by_name(facts: dict[str, Any]) -> None:
    async with a_world("h1", "h2") as world:
        await world.hosts.register("h2", {**msgspec.to_builtins(HOST_FACTS), **facts})
        id = await world.boot()
        assert ("ACTIVE", "h1") == await placed(world, id)
        for at, force in (("2.33", True), ("2.33", False)):
            status, why = await migrate(world, id, at=at, host="h2", force=force)
            assert (400, True) == (status, "h2: " in why), why
