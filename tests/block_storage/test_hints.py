"""Who asks for a volume says with which others, apart from which, or with which server on one host it shall be."""

from typing import Any

import pytest
from tests.block_storage.world import World, a_world

from pileus.ports.servers import Taken

SERVER, NOBODYS = "5e44e400-0000-4000-8000-000000000001", "5e44e400-0000-4000-8000-000000000002"


class OneServer:
    """Keeps pileus.ports.servers.VolumeHolders: a server of p1 on h2, without volumes."""

    async def attachment_of(self, server_id: str, volume_id: str) -> str | None:
        return None

    async def extended(self, server_id: str, volume_id: str) -> None:
        raise AssertionError

    async def take_along(self, server_id: str, volume_id: str, edition: int) -> Taken:
        raise AssertionError

    async def let_be(self, server_id: str, volume_id: str) -> bool:
        raise AssertionError

    async def host_of(self, server_id: str, project_id: str) -> str | None:
        return "h2" if (server_id, project_id) == (SERVER, "p1") else None

    async def has(self, server_id: str, volume_id: str) -> int | None:
        return None


async def made(world: World, by: str = "alice", **hints: object) -> tuple[str, str | None]:
    """The id of a volume, and the host it is on."""
    body = {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": hints}
    id = (await world.got("POST", "/volumes", body, by=by))["volume"]["id"]
    await world.settle()
    place = (await world.show(id, by="root"))["os-vol-host-attr:host"]
    return id, place.partition("@")[0] if place is not None else None


async def test_volumes_are_together_apart_or_where_a_server_is() -> None:
    async with a_world("h1", "h2", "h3", servers=OneServer()) as world:
        one, first = await made(world)
        two, second = await made(world, different_host=one)
        _, third = await made(world, different_host=[one, two])
        assert {"h1", "h2", "h3"} == {first, second, third}
        for id, host in ((one, first), (two, second)):
            assert host == (await made(world, same_host=[id]))[1]
        assert "h2" == (await made(world, local_to_instance=SERVER))[1]
        assert "h2" == (await made(world, local_to_instance=SERVER, same_host="", query="anything"))[1]


@pytest.mark.parametrize("by", ["alice", "bob"])
async def test_a_volume_that_fits_nowhere_is_in_error_and_a_message_says_which_hint_it_was(by: str) -> None:
    async with a_world("h1", "h2", servers=OneServer()) as world:
        wanted: dict[str, Any] = {"local_to_instance": SERVER if by == "bob" else NOBODYS}
        id, host = await made(world, by, **wanted)
        assert ("error", None) == ((await world.show(id, by="root"))["status"], host)
        (message,) = (await world.got("GET", "/messages", by=by))["messages"]
        assert f"is not on the host of server {wanted['local_to_instance']}" in message["user_message"]


@pytest.mark.parametrize(
    "hints", [{"same_host": 5}, {"different_host": ["x"]}, {"local_to_instance": [SERVER, NOBODYS]}]
)
async def test_a_hint_that_is_no_id_is_refused(hints: dict[str, Any]) -> None:
    async with a_world() as world:
        body = {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": hints}
        assert 400 == (await world.ask("POST", "/volumes", body)).status
