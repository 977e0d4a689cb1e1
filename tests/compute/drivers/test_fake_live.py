"""The fake keeps the promises about servers that go from one host to another while they run."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.compute.drivers.contract import a_server
from tests.compute.drivers.contract_live import LiveContract, Streams

from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import Wanted


class TwoFakes:
    """Two pretended hosts."""

    def __init__(self) -> None:
        streams = Streams()
        self.here, self.there = Fake(streams=streams), Fake()
        streams.to = self.there

    def wanted(self) -> Wanted:
        return a_server()

    async def write(self, id: str, text: bytes) -> None:
        self.here.write(id, text.decode())

    async def kept(self, id: str) -> bytes:
        return self.there._servers[id].disk


class TestFakeLive(LiveContract):
    @contextlib.asynccontextmanager
    async def two(self, tmp_path: Path) -> AsyncIterator[TwoFakes]:
        world = TwoFakes()
        try:
            yield world
        finally:
            await world.here.close()
            await world.there.close()
