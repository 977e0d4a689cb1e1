"""Turning servers on and off, and following those that do it themselves."""

from typing import Any

import msgspec
import pytest
from tests.compute.world import World, a_world

from pileus.compute.drivers.interface import DiskError


async def states(world: World, id: str) -> tuple[Any, ...]:
    server = await world.show(id)
    return server["status"], server["OS-EXT-STS:vm_state"], server["OS-EXT-STS:task_state"]


async def test_stop_and_start() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 202 == (await world.act(id, os_stop=None)).status
        assert ("ACTIVE", "active", "powering-off") == await states(world, id)
        await world.settle()
        assert ("SHUTOFF", "stopped", None) == await states(world, id)
        assert 202 == (await world.act(id, os_start=None)).status
        assert ("SHUTOFF", "stopped", "powering-on") == await states(world, id)
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)


async def test_actions_that_do_not_fit_are_409() -> None:
    async with a_world() as world:
        id = await world.boot()
        answered = await world.act(id, os_start=None)
        assert 409 == answered.status
        said = answered.body["conflictingRequest"]["message"]
        assert f"Cannot 'start' instance {id} while it is in vm_state active" == said
        assert 202 == (await world.act(id, os_stop=None)).status
        answered = await world.act(id, os_stop=None)
        said = answered.body["conflictingRequest"]["message"]
        assert f"Cannot 'stop' instance {id} while it is in task_state powering-off" == said
        await world.settle()
        assert 409 == (await world.act(id, reboot={"type": "SOFT"})).status


async def test_reboots_are_counted() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 202 == (await world.act(id, reboot={"type": "soft"})).status
        assert ("REBOOT", "active", "rebooting") == await states(world, id)
        await world.settle()
        assert 202 == (await world.act(id, reboot={"type": "HARD"})).status
        assert ("HARD_REBOOT", "active", "rebooting_hard") == await states(world, id)
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)
        (document,) = await world.hosts.wanted_list("h1", "server")
        assert {"start": 0, "soft": 1, "hard": 1, "nmi": 0} == document.body["restarts"]
        assert 400 == (await world.act(id, reboot={"type": "WARM"})).status


async def test_a_deaf_guest_keeps_the_task_until_the_host_loses_patience() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].deafen(id)
        await world.act(id, os_stop=None)
        await world.settle(until_s=60)
        assert ("ACTIVE", "active", "powering-off") == await states(world, id)
        world.drivers["h1"].run_out_of_patience(id)
        await world.settle()
        assert ("SHUTOFF", "stopped", None) == await states(world, id)


async def test_a_stop_that_fails_leaves_the_server_as_it_was() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].fail_next("ensure", "monitor does not answer")
        await world.act(id, os_stop=None)
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)
        actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body["instanceActions"]
        assert [("stop", "Error"), ("create", None)] == [(action["action"], action["message"]) for action in actions]


async def test_a_guest_that_powers_itself_off_is_stopped_and_stays_so() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].guest_powers_off(id)
        await world.agents["h1"].turn()
        assert ("SHUTOFF", "stopped", None) == await states(world, id)
        await world.settle(until_s=120)
        assert ("SHUTOFF", "stopped", None) == await states(world, id)
        (document,) = await world.hosts.wanted_list("h1", "server")
        assert "off" == document.body["power"]
        assert [id] == [s["id"] for s in (await world.ask("GET", "/v2.1/servers?status=SHUTOFF")).body["servers"]]
        assert "server.powered_off" in [event.kind for event in await world.app.events.of_subject(f"server:{id}")]
        assert 202 == (await world.act(id, os_start=None)).status
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)


async def test_a_server_that_was_killed_is_stopped() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].lose_power(id)
        await world.settle(until_s=120)
        server = await world.show(id)
        assert "SHUTOFF" == server["status"]
        told = {event.kind: event for event in await world.app.events.of_subject(f"server:{id}")}
        assert {"why": "killed by signal 9 (SIGKILL)"} == told["server.crashed"].payload


async def test_a_guest_whose_kernel_panics_is_shown_so_and_told_once() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].guest_panics(id, world.clock.now())
        await world.settle(until_s=120)
        server = await world.show(id)
        assert ("ACTIVE", 6) == (server["status"], server["OS-EXT-STS:power_state"])
        world.drivers["h1"].guest_panics(id, None)
        await world.settle(until_s=120)
        assert 1 == (await world.show(id))["OS-EXT-STS:power_state"]
        told = [event.kind for event in await world.app.events.of_subject(f"server:{id}")]
        assert 1 == told.count("server.panicked")


