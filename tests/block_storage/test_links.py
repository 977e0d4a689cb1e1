"""Volumes of a host that serves are had on others: the way is there before they are connected, and gone when they are given back."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
from tests.block_storage.test_port import ALICE, ID, SERVER, a_port
from tests.block_storage.world import World, a_store, a_world

from pileus.block_storage import agent as volume_agent
from pileus.block_storage.agent.links import DOOR, FACT, LINK, DoorSeen, LinkSeen
from pileus.block_storage.drivers.interface import DriverError, Export, Kind
from pileus.block_storage.flows import document
from pileus.block_storage.models.volumes import Volume
from pileus.block_storage.store.volumes import volumes
from pileus.kit.errors import Conflict
from pileus.kit.flow.settle import settle
from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.local import LocalExchange


class Pretended:
    """A host's doors or links: what is wanted of them, and what they say."""

    def __init__(self, kind: str, world: World) -> None:
        self.kind, self.world = kind, world
        self.there: dict[str, Body] = {}
        self.failure: str | None = None
        self.keys: Mapping[str, str] = {}

    async def observe(self) -> Mapping[str, Body]:
        return self.there

    async def ensure(self, id: str, body: Body, generation: int) -> DoorSeen | LinkSeen:
        if self.failure is not None:
            raise DriverError("The volume cannot be had", self.failure)
        self.keys = await a_port(self.world).ways.fetch(id)
        self.there[id] = body
        if self.kind == DOOR:
            return DoorSeen(address="10.0.0.1", port=49500, peers=tuple(body["peers"]))
        return LinkSeen(address=body["address"], port=body["port"], path=f"/links/{id}/disk")

    async def ensure_gone(self, id: str) -> None:
        self.there.pop(id, None)


