"""Servers that move to another host: resized, migrated, evacuated, and back."""

from typing import Any

import msgspec
import pytest
from tests.compute.test_resize import resized
from tests.compute.world import HOST_FACTS, World, a_world

from pileus.compute.drivers.interface import Power, PowerSeen
from pileus.kit.hosts.registry import UP_FOR


async def placed(world: World, id: str) -> tuple[str, str]:
    shown = await world.show(id, by="root")
    return shown["status"], shown["OS-EXT-SRV-ATTR:host"]


async def powers(world: World, id: str) -> dict[str, PowerSeen]:
    """What each host has of the server, if anything."""
    seen = {name: (await driver.look(id)).power for name, driver in world.drivers.items()}
    return {name: power for name, power in seen.items() if power is not PowerSeen.ABSENT}


def rooms(world: World) -> list[str]:
    return sorted(claim.host for claim in world.placement.held.values())


def disk(world: World, host: str, id: str) -> bytes:
    return world.drivers[host]._servers[id].disk


async def migrations(world: World, id: str) -> list[dict[str, Any]]:
    answered = await world.ask("GET", f"/v2.1/os-migrations?instance_uuid={id}", by="root", at="2.80")
    found: list[dict[str, Any]] = answered.body["migrations"]
    return found


def other(host: str) -> str:
    return {"h1": "h2", "h2": "h1"}[host]


async def migrated(world: World) -> tuple[str, str, str]:
    """A server that waits on another host; its id, where it was and where it is."""
    id = await world.boot()
    _, here = await placed(world, id)
    world.drivers[here].write(id, "kept words")
    assert 202 == (await world.act(id, by="root", migrate=None)).status
    assert ("RESIZE", here) == await placed(world, id)
    await world.settle()
    return id, here, other(here)


async def test_a_migrated_server_takes_its_disk_along_and_leaves_nothing_once_confirmed() -> None:
    async with a_world("h1", "h2") as world:
        id, here, there = await migrated(world)
        assert ("VERIFY_RESIZE", there) == await placed(world, id)
        assert {here: PowerSeen.OFF, there: PowerSeen.ON} == await powers(world, id)
        assert ["h1", "h2"] == rooms(world)
        assert b"kept words" == disk(world, there, id)
        (migration,) = await migrations(world, id)
        assert ("migration", "finished", here, there) == tuple(
            migration[name] for name in ("migration_type", "status", "source_compute", "dest_compute")
        )
        assert {there} == {port.host for port in world.networks.ports[id]}
        assert 204 == (await world.act(id, confirmResize=None)).status
        await world.settle()
        assert ("ACTIVE", there) == await placed(world, id)
        assert {there: PowerSeen.ON} == await powers(world, id)
        assert [there] == rooms(world)
        assert "confirmed" == (await migrations(world, id))[0]["status"]


async def test_until_a_host_can_be_named_nobody_looks_at_what_is_said_of_one() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        assert 400 == (await world.act(id, by="root", at="2.56", migrate={"place": "h1"})).status
        here = (await world.show(id, by="root"))["OS-EXT-SRV-ATTR:host"]
        assert 202 == (await world.act(id, by="root", migrate={"host": here, "place": 1})).status
        await world.settle()
        assert here != (await world.show(id, by="root"))["OS-EXT-SRV-ATTR:host"]


async def test_a_migrated_server_goes_back_to_the_disk_it_had() -> None:
    async with a_world("h1", "h2") as world:
        id, here, there = await migrated(world)
        world.drivers[there].write(id, ", and lost ones")
        assert 202 == (await world.act(id, revertResize=None)).status
        await world.settle()
        assert ("ACTIVE", here) == await placed(world, id)
        assert {here: PowerSeen.ON} == await powers(world, id)
        assert [here] == rooms(world)
        assert b"kept words" == disk(world, here, id)
        assert {here} == {port.host for port in world.networks.ports[id]}
        assert "reverted" == (await migrations(world, id))[0]["status"]
        again = (await world.act(id, by="root", at="2.56", migrate={"host": there})).status
        await world.settle()
        assert (202, ("VERIFY_RESIZE", there)) == (again, await placed(world, id))


async def test_a_migrated_server_is_deleted_on_both_hosts() -> None:
    async with a_world("h1", "h2") as world:
        id, _, _ = await migrated(world)
        await world.ask("DELETE", f"/v2.1/servers/{id}")
        await world.settle()
        assert ({}, []) == (await powers(world, id), rooms(world))


