"""Hosts fetch images ahead of servers."""

import asyncio
from pathlib import Path

import pytest

from pileus.compute.agent.images import ERRAND, ErrandHandler
from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu import Qemu
from pileus.kit.hosts.exchange import Body
from pileus.ports.plug import PortPlug


class Store:
    """ImageFiles whose first fetch fails."""

    def __init__(self) -> None:
        self.asked = 0

    async def fetch(self, image_id: str, destination: Path) -> None:
        self.asked += 1
        if self.asked == 1:
            raise OSError("the store is on fire")
        destination.write_bytes(b"boot")


class NoPlug:
    async def ensure_plugged(self, port: PortPlug) -> int:
        raise AssertionError(port)

    async def ensure_unplugged(self, port_id: str) -> None:
        raise AssertionError(port_id)


async def test_an_image_is_fetched_once_and_stays(tmp_path: Path) -> None:
    store, told = Store(), asyncio.Queue[tuple[str, str]]()
    qemu = Qemu(tmp_path, store, NoPlug())
    handler = ErrandHandler(qemu.images)
    handler.wake(lambda kind, id: told.put_nowait((kind, id)))
    body: Body = {"image": "i1"}
    assert not (await handler.ensure("e1", body, 1)).here
    assert (ERRAND, "e1") == await told.get()
    with pytest.raises(DriverError, match="on fire"):
        await handler.ensure("e1", body, 1)
    assert not (await handler.ensure("e1", body, 1)).here
    assert not (await handler.ensure("e2", body, 2)).here
    assert {(ERRAND, "e1"), (ERRAND, "e2")} == {await told.get(), await told.get()}
    assert (await handler.ensure("e1", body, 1)).here
    await handler.ensure_gone("e1")
    assert (await handler.ensure("e2", body, 2)).here
    assert 2 == store.asked
    assert {} == await handler.observe()
    await qemu.close()
