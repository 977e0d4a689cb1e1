"""An agent of another release than its controllers works on: documents of either age are understood by the other side.

tests/golden/documents holds, for each release that changed them, what its controllers wrote and its agents reported. They are
added to and never edited: hosts of that release are out there, and their documents are in databases.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.postgres import open_empty

from pileus.compute.agent import ServerHandler, seen_of
from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import PowerSeen
from pileus.compute.flows.hosts import facts_of
from pileus.kit.bus import LocalBus
from pileus.kit.clock import FakeClock
from pileus.kit.db import create_all
from pileus.kit.hosts.agent import Agent, Handler
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.exchange import Batch, Document, Report
from pileus.kit.hosts.local import LocalExchange
from pileus.kit.tables import metadata
from pileus.network.agent.metadata import MetadataHandler
from pileus.network.drivers.fake import FakeMetadataDoors

RELEASES = sorted((Path(__file__).parents[1] / "golden" / "documents").glob("*.json"))
HOST = "b"
KINDS = ("metadata", "server")


@pytest.fixture(params=RELEASES, ids=lambda file: file.stem)
def documents(request: pytest.FixtureRequest) -> Any:
    return json.loads(request.param.read_text())


class Pair:
    """Controllers and one host's agent, of this release."""

    def __init__(self, hosts: Hosts, bus: LocalBus, clock: FakeClock) -> None:
        self.hosts = hosts
        self.servers = Fake(clock=clock)
        self.doors = FakeMetadataDoors()
        handlers: dict[str, Handler] = {"server": ServerHandler(self.servers), "metadata": MetadataHandler(self.doors)}
        self.agent = Agent(LocalExchange(hosts, bus), HOST, handlers, clock, {})

    async def made(self, kind: str, body: Any) -> Any:
        """What the host reports once it has done what the document says."""
        id = body.get("id", body.get("network"))
        await self.hosts.want(HOST, kind, id, body)
        while await self.agent.turn():
            pass
        seen = await self.hosts.seen(HOST, kind, id)
        assert seen is not None
        assert seen.failure is None, seen.failure
        return seen.body


@asynccontextmanager
async def pair(clock: FakeClock) -> AsyncIterator[Pair]:
    db, bus = await open_empty(), LocalBus()
    await create_all(db, metadata)
    yield Pair(Hosts(db, bus, clock), bus, clock)


def newer(value: Any) -> Any:
    """The same as a release to come might write it: with fields nobody knows yet, at every depth."""
    if isinstance(value, dict):
        return {**{name: newer(inner) for name, inner in value.items()}, "invented": "later"}
    return [newer(inner) for inner in value] if isinstance(value, list) else value


async def test_what_older_controllers_wanted_is_made(documents: Any, clock: FakeClock) -> None:
    async with pair(clock) as both:
        for kind in KINDS:
            assert await both.made(kind, documents[kind]["wanted"]) is not None
        (server,) = (await both.servers.observe()).values()
        assert PowerSeen.ON is server.power
        assert {documents["metadata"]["wanted"]["network"]} == await both.doors.there()


async def test_what_newer_controllers_want_is_made_as_far_as_it_is_known(documents: Any, clock: FakeClock) -> None:
    async with pair(clock) as today, pair(clock) as later:
        for kind in KINDS:
            wanted = documents[kind]["wanted"]
            known, unknown = await today.made(kind, wanted), await later.made(kind, newer(wanted))
            assert {**known, "pid": 0} == {**unknown, "pid": 0}


def test_what_older_and_newer_agents_report_is_understood(documents: Any) -> None:
    for report in (documents["server"]["seen"], newer(documents["server"]["seen"])):
        seen = seen_of(report)
        assert (PowerSeen.ON, 4711, True) == (seen.power, seen.pid, seen.disks_ready)


async def test_a_host_of_another_release_offers_its_room(documents: Any, clock: FakeClock) -> None:
    async with pair(clock) as both:
        for facts in (documents["facts"], newer(documents["facts"])):
            await both.hosts.register(HOST, facts)
            (host,) = await both.hosts.list()
            offered = facts_of(host)
            assert offered is not None
            assert (4, 8192) == (offered.cpus, offered.ram_mib)


def test_what_carries_documents_is_understood_by_either_side() -> None:
    batch = Batch((Document("server", "1", 3, {"a": 1}, gone=False),), 7, whole=True)
    report = Report("server", "1", 3, {"power": "on"}, present=True)
    for value in (batch, report):
        sent = newer(json.loads(msgspec.json.encode(value)))
        sent.pop("failure", None)  # an older agent need not know of it
        read = msgspec.convert(sent, type(value), strict=False)
        assert type(read) is type(value)
        if isinstance(read, Batch):
            assert (7, 3) == (read.cursor, read.documents[0].generation)
