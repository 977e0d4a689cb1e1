"""What tests of flows and hosts share: an open database, a bus and a clock that stands still."""

import contextlib
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from pileus.kit.bus import LocalBus
from pileus.kit.clock import FakeClock
from pileus.kit.db import Database, create_all
from pileus.kit.flow.engine import Engine
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.local import LocalExchange
from pileus.kit.observe.events import Events
from pileus.kit.tables import metadata


class Kit(msgspec.Struct):
    db: Database
    bus: LocalBus
    clock: FakeClock
    engine: Engine
    hosts: Hosts
    exchange: LocalExchange
    events: Events

    def fresh_engine(self) -> Engine:
        """As a restarted process makes it."""
        return Engine(self.db, self.bus, self.clock)


@contextlib.asynccontextmanager
async def _open(clock: FakeClock, address: str) -> AsyncIterator[Kit]:
    db, bus = await Database.open(address), LocalBus()
    await create_all(db, metadata)
    hosts = Hosts(db, bus, clock)
    engine = Engine(db, bus, clock)
    try:
        yield Kit(db, bus, clock, engine, hosts, LocalExchange(hosts, bus), Events(db, bus, clock))
    finally:
        await engine.stop()
        await db.close()


@pytest.fixture
def kit(
    clock: FakeClock, fresh_database: Callable[[], str]
) -> Callable[[], contextlib.AbstractAsyncContextManager[Kit]]:
    """`async with kit() as k:` gives a kit of its own; the test runs once on either engine."""
    return lambda: _open(clock, fresh_database())
