"""Asking several copies: writes that hold once most have them, reads that go on to the next copy."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from pileus.kit.observe.log import log_of
from pileus.object_store.errors import DeviceUnusable, Missing, StorageProblem, Superseded, Unreachable
from pileus.object_store.ring.places import Place

log = log_of(__name__)
Told = TypeVar("Told")
FURTHER = 8
AWAY = (DeviceUnusable, Unreachable)


class TooFew(StorageProblem):
    """Only {done} of {needed} copies could be written: {why}."""

    status = 503


class Outcomes(msgspec.Struct, Generic[Told]):
    """What became of a write at each of its copies."""

    done: list[Told]
    failed: list[StorageProblem]
    copies: int

    @property
    def needed(self) -> int:
        """How many copies make it hold."""
        return quorum(self.copies)

    def settle(self) -> list[Told]:
        """What those that did it said, if they are enough; else raises what most of the others did."""
        if len(self.done) >= self.needed:
            return self.done
        for kind in (Missing, Superseded, StorageProblem):
            alike = [failed for failed in self.failed if isinstance(failed, kind) and not isinstance(failed, AWAY)]
            if len(alike) + (len(self.done) if kind is not StorageProblem else 0) >= self.needed and alike:
                raise alike[0]
        why = "; ".join(failed.message for failed in self.failed)
        raise TooFew(done=len(self.done), needed=self.needed, why=why)


async def together(work: Sequence[Awaitable[Told]]) -> list[Told | BaseException]:
    """What became of each, returned or raised. One alone needs no task of its own."""
    if len(work) != 1:
        return await asyncio.gather(*work, return_exceptions=True)
    try:
        return [await work[0]]
    except Exception as failed:  # noqa: BLE001  as gather does
        return [failed]


def problems(found: Iterable[object]) -> list[StorageProblem]:
    """What of several things is known to go wrong; raises whatever is not."""
    failed = []
    for one in found:
        if isinstance(one, StorageProblem):
            failed.append(one)
        elif isinstance(one, BaseException):
            raise one
    return failed


def quorum(copies: int) -> int:
    """How many of so many copies must have something: more than half; of two, one."""
    return (copies + 1) // 2


async def write_all(
    places: Sequence[Place], handoffs: Iterable[Place], call: Callable[[Place], Awaitable[Told]]
) -> Outcomes[Told]:
    """What became of a write at all copies; where a device is away another takes its place."""
    spare = iter(handoffs)

    async def attempt(place: Place) -> Told:
        while True:
            try:
                return await call(place)
            except AWAY as away:
                log.info("a copy goes elsewhere", device=place.device.name, why=away.message)
                another = next(spare, None)
                if another is None:
                    raise
                place = another

    found = await together([attempt(place) for place in places])
    return Outcomes([one for one in found if not isinstance(one, BaseException)], problems(found), len(places))


async def read_any(
    places: Sequence[Place], handoffs: Iterator[Place], call: Callable[[Place], Awaitable[Told]]
) -> Told:
    """What the first copy that has it says. Raises Missing when most of those that should have it answer, and do not."""
    missing: StorageProblem | None = None
    away: StorageProblem | None = None
    lacking = 0  # of those that should have it
    # While partitions move, what is not where it belongs now is where it belonged before: look a good way further.
    for number, place in enumerate((*places, *_some(handoffs, max(len(places), FURTHER)))):
        try:
            return await call(place)
        except AWAY as failed:
            away = failed
        except StorageProblem as failed:
            # Corrupt copies count as missing ones: another has it.
            lacking += number < len(places)
            newer = isinstance(failed, Missing) and failed.stamp is not None
            missing = failed if missing is None or newer else missing
    known = isinstance(missing, Missing) and missing.stamp is not None  # it was there, and was deleted
    if away is not None and not known and lacking < quorum(len(places)):
        raise away  # those that may have it do not answer: that is not to be taken for its absence
    if missing is not None:
        raise missing if isinstance(missing, Missing) else Missing
    raise away or Missing()


def _some(handoffs: Iterator[Place], count: int) -> Iterator[Place]:
    for _ in range(count):
        found = next(handoffs, None)
        if found is None:
            return
        yield found
