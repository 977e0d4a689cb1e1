"""Talks with the agent in a guest, from wherever the server runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pileus.compute.app import Compute
from pileus.compute.drivers.guest_agent import GuestAgent
from pileus.compute.drivers.interface import DriverError
from pileus.compute.models.servers import Server
from pileus.kit.errors import Unavailable

# What comes of an agent that is not there, does not answer, or makes no sense.
SILENT = (Unavailable, DriverError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError)


@contextlib.asynccontextmanager
async def agent_of(app: Compute, server: Server, answer_s: float) -> AsyncIterator[GuestAgent]:
    """A talk with the agent, who listens; all of it has to end within that time, or this raises one of SILENT."""
    async with asyncio.timeout(answer_s):
        reader, writer = await app.consoles.open(server.host or "", server.id, "agent")
        try:
            agent = GuestAgent(reader, writer)
            await agent.greet()
            yield agent
        finally:
            writer.close()


def why_silent(failed: BaseException, answer_s: float) -> str:
    """What went wrong, in words."""
    return f"its agent did not answer in {answer_s:g} s" if isinstance(failed, TimeoutError) else str(failed)
