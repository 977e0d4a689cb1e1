"""The owner's view of hosts: which there are, how they fare, which get no new servers, which go."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pileus.compute.agent import KIND
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.errors import Conflict
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.members import Members
from pileus.main.object_hosts import ObjectHosts

# What else is to be told that a host was removed.
Also = Callable[[str], Awaitable[None]] | None


class HostInUse(Conflict):
    """Host {host} shall still have {count} server(s): `pileus host drain {host} --wait` takes them to other hosts, and says which cannot go."""


class OwnMachine(Conflict):
    """Host {host} is the machine this controller runs on; it goes with the cloud."""


class Listed(msgspec.Struct, frozen=True):
    """A host as it is listed. `expires` is its certificate's end; None for the controller's own machine."""

    name: str
    up: bool
    drained: bool
    servers: int
    last_heard: dt.datetime | None
    expires: dt.datetime | None = None


class Drain(msgspec.Struct, frozen=True):
    """Whether new servers shall be kept away, and whether those that are there shall leave; `live_only`: none is stopped for that."""

    on: bool = True
    reason: str = "drained"
    moves: bool = True
    live_only: bool = False


class Leaver(msgspec.Struct, frozen=True):
    """What became of a server of a host that is emptied. `state`: moving, moved or stays, and `why`."""

    server: str
    name: str
    way: str
    state: str
    why: str | None = None
    to: str | None = None


class Emptied(msgspec.Struct, frozen=True):
    """How far a host is emptied: what is on it, what keeps its former disks there, and what became of each server."""

    host: str
    emptying: bool
    left: int
    kept: int
    servers: list[Leaver]


class Roster:
    """Hosts, for their owner. `compute` is the service's app, if it is served."""

    def __init__(self, db: Database, clock: Clock, hosts: Hosts, members: Members, own: str, also: Also) -> None:
        self._db = db
        self._clock = clock
        self._hosts = hosts
        self._members = members
        self._own = own
        self._also = also
        self.compute: Any = None
        self.objects: ObjectHosts | None = None

    async def list(self) -> "list[Listed]":
        """Every host, by name; also one that joined and was never heard."""
        members = {member.host: member for member in await self._members.list()}
        known = {host.name: host for host in await self._hosts.list()}
        drained = {name for name, said in (await self._settings()).items() if said.disabled}
        now = self._clock.now()
        return [
            Listed(
                name=name,
                up=name in known and known[name].up(now),
                drained=name in drained,
                servers=await self._servers(name),
                last_heard=known[name].last_heard if name in known else None,
                expires=members[name].expires if name in members else None,
            )
            for name in sorted(known.keys() | members.keys())
        ]

    async def drain(self, name: str, drain: Drain) -> Listed:
        """New servers come to the host, or do not, and those on it leave unless they are to stay. Raises NoSuchHost."""
        from pileus.compute.commands.drains import begin_drain, end_drain

        await self._hosts.get(name)
        if self.compute is not None and drain.on:
            await begin_drain(self.compute, name, drain.reason, moves_servers=drain.moves, live_only=drain.live_only)
        elif self.compute is not None:
            await end_drain(self.compute, name)
        return next(host for host in await self.list() if host.name == name)

    async def emptied(self, name: str) -> Emptied:
        """How far the host is emptied; raises NoSuchHost."""
        from pileus.compute.store.drains import drain_list, drained_list
        from pileus.compute.store.servers import server_get_many, server_list_on_host

        await self._hosts.get(name)
        if self.compute is None:
            return Emptied(name, emptying=False, left=0, kept=0, servers=[])
        known, here = await drained_list(self.compute, name), await server_list_on_host(self.compute, name)
        there = {wish.id for wish in await self._hosts.wanted_list(name, KIND) if not wish.gone}
        places = {each.id: each.host for each in await server_get_many(self.compute, [row.server_id for row in known])}
        return Emptied(
            host=name,
            emptying=name in {drain.host for drain in await drain_list(self.compute)},
            left=len(here),
            kept=len(there - {id for id, _ in here}),
            servers=[
                Leaver(row.server_id, row.name, row.way, row.state, row.why, places.get(row.server_id)) for row in known
            ],
        )

    async def remove(self, name: str) -> None:
        """The host is one no more, and its certificate good for nothing; raises HostInUse, OwnMachine, NoSuchHost, KeepsObjects."""
        from pileus.compute.flows.hosts import provider_id
        from pileus.compute.store.hosts import setting_forget

        if name == self._own:
            raise OwnMachine(host=name)
        if self.objects is not None:
            self.objects.require_free(name)
        async with self._db.transaction():
            if name not in {member.host for member in await self._members.list()}:
                await self._hosts.get(name)
            servers = await self._servers(name)
            if servers:
                raise HostInUse(host=name, count=servers)
            await self._members.expel(name)
            await self._hosts.drop(name)
            if self.compute is not None:
                await self.compute.placement.forget_provider(provider_id(name))
                await setting_forget(self.compute, name)
        if self.objects is not None:
            await self.objects.forget(name)
        if self._also is not None:
            await self._also(name)

    async def _servers(self, name: str) -> int:
        return len(await self._hosts.wanted_list(name, KIND))

    async def _settings(self) -> "dict[str, Any]":
        from pileus.compute.store.hosts import setting_list

        return await setting_list(self.compute) if self.compute is not None else {}