async def trouble(world: World, id: str, volume: str | None, **about: Any) -> None:
    """The server's disk failed in that way."""
    disk = f"volume {volume}" if volume is not None else "disk0"
    failed = {"disk": disk, "volume": volume, "operation": "write", "why": "No space left on device", "stopped": True}
    world.drivers["h1"].disks_fail(id, DiskError(at=world.clock.now(), **failed | about))
    await world.settle(until_s=120)


async def story(world: World, id: str) -> list[tuple[str, str]]:
    """What went wrong with a server, as its owner reads it: each action, and why."""
    actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body["instanceActions"]
    return [(one["action"], one["message"]) for one in actions if one["message"] is not None]


async def test_a_volume_without_room_is_told_once_to_who_reads_of_the_server_and_of_the_volume() -> None:
    async with a_world(volumes=True) as world:
        id, volume = await world.boot(), await world.volume()
        path = f"/v2.1/servers/{id}/os-volume_attachments"
        assert 200 == (await world.ask("POST", path, {"volumeAttachment": {"volumeId": volume}})).status
        await world.settle()
        await trouble(world, id, volume)
        why = (
            f"Volume {volume} cannot be written: No space left on device."
            " The server stands still, and goes on by itself once there is room."
        )
        assert [("disk_failed", why)] == await story(world, id)
        (message,) = (await world.ask("GET", "/v3/messages", of="volume")).body["messages"]
        assert ("VOLUME", volume, "ERROR") == tuple(
            message[name] for name in ("resource_type", "resource_uuid", "message_level")
        )
        assert f"Server {id}: {why}" in message["user_message"]
        (event,) = [
            one for one in await world.app.events.of_subject(f"server:{id}") if one.kind == "server.disk_failed"
        ]
        assert (volume, "No space left on device", True) == tuple(
            event.payload[name] for name in ("volume_id", "why", "stopped")
        )
        await world.settle(until_s=120)
        assert 1 == len(await story(world, id))
        assert [] == (await world.ask("GET", "/v3/messages", of="volume", by="bob")).body["messages"]


async def test_each_trouble_with_a_disk_is_told_and_none_stands_in_anybodys_way() -> None:
    async with a_world() as world:
        id = await world.boot()
        await trouble(world, id, None, operation="read", why="Input/output error", stopped=False)
        await trouble(world, id, None)
        assert ["disk_failed", "disk_failed"] == [action for action, _ in await story(world, id)]
        reads = "Disk0 cannot be read: Input/output error. The guest was told so by its disk."
        assert reads in [why for _, why in await story(world, id)]
        assert "ACTIVE" == (await world.show(id))["status"]
        assert 202 == (await world.act(id, os_stop=None)).status
        await world.settle()
        assert "SHUTOFF" == (await world.show(id))["status"]


async def test_locked_servers_are_left_alone() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 202 == (await world.act(id, lock=None)).status
        assert (await world.show(id, at="2.9"))["locked"]
        for answered in (await world.act(id, os_stop=None), await world.ask("DELETE", f"/v2.1/servers/{id}")):
            assert (409, f"Instance {id} is locked") == (
                answered.status, answered.body["conflictingRequest"]["message"],
            )  # fmt: skip
        assert 202 == (await world.act(id, by="root", os_stop=None)).status
        await world.settle()
        assert 202 == (await world.act(id, unlock=None)).status
        assert 202 == (await world.act(id, os_start=None)).status


async def test_what_an_admin_locked_only_an_admin_unlocks() -> None:
    async with a_world() as world:
        id = await world.boot()
        await world.act(id, by="root", at="2.73", lock={"locked_reason": "an audit"})
        assert "an audit" == (await world.show(id, at="2.73"))["locked_reason"]
        assert 403 == (await world.act(id, unlock=None)).status
        assert 202 == (await world.act(id, by="root", unlock=None)).status


async def test_a_hard_reboot_starts_a_stopped_server() -> None:
    async with a_world() as world:
        id = await world.boot()
        await world.act(id, os_stop=None)
        await world.settle()
        assert 202 == (await world.act(id, reboot={"type": "HARD"})).status
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)


