"""The fake keeps the promises of a fabric, and fails when told to."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.network.builders import ANN, BOB, HOST, a_topology, with_port
from tests.network.drivers.contract import PROMISES

from pileus.network.drivers.fake import FakeFabric, FakePlug
from pileus.network.drivers.interface import DriverError, PortPlug, PortState


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


async def test_a_port_on_a_trunk_is_up_while_the_trunks_is() -> None:
    fabric = FakeFabric()
    plug = FakePlug(fabric, HOST)
    await fabric.sync(with_port(a_topology(), BOB, parent=ANN, tag=7))
    assert not (await fabric.port_states())[BOB].up
    await plug.ensure_plugged(PortPlug(ANN, "fa:16:3e:00:00:01"))
    assert PortState(up=True, host=HOST) == (await fabric.port_states())[BOB]
    await plug.ensure_unplugged(ANN)
    assert not (await fabric.port_states())[BOB].up


async def test_a_port_that_came_to_a_host_where_it_was_plugged_before_is_told_of() -> None:
    fabric, heard = FakeFabric(), []
    plug = FakePlug(fabric, HOST)
    await fabric.sync(with_port(a_topology(), ANN, host="afar"))
    await plug.ensure_plugged(PortPlug(ANN, "fa:16:3e:00:00:01"))
    await asyncio.sleep(0)
    fabric.on_port_change(lambda port_id, state: heard.append((port_id, state)))
    await fabric.sync(with_port(a_topology(), ANN, host=HOST))
    await asyncio.sleep(0)
    assert [(ANN, PortState(up=True, host=HOST))] == heard


async def test_a_port_is_up_on_a_host_that_is_pretended_elsewhere() -> None:
    fabric = FakeFabric()
    FakePlug(fabric, HOST)
    await fabric.sync(with_port(with_port(a_topology(), ANN, host="afar"), BOB, host=HOST))
    states = await fabric.port_states()
    assert (PortState(up=True, host="afar"), False) == (states[ANN], states[BOB].up)