async def test_a_stopped_server_is_migrated_and_stays_off() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        await world.act(id, os_stop=None)
        await world.settle()
        await world.act(id, by="root", migrate=None)
        await world.settle()
        assert {"h1": PowerSeen.OFF, "h2": PowerSeen.OFF} == await powers(world, id)
        await world.act(id, confirmResize=None)
        await world.settle()
        assert "SHUTOFF" == (await placed(world, id))[0]


async def test_a_resize_for_which_its_host_is_too_small_moves() -> None:
    async with a_world("h1", "h2") as world:
        await world.flavor("huge", vcpus=1, ram=7000, disk=1)
        crowd = [await world.boot() for _ in range(4)]
        _, here = await placed(world, crowd[0])
        for one in crowd:
            if (await placed(world, one))[1] != here:
                await world.ask("DELETE", f"/v2.1/servers/{one}")
        await world.settle()
        id = crowd[0]
        await world.act(id, resize={"flavorRef": "huge"})
        await world.settle()
        assert ("VERIFY_RESIZE", other(here)) == await placed(world, id)
        assert 7000 == (await world.hosts.wanted_list(other(here), "server"))[0].body["ram_mib"]
        await world.act(id, revertResize=None)
        await world.settle()
        assert ("ACTIVE", here) == await placed(world, id)
        assert {512} == {wish.body["ram_mib"] for wish in await world.hosts.wanted_list(here, "server")}


async def test_a_resize_stays_where_there_is_room() -> None:
    async with a_world("h1", "h2") as world:
        id = await resized(world)
        assert 1 == len(await powers(world, id))


@pytest.mark.parametrize(("host", "verb"), [("there", "ensure"), ("here", "give")])
async def test_a_move_that_fails_leaves_the_server_where_it_was(host: str, verb: str) -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        world.drivers[here if host == "here" else other(here)].fail_next(verb, "disk full")
        await world.act(id, by="root", migrate=None)
        await world.settle()
        assert ("ACTIVE", here) == await placed(world, id)
        assert ({here: PowerSeen.ON}, [here]) == (await powers(world, id), rooms(world))
        assert {here} == {port.host for port in world.networks.ports[id]}
        assert "error" == (await migrations(world, id))[0]["status"]


async def test_a_host_that_cannot_take_a_server_is_left_for_another() -> None:
    async with a_world("h1", "h2", "h3") as world:
        id = await world.boot()
        assert ("ACTIVE", "h1") == await placed(world, id)
        world.drivers["h2"].fail_next("ensure", "no such CPU", times=50)
        await world.act(id, by="root", migrate=None)
        await world.settle()
        assert ("VERIFY_RESIZE", "h3") == await placed(world, id)
        assert {"h1": PowerSeen.OFF, "h3": PowerSeen.ON} == await powers(world, id)
        assert ["h1", "h3"] == rooms(world)
        (migration,) = await migrations(world, id)
        assert ("finished", "h3") == (migration["status"], migration["dest_compute"])
        runs = (await world.engine.history(f"server:{id}"))[0].steps
        steps = [f"{'undo ' if run.undoing else ''}{run.step}" for run in runs]
        once = ["claim room", "power off", "reshape"]
        assert [*once, "undo reshape", "undo power off", "undo claim room", *once] == steps


async def test_a_server_that_no_host_can_take_runs_on_where_it_was() -> None:
    async with a_world("h1", "h2", "h3") as world:
        id = await world.boot()
        for name in ("h2", "h3"):
            world.drivers[name].fail_next("ensure", f"{name} is broken", times=50)
        await world.act(id, by="root", migrate=None)
        await world.settle()
        assert ("ACTIVE", "h1") == await placed(world, id)
        assert ({"h1": PowerSeen.ON}, ["h1"]) == (await powers(world, id), rooms(world))
        failure = (await world.engine.history(f"server:{id}"))[0].operation.failure or ""
        assert "h2 is broken" in failure and "h3 is broken" in failure


async def test_a_host_that_was_named_is_not_left_for_another() -> None:
    async with a_world("h1", "h2", "h3") as world:
        id = await world.boot()
        world.drivers["h2"].fail_next("ensure", "no such CPU", times=50)
        await world.act(id, by="root", at="2.56", migrate={"host": "h2"})
        await world.settle()
        assert ("ACTIVE", "h1") == await placed(world, id)
        assert ({"h1": PowerSeen.ON}, ["h1"]) == (await powers(world, id), rooms(world))


async def test_a_server_that_is_deleted_on_its_way_is_gone_everywhere() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        world.drivers[other(here)].delay("ensure", 0.01)
        await world.act(id, by="root", migrate=None)
        await world.engine.turn()
        for agent in world.agents.values():
            await agent.turn()
        await world.engine.turn()
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert ({}, []) == (await powers(world, id), rooms(world))
        assert [] == await world.hosts.wanted_list(kind="server")


