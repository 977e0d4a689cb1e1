"""What happens to a server on a host is told to the controllers without their asking."""

import asyncio

from tests.compute.drivers.contract import a_server

from pileus.compute.agent import KIND, ServerHandler, seen_of, wanted_body
from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import PowerSeen, Wanted
from pileus.kit.clock import SystemClock
from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.exchange import Batch, Body, Document, Report


class Controllers:
    """An Exchange that wants some servers and keeps what it is told."""

    def __init__(self, *servers: Wanted) -> None:
        self._documents = tuple(
            Document(KIND, server.id, generation, wanted_body(server), gone=False)
            for generation, server in enumerate(servers, start=1)
        )
        self.reports: asyncio.Queue[Report] = asyncio.Queue()

    async def register(self, host: str, facts: Body) -> None:
        return

    async def wanted(self, host: str, after: int, timeout_s: float) -> Batch:
        if after:
            await asyncio.sleep(timeout_s)
            return Batch((), after, whole=False)
        return Batch(self._documents, len(self._documents), whole=True)

    async def report(self, host: str, report: Report) -> None:
        self.reports.put_nowait(report)


async def test_a_server_that_dies_is_reported_at_once() -> None:
    fake, server = Fake(), a_server()
    controllers, handler = Controllers(server), ServerHandler(fake)
    agent = Agent(controllers, "a", {KIND: handler}, SystemClock())
    handler.wake(agent.look_again)
    await agent.start()
    try:
        async with asyncio.timeout(60):
            assert PowerSeen.ON is seen_of((await controllers.reports.get()).body).power
            fake.lose_power(server.id)
            assert PowerSeen.CRASHED is seen_of((await controllers.reports.get()).body).power
    finally:
        await agent.stop()


async def test_a_failure_is_reported_in_the_drivers_words_and_tried_again() -> None:
    fake, server = Fake(), a_server()
    fake.fail_next("ensure", "disk full")
    controllers = Controllers(server)
    agent = Agent(controllers, "a", {KIND: ServerHandler(fake)}, SystemClock())
    await agent.start()
    try:
        async with asyncio.timeout(60):
            failed = await controllers.reports.get()
            assert "disk full" in (failed.failure or "")
            assert PowerSeen.ABSENT is seen_of(failed.body).power
            assert PowerSeen.ON is seen_of((await controllers.reports.get()).body).power
    finally:
        await agent.stop()
