"""Guests whose file systems hold still for the moment in which a copy of their disk begins.

    note -> freeze -> the moment -> thaw -> forget

The note outlives us: a guest that was frozen by an agent which was then killed is thawed by the next one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pileus.compute.drivers.guest_agent import GuestAgent
from pileus.compute.drivers.interface import DriverError, Stillness
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.process import dial
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of

log = log_of(__name__)

ANSWER_S = 10.0
SILENT = (DriverError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError)


class Still:
    """The file systems of one guest."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._note = home.path / "frozen"

    @property
    def frozen(self) -> bool:
        """Whether they may be frozen now."""
        return self._note.exists()

    def forget(self) -> None:
        """What was frozen runs no more."""
        self._note.unlink(missing_ok=True)

    async def thaw(self) -> bool:
        """They are not frozen; False if the guest's agent does not say so."""
        try:
            async with self._agent() as agent:
                await agent.thaw()
        except SILENT as failed:
            log.warning("a guest cannot be thawed", server=self._home.id, why=_words(failed))
            return False
        self.forget()
        return True

    @contextlib.asynccontextmanager
    async def held(self, wanted: Stillness) -> AsyncIterator[None]:
        """They are still within; raises DriverError where they must be and cannot."""
        if wanted is Stillness.NONE:
            yield
            return
        self._note.touch()
        failpoint("qemu.freeze", "before")
        try:
            await self._freeze(wanted)
            failpoint("qemu.freeze", "frozen")
            yield
        finally:
            await self.thaw()

    async def _freeze(self, wanted: Stillness) -> None:
        try:
            async with self._agent() as agent:
                count = await agent.freeze()
            log.info("a guest holds still", server=self._home.id, file_systems=count)
        except SILENT as failed:
            if wanted is Stillness.MUST:
                raise DriverError("The guest's file systems cannot be held still", _words(failed)) from failed
            log.warning("a copy is made of a guest that does not hold still", server=self._home.id, why=_words(failed))

    @contextlib.asynccontextmanager
    async def _agent(self) -> AsyncIterator[GuestAgent]:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(sock=dial(self._home.agent))
            try:
                agent = GuestAgent(reader, writer)
                await agent.greet()
                yield agent
            finally:
                writer.close()


def _words(failed: BaseException) -> str:
    return f"its agent did not answer in {ANSWER_S:g} s" if isinstance(failed, TimeoutError) else str(failed)