async def test_hosts_of_an_earlier_release_neither_give_nor_take_disks() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        for old in ("h1", "h2"):
            for name in world.agents:
                facts = msgspec.structs.replace(HOST_FACTS, abilities=() if name == old else HOST_FACTS.abilities)
                await world.agents[name].set_facts(msgspec.to_builtins(facts))
            await world.act(id, by="root", migrate=None)
            await world.settle()
            assert ("ACTIVE", here) == await placed(world, id)
            (past, *_) = await world.engine.history(f"server:{id}")
            assert f"{old}: runs an earlier release" in (past.operation.failure or "")
            attached = await world.ask("POST", f"/v2.1/servers/{id}/os-interface", {"interfaceAttachment": {}})
            assert (409 if old == here else 200) == attached.status
            await world.settle()


async def test_a_server_does_not_go_back_to_a_host_that_is_lost() -> None:
    async with a_world("h1", "h2") as world:
        id, here, there = await migrated(world)
        agent = await lose(world, here)
        assert 202 == (await world.act(id, revertResize=None)).status
        await world.settle()
        assert ("VERIFY_RESIZE", there) == await placed(world, id)
        assert PowerSeen.ON is (await powers(world, id))[there]
        world.agents[here] = agent
        await agent.turn()
        await world.act(id, revertResize=None)
        await world.settle()
        assert ("ACTIVE", here) == await placed(world, id)
        assert b"kept words" == disk(world, here, id)


async def test_a_host_that_keeps_disks_to_go_back_to_is_not_forgotten() -> None:
    async with a_world("h1", "h2") as world:
        id, here, _ = await migrated(world)
        await lose(world, here)
        said = await world.ask("GET", "/v2.1/os-services", by="root", at="2.53")
        service = next(one["id"] for one in said.body["services"] if one["host"] == here)
        answered = await world.ask("DELETE", f"/v2.1/os-services/{service}", by="root", at="2.53")
        assert (409, True) == (answered.status, "keeps disks" in answered.body["conflictingRequest"]["message"])
        assert "VERIFY_RESIZE" == (await placed(world, id))[0]


async def test_without_another_host_a_server_stays() -> None:
    async with a_world() as world:
        id = await world.boot()
        await world.act(id, by="root", migrate=None)
        await world.settle()
        assert (("ACTIVE", "h1"), ["h1"]) == (await placed(world, id), rooms(world))
        (past, *_) = await world.engine.history(f"server:{id}")
        assert "h1: is where the server is" in (past.operation.failure or "")


async def test_moves_that_make_no_sense_are_refused() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        for body in ({"host": "nowhere"}, {"host": here}, {"host": ""}, {"more": 1}):
            assert 400 == (await world.act(id, by="root", at="2.56", migrate=body)).status
        assert 403 == (await world.act(id, migrate=None)).status
        await world.act(id, pause=None)
        await world.settle()
        assert 409 == (await world.act(id, by="root", migrate=None)).status


# Evacuation.


async def lose(world: World, host: str) -> Any:
    """The host's agent answers no more, though what runs there may go on; returns it, to give it back."""
    agent = world.agents.pop(host)
    world.clock.move(UP_FOR.total_seconds() + 1)
    for name in world.agents:
        await world.hosts.heard(name)
    return agent


async def stranded(world: World) -> tuple[str, str, str, Any]:
    """A server on a host that is lost: its id, the host, the other one, and the lost agent."""
    id = await world.boot()
    _, here = await placed(world, id)
    return id, here, other(here), await lose(world, here)


async def test_a_server_of_a_lost_host_is_made_anew_and_what_still_ran_there_ends_first_of_all() -> None:
    async with a_world("h1", "h2") as world:
        id, here, there, agent = await stranded(world)
        before = world.networks.ports[id]
        answered = await world.act(id, by="root", at="2.14", evacuate={})
        assert (200, b"") == (answered.status, answered.body)
        assert "REBUILD" == (await placed(world, id))[0]
        await world.settle()
        assert ("ACTIVE", there) == await placed(world, id)
        assert [there] == rooms(world)
        assert {there} == {port.host for port in world.networks.ports[id]}
        assert [port.id for port in before] == [port.id for port in world.networks.ports[id]]
        (migration,) = await migrations(world, id)
        assert ("evacuation", "done", here, there) == tuple(
            migration[name] for name in ("migration_type", "status", "source_compute", "dest_compute")
        )
        assert {here: PowerSeen.ON, there: PowerSeen.ON} == await powers(world, id)
        await agent.turn()  # The lost host reads what is wanted.
        assert {there: PowerSeen.ON} == await powers(world, id)
        world.agents[here] = agent
        await world.settle()
        assert {there: PowerSeen.ON} == await powers(world, id)
        assert ("ACTIVE", there) == await placed(world, id)


