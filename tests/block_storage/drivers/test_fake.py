"""The fake back end keeps the promises of a real one."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.block_storage.drivers.contract import IMAGE, BackendContract

from pileus.block_storage.drivers.fake import Fake
from pileus.block_storage.drivers.interface import Kind


class FakeWorld:
    def __init__(self) -> None:
        self.backend = self.fake = Fake("b")

    def write(self, kind: Kind, id: str, content: bytes) -> None:
        self.fake.write(kind, id, content)

    def read(self, kind: Kind, id: str) -> bytes:
        return self.fake.read(kind, id)

    def image(self) -> bytes:
        return IMAGE.encode()


class TestFake(BackendContract):
    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[FakeWorld]:
        world = FakeWorld()
        yield world
        await world.backend.close()
