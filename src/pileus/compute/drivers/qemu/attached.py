"""Copies of volumes that servers of this host have: who has the volume is found, and whoever has it open copies it.

    a server that runs has it     by its QEMU, or by reference, while its guest holds still
    none does                     by qemu-img, until one shall have it

A copy that a server's end, or the volume's way out of it, broke off is begun anew by whoever has the volume then.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from pileus.compute.drivers.interface import DriverError, Stillness, Volume, Wanted
from pileus.compute.drivers.qemu import volume_copies
from pileus.compute.drivers.qemu.blocks import Chain
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.server import Server
from pileus.compute.drivers.qemu.stillness import Still
from pileus.compute.drivers.qemu.swaps import resize
from pileus.compute.drivers.qemu.volume_copies import VolumeCopies

AGAIN_S = 1.0
Found = tuple[Home, Server, Volume, Monitor]
Begun = tuple[Home, Server, Volume, Chain]
WHOLE: Literal["whole"] = "whole"


class Attached:
    """Keeps pileus.ports.attached_disks.AttachedDisks for the servers of one host."""

    def __init__(self, copies: VolumeCopies, servers: Callable[[], Sequence[tuple[Home, Server]]]) -> None:
        self._copies = copies
        self._servers = servers
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def copy(self, volume_id: str, source: Path, target: Path, format: Literal["raw", "qcow2"] = "raw") -> None:
        """`target` holds what the volume's file held at one moment since the call; raises DriverError."""
        turn = self._turns.setdefault(volume_id, asyncio.Lock())
        async with turn:
            # Whoever took the volume has it a little later, or we look once more: there is nothing else to wait for.
            while not await self._copy_once(volume_id, source, target, format):  # noqa: ASYNC110
                await asyncio.sleep(AGAIN_S)

    async def grow(self, volume_id: str, size_gib: int) -> bool:
        """Whether a server that runs has the volume, and its QEMU has made the disk that large; raises DriverError."""
        async with contextlib.AsyncExitStack() as held:
            for home, _, volume, monitor in await self._who_runs(volume_id, held):
                run = home.run()
                if volume.key not in run.volumes or run.swaps:
                    raise DriverError("The volume cannot grow", "it is on its way into a server, or out of it")
                chain = Chain(run.volumes[volume.key], volume.key in run.others)
                await resize(volume, chain, size_gib, monitor)
                return True
            return False

    async def _copy_once(self, volume_id: str, source: Path, target: Path, format: str) -> bool:
        """Whether the copy is whole; False: whoever has the volume has changed, and it is to be begun anew."""
        begun = await self._begin(volume_id, source, target, format)
        if begun is None:
            return False
        if begun == WHOLE:
            await volume_copies.settle(source, target, encrypted=False)
            return True
        if isinstance(begun, asyncio.Task):
            return await _whole(begun)
        home, server, volume, chain = begun
        try:
            done = await self._by_qemu(home, server, chain)
        finally:
            server.copying.discard(chain.slot)
        if done:
            raw = source if format == "raw" else None
            await volume_copies.settle(raw, target, encrypted=volume.encrypted)
        return done

    async def _begin(
        self, volume_id: str, source: Path, target: Path, format: str
    ) -> asyncio.Task[None] | Begun | Literal["whole"] | None:
        """The copy is whole, or is being made, with qemu-img or by a server's QEMU; None: not yet."""
        async with contextlib.AsyncExitStack() as held:
            runs = await self._who_runs(volume_id, held)
            if len(runs) > 1:
                raise DriverError(
                    "The volume cannot be copied", "several servers that run have it, and may write to it"
                )
            if not runs:
                return self._copies.begin_plain(volume_id, source, target, format)
            home, server, volume, monitor = runs[0]
            if format == "raw" and await asyncio.to_thread(volume_copies.clones, target.parent):
                async with _moment(home)():
                    await volume_copies.clone(source, target)
                return WHOLE
            chain = await self._begin_there(home, volume, target, monitor)
            if chain is None:
                return None
            server.copying.add(chain.slot)
            return home, server, volume, chain

    async def _who_runs(self, volume_id: str, held: contextlib.AsyncExitStack) -> list[Found]:
        """The servers that run and have the volume, or are about to; none of those that shall have it changes meanwhile."""
        found = []
        for home, server in self._servers():
            volume = _volume(home.wanted(), volume_id)
            if volume is not None:
                monitor = await held.enter_async_context(server.held())
                run = home.run()
                if monitor is not None and volume.key in {*run.volumes, *run.volumes_changing}:
                    found.append((home, server, volume, monitor))
        return found

    async def _begin_there(self, home: Home, volume: Volume, target: Path, monitor: Monitor) -> Chain | None:
        run = home.run()
        if volume.key not in run.volumes or run.swaps:
            return None  # It is on its way in or out.
        chain = Chain(run.volumes[volume.key], volume.key in run.others)
        if not await self._copies.give_up(chain.slot, monitor):
            return None
        if volume.encrypted:  # whose moment is this one
            async with _moment(home)():
                await volume_copies.begin(volume, chain, target, monitor)
        else:
            await volume_copies.begin(volume, chain, target, monitor)
        return chain

    async def _by_qemu(self, home: Home, server: Server, chain: Chain) -> bool:
        async def look() -> bool | None:
            async with server.held() as monitor:
                if monitor is None:
                    return False
                return await volume_copies.go_on(chain.slot, monitor, _moment(home))

        try:
            return await volume_copies.wait(server.stirred, look)
        except asyncio.CancelledError:
            async with server.held() as monitor:
                if monitor is not None:
                    await self._copies.give_up(chain.slot, monitor)
            raise


def _moment(home: Home) -> volume_copies.Moment:
    """The moment of a copy, for which the guest's file systems hold still as its server's document says."""
    wanted = home.wanted()
    stillness = wanted.stillness if wanted is not None else Stillness.NONE
    return partial(Still(home).held, stillness)


def _volume(wanted: Wanted | None, volume_id: str) -> Volume | None:
    if wanted is None:
        return None
    return next((volume for volume in wanted.volumes if volume.id == volume_id and volume.kind == "file"), None)


async def _whole(plain: asyncio.Task[None]) -> bool:
    """Whether the copy is whole; else a server was to have the volume."""
    try:
        await asyncio.wait({plain})
    except asyncio.CancelledError:
        plain.cancel()
        await asyncio.gather(plain, return_exceptions=True)
        raise
    if plain.cancelled():
        return False
    plain.result()
    return True
