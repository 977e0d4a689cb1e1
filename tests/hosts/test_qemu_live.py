"""QEMU keeps the promises about servers that go from one host to another while they run."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.compute.drivers.contract_live import LiveContract, Streams
from tests.hosts.qemu_world import QemuWorld, qemus_in

from pileus.compute.drivers.interface import Wanted
from pileus.compute.drivers.qemu import Qemu
from pileus.ports.image_files import ImageFiles

pytestmark = pytest.mark.host


class Files:
    """ServerFiles of another hypervisor on this machine."""

    def __init__(self) -> None:
        self.of: Qemu | None = None

    async def fetch(self, host: str, server_id: str, name: str, destination: Path) -> None:
        assert self.of is not None
        with os.fdopen(await self.of.give(server_id, name), "rb") as content:
            await asyncio.to_thread(destination.write_bytes, content.read())


class TwoQemus:
    """Two state directories on one machine."""

    def __init__(self, path: Path, images: ImageFiles | None = None) -> None:
        self.streams, files = Streams(), Files()
        self.first = QemuWorld(path / "here", streams=self.streams, images=images)
        self.second = QemuWorld(path / "there", files=files)
        self.streams.to, files.of = self.there, self.here

    @property
    def here(self) -> Qemu:
        return self.first.hypervisor

    @property
    def there(self) -> Qemu:
        return self.second.hypervisor

    def wanted(self) -> Wanted:
        return self.first.wanted()

    async def write(self, id: str, text: bytes) -> None:
        await self.first.type(id, text)

    async def kept(self, id: str) -> bytes:
        """It echoes what is typed: so it runs, and goes on listening where it was."""
        await self.second.guest_prints(id)
        return b"remembered"


@contextlib.asynccontextmanager
async def two_of(world: TwoQemus, path: Path) -> AsyncIterator[TwoQemus]:
    """The two, of which nothing is left in the end."""
    try:
        yield world
    finally:
        await world.first.close()
        await world.second.close()
    assert [] == qemus_in(path)


class TestQemuLive(LiveContract):
    def two(self, tmp_path: Path) -> contextlib.AbstractAsyncContextManager[TwoQemus]:
        return two_of(TwoQemus(tmp_path), tmp_path)
