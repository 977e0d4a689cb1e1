"""What every fabric and its plugs promise: run against the fake always, against OVN where tests are marked `host`."""

import os
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from tests.network.builders import ANN, BOB, a_topology

from pileus.network.drivers.interface import DriverError, Fabric, Plug, PortPlug, PortState, Topology

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


async def syncing_twice_changes_nothing(fabric: Fabric, plug: Plug, until: Until) -> None:
    wanted = a_topology()
    assert (await fabric.diff(wanted)).inserted > 0
    assert not (await fabric.sync(wanted)).none
    assert (await fabric.diff(wanted)).none
    assert (await fabric.sync(wanted)).none


async def a_diff_changes_nothing(fabric: Fabric, plug: Plug, until: Until) -> None:
    first = await fabric.diff(a_topology())
    assert first == await fabric.diff(a_topology())


async def each_change_is_found_and_undone(fabric: Fabric, plug: Plug, until: Until) -> None:
    wanted = a_topology()
    await fabric.sync(wanted)
    renamed = tuple(msgspec.structs.replace(port, mac="fa:16:3e:0f:0f:0f") for port in wanted.ports)
    changed = await fabric.sync(msgspec.structs.replace(wanted, ports=renamed))
    assert (0, 0) == (changed.inserted, changed.deleted)
    assert changed.updated >= len(renamed)
    await fabric.sync(wanted)
    gone = await fabric.sync(Topology())
    assert gone.deleted > 0
    assert (await fabric.sync(Topology())).none
    assert {} == dict(await fabric.port_states())


async def a_plugged_port_comes_up_and_is_told(fabric: Fabric, plug: Plug, until: Until) -> None:
    heard: list[tuple[str, PortState]] = []
    fabric.on_port_change(lambda port_id, state: heard.append((port_id, state)))
    wanted = a_topology()
    await fabric.sync(wanted)
    assert PortState(up=False) == (await fabric.port_states())[ANN]

    first = await plug.ensure_plugged(PortPlug(ANN, "fa:16:3e:00:00:01"))
    assert first == await plug.ensure_plugged(PortPlug(ANN, "fa:16:3e:00:00:01"))

    async def told() -> bool:
        return (ANN, PortState(up=True, host="host-a")) in heard

    await until(told)
    assert PortState(up=True, host="host-a") == (await fabric.port_states())[ANN]
    assert {ANN} == await plug.plugged()

    await plug.ensure_unplugged(ANN)
    await plug.ensure_unplugged(ANN)
    assert set() == await plug.plugged()

    async def down() -> bool:
        return not (await fabric.port_states())[ANN].up

    await until(down)


async def an_open_tap_is_a_descriptor_of_a_plugged_port_only(fabric: Fabric, plug: Plug, until: Until) -> None:
    await plug.ensure_plugged(PortPlug(ANN, "fa:16:3e:00:00:01"))
    tap = await plug.open_tap(ANN)
    os.close(tap)
    os.close(await plug.open_tap(ANN))
    with pytest.raises(DriverError):
        await plug.open_tap(BOB)


PROMISES = (
    syncing_twice_changes_nothing,
    a_diff_changes_nothing,
    each_change_is_found_and_undone,
    a_plugged_port_comes_up_and_is_told,
    an_open_tap_is_a_descriptor_of_a_plugged_port_only,
)