class Ways:
    """Three hosts, of which `h1` serves its files and `h3` is not able to reach any."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.of = {name: {kind: Pretended(kind, world) for kind in (DOOR, LINK)} for name in world.agents}

    async def begin(self) -> None:
        for name, ways in self.of.items():
            able = {FACT: {"serves": name == "h1", "links": name != "h3"}}
            own = self.world.stores[name]
            handlers: dict[str, Any] = {**volume_agent.handlers(own), **ways}
            facts = {**await volume_agent.facts(own), **able}
            exchange = LocalExchange(self.world.hosts, self.world.bus)
            self.world.agents[name] = Agent(exchange, name, handlers, self.world.clock, facts)
        await self.world.settle()

    def there(self) -> list[str]:
        return [f"{name} {kind}" for name, ways in self.of.items() for kind, each in ways.items() if each.there]


@contextlib.asynccontextmanager
async def ways() -> AsyncIterator[tuple[World, Ways, str]]:
    """And a volume of `h1` that is reserved for a server."""
    async with a_world("h1", "h2", "h3", more={"h1": [a_store("disks", "file")]}) as world:
        made = Ways(world)
        await made.begin()
        specs = {"volume_backend_name": "disks"}
        await world.got("POST", "/types", {"volume_type": {"name": "disks", "extra_specs": specs}}, by="root")
        volume = await world.volume(volume_type="disks")
        await a_port(world).reserve(ID, volume, SERVER, ALICE)
        yield world, made, volume


async def prepared(world: World, host: str) -> None:
    for _ in range(10):
        if await a_port(world).ways.prepare(ID, host) is None:
            return
        await world.settle()
    raise AssertionError("the way is not made")


async def test_the_way_is_there_before_the_volume_is_connected_and_gone_with_the_attachment() -> None:
    async with ways() as (world, made, volume):
        port = a_port(world)
        facts = await port.look(volume)
        assert facts is not None
        assert (None, {"h1", "h2"}) == (facts.host, facts.reached_by)
        with pytest.raises(Conflict, match="no way there yet"):
            await port.connect(ID, "h2")
        assert "serve" in (await port.ways.prepare(ID, "h2") or "")
        await prepared(world, "h2")
        how = await port.connect(ID, "h2", device="/dev/vdb")
        assert ("file", f"/links/{ID}/disk", "raw") == (how.kind, how.path, how.format)
        await port.complete(ID)
        assert ["h1 volume_door", "h2 volume_link"] == made.there()
        keys = made.of["h1"][DOOR].keys
        assert ({"h2"}, 64) == (set(keys), len(keys["h2"]))
        assert keys["h2"] not in str([each.body for each in await world.hosts.wanted_list()])
        answer = await world.act(volume, os__extend={"new_size": 2}, by="alice")
        assert 400 == answer.status
        await port.release(ID)
        await world.settle()
        assert [] == made.there()
        assert "available" == (await world.show(volume))["status"]


async def test_where_the_server_goes_the_way_goes_too_and_the_host_it_left_is_out() -> None:
    async with ways() as (world, made, _):
        port = a_port(world)
        await prepared(world, "h2")
        await port.connect(ID, "h2")
        await port.complete(ID)
        old = made.of["h1"][DOOR].keys
        # To the volume's own host, where it is a file: nobody else has that open any more.
        assert "ends serving" in (await port.ways.prepare(ID, "h1") or "")
        await prepared(world, "h1")
        assert [] == made.there()
        assert (await port.connect(ID, "h1")).path.startswith("/fake/")
        await port.complete(ID)
        await prepared(world, "h2")
        await port.connect(ID, "h2")
        await port.complete(ID)
        await world.settle()
        assert ["h1 volume_door", "h2 volume_link"] == made.there()
        assert old == made.of["h1"][DOOR].keys


async def test_who_has_a_volume_on_another_host_is_asked_for_every_copy_of_it() -> None:
    async with ways() as (world, _, volume):
        port = a_port(world)
        await prepared(world, "h2")
        await port.connect(ID, "h2")
        await port.complete(ID)
        about = {"volume_id": volume, "name": "s", "force": True}
        told: dict[str, Body] = {}

        async def begun() -> None:
            """What h1 is told while it has made nothing of it: of what is there it is told no origin any more."""
            await settle(world.engine, world.clock, until_s=0)
            for each in await world.hosts.wanted_list("h1"):
                if each.id != volume:
                    told.setdefault(each.kind, each.body)
            await world.settle()

        await world.got("POST", "/snapshots", {"snapshot": about})
        await begun()
        clone = await world.volume(source_volid=volume, size=1, volume_type="disks", settled=False)
        await begun()
        await world.got("POST", "/backups", {"backup": about})
        await begun()
        exported = msgspec.structs.replace(await seen(world, volume), status="in-use", previous_status=None)
        export = Export(name="i", format="raw")
        holder = await document.holder_of(world.app, exported)
        assert "h2" == document.volume_disk(exported, export=export, holder=holder).holder
        assert ["h2"] * 3 == [
            told[kind][of]["holder"]
            for kind, of in ((Kind.SNAPSHOT, "origin"), (Kind.VOLUME, "origin"), (Kind.BACKUP, "of"))
        ]
        assert "available" == (await world.show(clone))["status"]
        # On the volume's own host it is its own matter, and nobody's once it is given back.
        await prepared(world, "h1")
        await port.connect(ID, "h1")
        await port.complete(ID)
        assert await document.holder_of(world.app, await seen(world, volume)) is None
        await port.release(ID)
        assert await document.holder_of(world.app, await seen(world, volume)) is None


async def seen(world: World, volume: str) -> Volume:
    """The volume's row."""
    found = await volumes.find(world.app, volume)
    assert found is not None
    return found


async def test_why_there_is_no_way_is_said() -> None:
    async with ways() as (world, made, _):
        port = a_port(world)
        assert None is await port.ways.prepare(ID, "h3")
        with pytest.raises(Conflict, match="kept by host h1 alone"):
            await port.connect(ID, "h3")
        for host, kind in (("h1", DOOR), ("h2", LINK)):
            made.of[host][kind].failure = "no port is free"
            with pytest.raises(Conflict, match="no port is free"):
                await prepared(world, "h2")
            made.of[host][kind].failure = None
            await port.release(ID)
            await world.settle()
            assert [] == made.there()
            await port.reserve(ID, (await world.got("GET", "/volumes"))["volumes"][0]["id"], SERVER, ALICE)