async def test_admins_say_that_a_server_is_in_error_or_is_not() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 403 == (await world.act(id, os_resetState={"state": "error"})).status
        assert 202 == (await world.act(id, by="root", os_resetState={"state": "error"})).status
        assert "ERROR" == (await world.show(id))["status"]
        assert 202 == (await world.act(id, by="root", os_resetState={"state": "active"})).status
        assert "ACTIVE" == (await world.show(id))["status"]


@pytest.mark.parametrize(
    ("there", "back", "status", "tasks"),
    [
        ("pause", "unpause", "PAUSED", ("pausing", "unpausing")),
        ("suspend", "resume", "SUSPENDED", ("suspending", "resuming")),
    ],
)
async def test_stands_still_and_goes_on(there: str, back: str, status: str, tasks: tuple[str, str]) -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 202 == (await world.act(id, **{there: None})).status
        assert ("ACTIVE", "active", tasks[0]) == await states(world, id)
        await world.settle()
        assert (status, status.lower(), None) == await states(world, id)
        assert [id] == [s["id"] for s in (await world.ask("GET", f"/v2.1/servers?status={status}")).body["servers"]]
        answered = await world.act(id, **{there: None})
        said = answered.body["conflictingRequest"]["message"]
        assert f"Cannot '{there}' instance {id} while it is in vm_state {status.lower()}" == said
        assert 202 == (await world.act(id, **{back: None})).status
        assert (status, status.lower(), tasks[1]) == await states(world, id)
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)
        actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body["instanceActions"]
        assert [back, there, "create"] == [action["action"] for action in actions]


async def test_a_hard_reboot_wakes_a_suspended_server() -> None:
    async with a_world() as world:
        id = await world.boot()
        await world.act(id, suspend=None)
        await world.settle()
        assert 202 == (await world.act(id, reboot={"type": "HARD"})).status
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)


async def test_a_guest_is_interrupted_for_a_crash_dump() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 400 == (await world.ask("POST", f"/v2.1/servers/{id}/action", {"trigger_crash_dump": None})).status
        assert (
            202
            == (await world.ask("POST", f"/v2.1/servers/{id}/action", {"trigger_crash_dump": None}, at="2.17")).status
        )
        await world.settle()
        assert ("ACTIVE", "active", None) == await states(world, id)
        assert 1 == (await world.drivers["h1"].look(id)).restarts.nmi


async def test_there_is_never_a_deleted_server_to_restore() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 409 == (await world.act(id, restore=None)).status
        assert 400 == (await world.act(id, nonsense=None)).status


async def test_a_host_is_told_anew_what_cards_a_server_has() -> None:
    async with a_world() as world:
        id = await world.boot()
        (before,) = await world.hosts.wanted_list("h1", "server")
        (port,) = world.networks.ports[id]
        world.networks.ports[id] = [msgspec.structs.replace(port, mtu=1300)]
        assert 403 == (await world.act(id, injectNetworkInfo=None)).status
        assert 202 == (await world.act(id, by="root", injectNetworkInfo=None)).status
        (after,) = await world.hosts.wanted_list("h1", "server")
        assert [1300] == [nic["mtu"] for nic in after.body["nics"]]
        assert before.generation < after.generation


async def test_what_users_say_of_servers_changes_while_they_are_in_order() -> None:
    async with a_world() as world:
        id = await world.boot()
        metadata, tags = f"/v2.1/servers/{id}/metadata", f"/v2.1/servers/{id}/tags"
        await world.act(id, lock=None)
        assert 409 == (await world.ask("PUT", metadata, {"metadata": {"a": "b"}})).status
        assert 201 == (await world.ask("PUT", f"{tags}/red", at="2.26")).status  # a lock is not about tags
        await world.act(id, unlock=None)
        await world.act(id, by="root", os_resetState={"state": "error"})
        for method, path, body, said in (
            ("PUT", metadata, {"metadata": {"a": "b"}}, "update metadata"),
            ("PUT", tags, {"tags": ["b"]}, "update tag"),
            ("DELETE", f"{tags}/red", None, "delete tag"),
            ("DELETE", tags, None, "delete tags"),
        ):
            answered = await world.ask(method, path, body, at="2.26")
            why = f"Cannot '{said}' instance {id} while it is in vm_state error"
            assert (409, why) == (answered.status, answered.body["conflictingRequest"]["message"])
        assert {"tags": ["red"]} == (await world.ask("GET", tags, at="2.26")).body
