"""Passwords given with a server: its guest has them once its agent answers, and nobody else ever reads them."""

from typing import Any

import sqlalchemy as sa
from tests.compute.fakes import IMAGE, an_image
from tests.compute.world import World, a_world

from pileus.compute.store.passwords import password_find
from pileus.compute.tables import COMPUTE
from pileus.kit.clock import FakeClock
from pileus.kit.db import query
from pileus.kit.tables import metadata as shared

PASSWORD = "correct horse 7"
RESCUE = "22222222-1111-4111-8111-111111111111"
FOR_TWO_MINUTES = 120.0


def let_in_agents(world: World) -> None:
    """The images say that the agent is in them."""
    for id in (IMAGE, RESCUE):
        world.images.images[id] = an_image(id=id, properties={"hw_qemu_guest_agent": "yes"})


async def a_server(world: World, **more: Any) -> str:
    id = await world.boot(adminPass=PASSWORD, **more)
    await later(world)
    return id


async def later(world: World) -> None:
    """Time passes, in which passwords arrive."""
    for _ in range(24):
        await world.settle(until_s=FOR_TWO_MINUTES / 24)


def of_guest(world: World, id: str, host: str = "h1") -> str:
    return world.drivers[host]._servers[id].password


async def everything(world: World) -> str:
    """All that stands in the database."""
    rows: list[object] = []
    for table in (*COMPUTE.sorted_tables, *shared.sorted_tables):
        for column in table.columns:
            rows += await world.db.all(query(sa.select(column), Any))
    assert rows
    return repr(rows)


async def kinds(world: World, id: str) -> list[str]:
    return [event.kind for event in await world.app.events.of_subject(f"server:{id}")]


async def test_the_password_it_was_made_with_reaches_the_guest() -> None:
    async with a_world() as world:
        let_in_agents(world)
        id = await a_server(world)
        assert PASSWORD == of_guest(world, id)
        assert None is await password_find(world.app, id)
        assert "server.password_set" in await kinds(world, id)


async def test_the_one_we_made_up_reaches_the_guest_too() -> None:
    async with a_world() as world:
        let_in_agents(world)
        made = (await world.create()).body["server"]
        await world.settle()
        await later(world)
        assert made["adminPass"] == of_guest(world, made["id"])


async def test_it_stands_in_no_row_and_in_no_document() -> None:
    async with a_world() as world:
        let_in_agents(world)
        world.drivers["h1"].fail_next("open", "it boots", times=1000)
        id = await a_server(world)
        given = await password_find(world.app, id)
        assert given is not None
        assert given.tries > 0
        assert PASSWORD not in await everything(world)
        await world.ask("DELETE", f"/v2.1/servers/{id}")
        await world.settle()
        assert None is await password_find(world.app, id)


async def test_a_guest_that_boots_slowly_has_it_when_it_answers() -> None:
    async with a_world() as world:
        let_in_agents(world)
        world.drivers["h1"].fail_next("open", "it boots", times=3)
        assert PASSWORD == of_guest(world, await a_server(world))


async def test_a_guest_that_refuses_it_is_not_asked_again() -> None:
    async with a_world() as world:
        world.images.images[IMAGE] = an_image(
            properties={"hw_qemu_guest_agent": "yes", "os_admin_user": "nobody-knows"}
        )
        id = await a_server(world)
        assert None is await password_find(world.app, id)
        (told,) = [e for e in await world.app.events.of_subject(f"server:{id}") if e.kind == "server.password_not_set"]
        assert "no such user" in str(told.payload)


async def test_one_that_never_answers_is_given_up_after_a_day() -> None:
    async with a_world() as world:
        let_in_agents(world)
        world.drivers["h1"].fail_next("open", "it has no agent after all", times=10_000)
        id = await a_server(world)
        clock = world.clock
        assert isinstance(clock, FakeClock)
        clock.move(86_400)
        await world.settle(until_s=10)
        assert None is await password_find(world.app, id)
        assert "server.password_not_set" in await kinds(world, id)


async def test_without_an_agent_none_is_kept() -> None:
    async with a_world() as world:
        id = await a_server(world)
        assert None is await password_find(world.app, id)
        assert "" == of_guest(world, id)


async def test_a_rebuilt_server_has_the_password_of_the_rebuild() -> None:
    async with a_world() as world:
        let_in_agents(world)
        id = await a_server(world)
        answered = await world.act(id, rebuild={"imageRef": IMAGE, "adminPass": "battery staple"})
        assert 202 == answered.status
        await world.settle()
        await later(world)
        assert "battery staple" == of_guest(world, id)


async def test_the_rescuing_system_has_a_password_of_its_own() -> None:
    async with a_world() as world:
        let_in_agents(world)
        world.drivers["h1"].fail_next("open", "it hangs", times=1)
        id = await a_server(world)
        rescued = await world.act(id, rescue={"rescue_image_ref": RESCUE, "adminPass": "lifebelt"})
        assert {"adminPass": "lifebelt"} == rescued.body
        await world.settle()
        await later(world)
        assert "lifebelt" == of_guest(world, id)
        await world.act(id, unrescue=None)
        await world.settle()
        assert None is await password_find(world.app, id, rescue=True)


async def on_its_way(world: World) -> str:
    """A server that runs, and whose guest has not been told its password yet."""
    let_in_agents(world)
    id = await world.boot(adminPass=PASSWORD)
    given = await password_find(world.app, id)
    assert given is not None
    assert given.try_at is not None
    return id


async def test_one_that_is_changed_while_the_first_is_on_its_way_stays() -> None:
    async with a_world() as world:
        id = await on_its_way(world)
        assert 202 == (await world.act(id, changePassword={"adminPass": "newer"})).status
        await later(world)
        assert "newer" == of_guest(world, id)
        assert "newer" not in await everything(world)


async def test_a_change_that_fails_leaves_the_first_on_its_way() -> None:
    async with a_world() as world:
        id = await on_its_way(world)
        world.drivers["h1"].fail_next("open", "it boots", times=1)
        assert 409 == (await world.act(id, changePassword={"adminPass": "newer"})).status
        await later(world)
        assert PASSWORD == of_guest(world, id)
