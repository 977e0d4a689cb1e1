"""Which hosts there are, what they have and can, and whether they were heard lately."""

import builtins
import datetime as dt

import msgspec
import sqlalchemy as sa

from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.kit.errors import NotFound
from pileus.kit.hosts.exchange import Body
from pileus.kit.tables import hosts

HOST = "host"  # topic: a host that registered or changed its facts

UP_FOR = dt.timedelta(seconds=14)  # with the second a look takes, a host that is gone is seen to be within 15
HEARTBEAT = dt.timedelta(seconds=4)  # hearing more often than this is not written down


class Host(msgspec.Struct, frozen=True):
    """A machine that runs things, as it described itself."""

    name: str
    facts: Body
    joined: dt.datetime
    last_heard: dt.datetime

    def up(self, now: dt.datetime) -> bool:
        """Whether it was heard lately."""
        return now - self.last_heard <= UP_FOR


class NoSuchHost(NotFound):
    """Host {name} could not be found."""


HOST_SAID = command(upsert(hosts, ["name"], ["facts", "last_heard"]))
HOST_HEARD = command(
    sa.update(hosts)
    .where(hosts.c.name == sa.bindparam("of_name"), hosts.c.last_heard < sa.bindparam("unless_since"))
    .values(last_heard=sa.bindparam("now"))
)
HOST_GET = query(sa.select(*hosts.c).where(hosts.c.name == sa.bindparam("name")), Host)
HOST_LIST = query(sa.select(*hosts.c).order_by(hosts.c.name), Host)
HOST_NAMES = scalar(sa.select(hosts.c.name).order_by(hosts.c.name), str)
HOST_SILENT = query(sa.select(*hosts.c).where(hosts.c.last_heard < sa.bindparam("before")).order_by(hosts.c.name), Host)
HOST_LATEST = scalar(sa.select(hosts.c.last_heard).order_by(hosts.c.last_heard.desc()).limit(1), dt.datetime)
HOST_RETURNED = command(
    sa.update(hosts).where(hosts.c.last_heard >= sa.bindparam("since")).values(last_heard=sa.bindparam("now"))
)
HOST_FORGET = command(sa.delete(hosts).where(hosts.c.name == sa.bindparam("of_name")))


class Registry:
    """The hosts. Every method joins the ambient transaction."""

    def __init__(self, db: Database, bus: Bus, clock: Clock) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock

    async def list(self) -> builtins.list[Host]:
        """All hosts that ever registered, by name."""
        return await self._db.all(HOST_LIST)

    async def names(self) -> builtins.list[str]:
        """The names of all hosts that ever registered."""
        return await self._db.all(HOST_NAMES)

    async def silent(self) -> builtins.list[Host]:
        """The hosts that are not up, by name."""
        return await self._db.all(HOST_SILENT, before=self._clock.now() - UP_FOR)

    async def get(self, name: str) -> Host:
        """The host of this name; raises NoSuchHost."""
        found = await self._db.one(HOST_GET, name=name)
        if found is None:
            raise NoSuchHost(name=name)
        return found

    async def is_up(self, name: str) -> bool:
        """Whether the host is known and was heard lately."""
        found = await self._db.one(HOST_GET, name=name)
        return found is not None and found.up(self._clock.now())

    async def listen(self) -> None:
        """A controller listens from now on; hosts that were up when last one did have the time to be heard again.

        That nobody was heard while nobody listened says nothing of the hosts: work that goes on now would find none that is up,
        and fail. Where another controller listens, it has heard somebody within a heartbeat or two.
        """
        now, latest = self._clock.now(), await self._db.one(HOST_LATEST)
        if latest is not None and now - latest > 2 * HEARTBEAT:
            await self._db.run(HOST_RETURNED, since=latest - UP_FOR, now=now)

    async def forget(self, name: str) -> None:
        """The host is known no more; what was wanted of it stays until it is unwanted."""
        await self._db.run(HOST_FORGET, of_name=name)

    async def register(self, name: str, facts: Body) -> None:
        """The host is known and was heard now."""
        now = self._clock.now()
        async with self._db.transaction():
            await self._db.run(HOST_SAID, name=name, facts=facts, joined=now, last_heard=now)
            self._db.on_commit(lambda: self._bus.wake(HOST, name))

    async def heard(self, name: str) -> None:
        """The host was heard now."""
        now = self._clock.now()
        known = await self._db.one(HOST_GET, name=name)
        if known is not None and now - known.last_heard >= HEARTBEAT:
            await self._db.run(HOST_HEARD, of_name=name, unless_since=now - HEARTBEAT / 2, now=now)
