"""The fake keeps the promises of a fabric, and fails when told to."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.network.builders import HOST, a_topology
from tests.network.drivers.contract import PROMISES

from pileus.network.drivers.fake import FakeFabric, FakePlug
from pileus.network.drivers.interface import DriverError


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(10):
        if await holds():
            return
        await asyncio.sleep(0)
    pytest.fail("did not come true")


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_fake_keeps_the_promise(promise) -> None:
    fabric = FakeFabric()
    await promise(fabric, FakePlug(fabric, HOST), _until)


async def test_fails_once_when_told_to() -> None:
    fabric = FakeFabric()
    fabric.fail_next("the cable is cut")
    with pytest.raises(DriverError, match="the cable is cut"):
        await fabric.sync(a_topology())
    assert not (await fabric.sync(a_topology())).none