async def test_a_server_that_was_evacuated_comes_back_only_when_its_old_host_has_let_go() -> None:
    async with a_world("h1", "h2") as world:
        id, here, there, agent = await stranded(world)
        world.drivers[here].write(id, "stale")
        await world.act(id, by="root", at="2.14", evacuate={})
        await world.settle()
        world.drivers[there].write(id, "fresh")
        world.agents[here] = agent
        await world.hosts.heard(here)
        assert 202 == (await world.act(id, by="root", migrate=None)).status
        await world.settle()
        assert ("VERIFY_RESIZE", here) == await placed(world, id)
        assert b"fresh" == disk(world, here, id)


async def test_since_2_95_an_evacuated_server_is_off() -> None:
    async with a_world("h1", "h2") as world:
        id, _, there, _ = await stranded(world)
        assert 200 == (await world.act(id, by="root", at="2.95", evacuate={"host": there})).status
        await world.settle()
        assert ("SHUTOFF", there) == await placed(world, id)


async def test_before_2_14_the_password_is_answered() -> None:
    async with a_world("h1", "h2") as world:
        id, _, _, _ = await stranded(world)
        assert 400 == (await world.act(id, by="root", evacuate={})).status
        answered = await world.act(id, by="root", evacuate={"onSharedStorage": "False", "adminPass": "secret"})
        assert (200, {"adminPass": "secret"}) == (answered.status, answered.body)


async def test_a_host_that_is_said_to_be_down_is_left_though_it_answers() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        said = await world.ask("GET", "/v2.1/os-services", by="root", at="2.53")
        service = next(one["id"] for one in said.body["services"] if one["host"] == here)
        down = await world.ask("PUT", f"/v2.1/os-services/{service}", {"forced_down": True}, by="root", at="2.53")
        assert 200 == down.status
        assert 200 == (await world.act(id, by="root", at="2.29", evacuate={"host": other(here), "force": True})).status
        await world.settle()
        assert ("ACTIVE", other(here)) == await placed(world, id)
        assert {other(here): PowerSeen.ON} == await powers(world, id)


async def test_a_server_that_cannot_start_elsewhere_says_why_and_stays_there() -> None:
    async with a_world("h1", "h2") as world:
        id, _, there, _ = await stranded(world)
        world.drivers[there].fail_next("ensure", "no such CPU", times=50)
        await world.act(id, by="root", at="2.14", evacuate={})
        await world.settle(until_s=60)
        assert ("ERROR", there) == await placed(world, id)
        assert "no such CPU" in (await world.show(id))["fault"]["message"]
        assert [there] == rooms(world)
        await world.hosts.heard(there)
        assert 400 == (await world.act(id, by="root", at="2.14", evacuate={})).status


async def test_without_another_host_the_server_waits_for_its_own() -> None:
    async with a_world("h1") as world:
        id = await world.boot()
        await lose(world, "h1")
        await world.act(id, by="root", at="2.14", evacuate={})
        await world.settle()
        assert "h1" == (await placed(world, id))[1]
        assert ["h1"] == rooms(world)


async def test_evacuations_that_make_no_sense_are_refused() -> None:
    async with a_world("h1", "h2") as world:
        id = await world.boot()
        _, here = await placed(world, id)
        answered = await world.act(id, by="root", at="2.14", evacuate={})
        assert (400, f"Compute service of {here} is still in use.") == (
            answered.status, answered.body["badRequest"]["message"],
        )  # fmt: skip
        assert 403 == (await world.act(id, at="2.14", evacuate={})).status
        assert 404 == (await world.act(id, by="root", at="2.14", evacuate={"host": "nowhere"})).status
        assert 400 == (await world.act(id, by="root", at="2.14", evacuate={"host": here})).status
        assert 400 == (await world.act(id, by="root", at="2.28", evacuate={"force": True})).status
        assert 400 == (await world.act(id, by="root", at="2.68", evacuate={"force": True})).status
        await world.act(id, pause=None)
        await world.settle()
        assert 409 == (await world.act(id, by="root", at="2.14", evacuate={})).status
        assert Power.PAUSED == (await world.hosts.wanted_list(here, "server"))[0].body["power"]
