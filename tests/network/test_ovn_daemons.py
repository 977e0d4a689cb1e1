"""Who keeps OVN's daemons running goes on, whatever a repair runs into."""

import asyncio
from pathlib import Path

import pytest

from pileus.network.drivers.interface import DriverError
from pileus.network.drivers.ovn import daemons
from pileus.network.drivers.ovn.daemons import Daemons, Settings
from pileus.network.drivers.ovn.place import Place


async def test_a_repair_that_breaks_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "_AFTER_FAILURE_S", 0.01)
    raised: list[Exception] = [ValueError("half an answer"), DriverError("start OVN", "not yet"), KeyError("ifname")]
    repaired = asyncio.Event()

    async def repair() -> None:
        await asyncio.sleep(0)
        if raised:
            raise raised.pop()
        repaired.set()

    keeper = asyncio.create_task(Daemons(Place(tmp_path), Settings(host="h")).keep_running(repair, pause_s=0.01))
    async with asyncio.timeout(60):
        await repaired.wait()
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
