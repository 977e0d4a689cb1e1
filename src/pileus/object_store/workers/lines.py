"""What background workers are doing: one line for each, and whether it rests."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from pileus.kit.clock import Clock
from pileus.object_store.storage.published import Atlas
from pileus.object_store.workers.progress import Progress, passing

Work = Callable[[], Awaitable[str | None]]


class Line(msgspec.Struct, omit_defaults=True):
    """A worker on one machine: its last pass, and what it has done since the process began."""

    name: str
    paused: bool = False
    running: bool = False
    passes: int = 0
    began: dt.datetime | None = None  # of the last pass
    took_s: float = 0.0
    seen: int = 0  # in this pass, or the last one: what was looked at,
    done: int = 0  # what was done,
    failed: int = 0  # and what could not be
    rate: float = 0.0  # of what was looked at or done, a second
    did: str = ""  # in the last pass that found something to do
    failure: str = ""  # of the last pass


class Pause(msgspec.Struct, frozen=True):
    """Workers whose names hold this shall rest, or go on."""

    name: str
    paused: bool = True


class Workforce:
    """The workers of this process. One that is paused does nothing until it is resumed, or the process starts anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: dict[str, Line] = {}
        self._progress: dict[str, tuple[Progress, float]] = {}  # and when it began

    def watched(self, name: str, work: Work) -> Work:
        """The work, with a line about it."""
        line = self._lines[name] = Line(name)

        async def one_pass() -> str | None:
            if line.paused:
                return None
            line.began, line.running, line.failure = self._clock.now(), True, ""
            began = self._clock.monotonic()
            token = passing.set(lambda progress: self._progress.__setitem__(name, (progress, began)))
            try:
                did = await work()
            except BaseException as failed:
                line.failure = str(failed) or type(failed).__name__
                raise
            finally:
                passing.reset(token)
                line.took_s = self._clock.monotonic() - began
                self._count(line)
                line.running = False
            line.passes += 1
            line.did = did or line.did
            return did

        return one_pass

    def lines(self) -> list[Line]:
        """Every worker, in the order they were made, with how far it is."""
        for line in self._lines.values():
            if line.running:
                self._count(line)
        return list(self._lines.values())

    def _count(self, line: Line) -> None:
        progress, began = self._progress.get(line.name, (None, 0.0))
        if progress is None:
            return
        line.seen, line.done, line.failed = progress.seen, progress.done, progress.failed
        took = self._clock.monotonic() - began if line.running else line.took_s
        line.rate = round(max(progress.seen, progress.done) / took, 2) if took > 0 else 0.0

    def pause(self, name: str, *, paused: bool) -> bool:
        """Workers whose name holds that rest after their pass, or go on; return whether there was one."""
        found = [line for line in self._lines.values() if name in line.name]
        for line in found:
            line.paused = paused
        return bool(found)


def calls(
    atlas: Atlas, workforce: Workforce, relinked: Callable[[], object], recon: Callable[[str, str], object]
) -> Mapping[str, Callable[[bytes], Awaitable[bytes]]]:
    """What other machines of the cluster may ask beside the storage server: for newer rings, and how workers are doing."""

    async def newer(body: bytes) -> bytes:
        (known,) = msgspec.json.decode(body, type=tuple[int])
        return msgspec.json.encode(atlas.cluster if atlas.cluster.version > known else None)

    async def lines(body: bytes) -> bytes:
        return msgspec.json.encode(workforce.lines())

    async def pause(body: bytes) -> bytes:
        said = msgspec.json.decode(body, type=Pause)
        return msgspec.json.encode(workforce.pause(said.name, paused=said.paused))

    async def relinking(body: bytes) -> bytes:
        return msgspec.json.encode(relinked())

    async def watch(body: bytes) -> bytes:
        check, of = msgspec.json.decode(body, type=tuple[str, str])
        return msgspec.json.encode(await asyncio.to_thread(recon, check, of))

    return {
        "workers/recon": watch,
        "workers/relinked": relinking,
        "cluster/newer": newer,
        "workers/lines": lines,
        "workers/pause": pause,
    }
