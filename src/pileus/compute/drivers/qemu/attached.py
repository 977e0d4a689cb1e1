"""Copies of volumes that servers of this host have: who has the volume is found, and whoever has it open copies it.

    a server that runs has it     by its QEMU, or by reference, while its guest holds still; of what changed, see `volume_notes`
    none does                     by qemu-img, until one shall have it

A copy that a server's end, or the volume's way out of it, broke off is begun anew by whoever has the volume then.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from pileus.compute.drivers.interface import DriverError, ImageFormat, Stillness, Volume, Wanted
from pileus.compute.drivers.qemu import volume_copies, volume_notes
from pileus.compute.drivers.qemu.blocks import Chain
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.server import Server
from pileus.compute.drivers.qemu.stillness import Still
from pileus.compute.drivers.qemu.swaps import resize
from pileus.compute.drivers.qemu.volume_copies import VolumeCopies
from pileus.kit.observe.log import log_of
from pileus.ports.attached_disks import Copied, Noting

log = log_of(__name__)

AGAIN_S = 1.0
Found = tuple[Home, Server, Volume, Monitor]
Begun = tuple[Home, Server, Volume, Chain]
WHOLE: Literal["whole"] = "whole"
RAW: Literal["raw"] = "raw"
QCOW2: Literal["qcow2"] = "qcow2"


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

    async def give(self, volume_id: str, target: Path) -> None:
        """`target` holds what a volume that servers of this host have held at one moment since the call; raises DriverError."""
        found = (_volume(home.wanted(), volume_id) for home, _ in self._servers())
        volume = next((each for each in found if each is not None), None)
        if volume is None:
            raise DriverError("The volume cannot be copied", f"no server of this host has volume {volume_id}")
        await self.copy(volume_id, Path(volume.path), target, QCOW2 if volume.format is ImageFormat.QCOW2 else RAW)

    async def grow(self, volume_id: str, size_gib: int) -> bool:
        """Whether a server that runs has the volume, and its QEMU has made the disk that large; raises DriverError."""
        async with contextlib.AsyncExitStack() as held:
            for home, _, volume, monitor in await self._who_runs(volume_id, held):
                run = home.run()
                if volume.key not in run.volumes or run.swaps:
                    raise DriverError("The volume cannot grow", "it is on its way into a server, or out of it")
                chain = Chain(run.volumes[volume.key], volume.key in run.others)
                if volume.format is ImageFormat.QCOW2:
                    await volume_notes.drop_broken(volume, chain, monitor)
                await resize(volume, chain, size_gib, monitor)
                return True
            return False

    async def copy_changes(
        self, volume_id: str, target: Path, noting: Noting, at_rest: Callable[[], Awaitable[None]]
    ) -> Copied:
        """`target` holds what changed in the volume, or all of it, or what `at_rest` made it hold; raises DriverError."""
        turn = self._turns.setdefault(volume_id, asyncio.Lock())
        async with turn:
            while (done := await self._changes_once(volume_id, target, noting, at_rest)) is None:  # noqa: ASYNC110
                await asyncio.sleep(AGAIN_S)
            return done

    async def forget_notes(self, volume_id: str, keep: str, at_rest: Callable[[], Awaitable[None]]) -> None:
        """Nothing is noted of the volume but under that name, or the next time."""
        async with contextlib.AsyncExitStack() as held:
            runs = await self._who_runs(volume_id, held)
            for home, _, volume, monitor in runs:
                run = home.run()
                if volume.key in run.volumes and not run.swaps:
                    chain = Chain(run.volumes[volume.key], volume.key in run.others)
                    with contextlib.suppress(DriverError):  # What is left of them goes the next time.
                        await volume_notes.keep_only(volume, chain, keep, monitor)
            work = None if runs else self._copies.begin_at_rest(volume_id, _awaited(at_rest))
        if work is not None:
            await _whole(work)

    async def _changes_once(
        self, volume_id: str, target: Path, noting: Noting, at_rest: Callable[[], Awaitable[None]]
    ) -> Copied | None:
        """Who made the copy, and of what; None: whoever has the volume has changed, and it is to be begun anew."""
        begun = await self._begin_changes(volume_id, target, noting, at_rest)
        if begun is None or isinstance(begun, Copied):
            return begun
        if isinstance(begun, asyncio.Task):
            return Copied.AT_REST if await _whole(begun) else None
        (home, server, volume, chain), what = begun
        try:
            return what if await self._by_qemu(home, server, chain, volume) else None
        finally:
            server.copying.discard(chain.slot)

    async def _begin_changes(
        self, volume_id: str, target: Path, noting: Noting, at_rest: Callable[[], Awaitable[None]]
    ) -> tuple[Begun, Copied] | asyncio.Task[None] | Copied | None:
        """The copy is being made, by a server's QEMU or whoever asked; or what came of it; None: not yet."""
        async with contextlib.AsyncExitStack() as held:
            runs = await self._who_runs(volume_id, held)
            _one(runs)
            if not runs:
                return self._copies.begin_at_rest(volume_id, _awaited(at_rest))
            home, server, volume, monitor = runs[0]
            chain = await self._free(home, volume, monitor)
            if chain is None:
                return None
            try:
                changes = await volume_notes.begin(volume, chain, target, noting, monitor, _moment(home))
            except DriverError as refused:
                log.warning("what changes in a volume is not noted", volume=volume_id, why=str(refused))
                return Copied.NOTHING
            server.copying.add(chain.slot)
            return (home, server, volume, chain), Copied.CHANGES if changes else Copied.WHOLE

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
            _one(runs)
            if not runs:
                return self._copies.begin_plain(volume_id, source, target, format)
            home, server, volume, monitor = runs[0]
            if format == "raw" and await asyncio.to_thread(volume_copies.clones, source, target.parent):
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

    async def _free(self, home: Home, volume: Volume, monitor: Monitor) -> Chain | None:
        """What the volume's nodes are called, which nobody copies; None while it is on its way in or out, or still copied."""
        run = home.run()
        if volume.key not in run.volumes or run.swaps:
            return None
        chain = Chain(run.volumes[volume.key], volume.key in run.others)
        return chain if await self._copies.give_up(chain.slot, monitor) else None

    async def _begin_there(self, home: Home, volume: Volume, target: Path, monitor: Monitor) -> Chain | None:
        chain = await self._free(home, volume, monitor)
        if chain is None:
            return None
        if volume.encrypted:  # whose moment is this one
            async with _moment(home)():
                await volume_copies.begin(volume, chain, target, monitor)
        else:
            await volume_copies.begin(volume, chain, target, monitor)
        return chain

    async def _by_qemu(self, home: Home, server: Server, chain: Chain, noted: Volume | None = None) -> bool:
        async def look() -> bool | None:
            async with server.held() as monitor:
                if monitor is None:
                    return False
                done = await volume_copies.go_on(chain.slot, monitor, _moment(home))
                if done and noted is not None:
                    await volume_notes.end(noted, chain, monitor)
                return done

        try:
            return await volume_copies.wait(server.stirred, look)
        except asyncio.CancelledError:
            async with server.held() as monitor:
                if monitor is not None:
                    await self._copies.give_up(chain.slot, monitor)
            raise


def _one(runs: Sequence[Found]) -> None:
    """Raise DriverError if several have the volume."""
    if len(runs) > 1:
        raise DriverError("The volume cannot be copied", "several servers that run have it, and may write to it")


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


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
