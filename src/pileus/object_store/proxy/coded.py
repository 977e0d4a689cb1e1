"""Objects of an erasure code: fragments go to a device each, and any enough of them are read.

encode a segment -> fragments to their devices -> all on disk, one more than it takes -> each is marked durable -> 201

A fragment that is not marked counts once any other of its object is: it is then known that enough were on disk.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterable

import msgspec

from pileus.kit.observe.log import log_of
from pileus.object_store.errors import Missing, StorageProblem, Unreachable
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Claim
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.coding import SEGMENT, Code, code_of
from pileus.object_store.proxy.replicas import AWAY, TooFew
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.interface import Found, Held, Spot, Told, Upload

log = log_of(__name__)
FURTHER = 4  # devices that are asked beside those a fragment belongs on


class CodedCopies:
    """The devices whose fragments an object is becoming; called as Copies of whole objects is."""

    def __init__(self, cluster: Cluster, path: Path, policy: int, size: int | None, claim: Claim | None = None) -> None:
        fragments = cluster.rings.policies[policy].fragments
        assert fragments is not None
        self._code = code_of(fragments)
        self._cluster = cluster
        self._policy = policy
        self._size = size
        self._word = claim.word(path) if claim is not None else ""
        self._hash = cluster.rings.hash(path)
        self._places, self._spare = cluster.where(path, policy)
        self._uploads: dict[int, tuple[Place, Upload]] = {}
        self._failed: list[StorageProblem] = []
        self._held: list[bytes] = []
        self._length = 0

    async def open(self) -> None:
        """Enough devices take fragments; raises TooFew."""
        if len(self._places) < self._code.fragments:
            why = f"the ring has {len(self._places)} devices for {self._code.fragments} fragments"
            raise TooFew(done=0, needed=self._code.quorum, why=why)
        found = await asyncio.gather(*(self._one(place) for place in self._places))
        self._uploads = {number: one for number, one in enumerate(found) if one is not None}
        try:
            self._require(len(self._uploads))
        except TooFew:
            await self.drop()
            raise

    async def _one(self, place: Place | None) -> tuple[Place, Upload] | None:
        size = None if self._size is None else self._code.size(self._size)
        while place is not None:
            try:
                spot = Spot(place, self._policy, self._hash, self._word)
                return place, await self._cluster.servers.of(place).objects.upload(spot, size)
            except AWAY as away:
                log.info("a fragment goes elsewhere", device=place.device.name, why=away.message)
                self._failed.append(away)
                place = next(self._spare, None)
        return None

    async def write(self, batch: bytes) -> None:
        """The bytes are coded and on their way."""
        self._held.append(batch)
        self._length += len(batch)
        if self._length < SEGMENT:
            return
        whole = b"".join(self._held)
        end = len(whole) - len(whole) % SEGMENT
        self._held, self._length = [whole[end:]], len(whole) - end
        for at in range(0, end, SEGMENT):
            await self._send(whole[at : at + SEGMENT])

    async def flush(self) -> None:
        """What was on its way has arrived; nothing follows."""
        segment, self._held, self._length = b"".join(self._held), [], 0
        if segment:
            await self._send(segment)

    async def _send(self, segment: bytes) -> None:
        fragments = await asyncio.to_thread(self._code.encode, segment)
        numbers = list(self._uploads)
        work = (self._uploads[number][1].write(fragments[number]) for number in numbers)
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        for number, outcome in zip(numbers, outcomes, strict=True):
            if isinstance(outcome, StorageProblem):
                self._failed.append(outcome)
                await self._uploads.pop(number)[1].drop()
            elif isinstance(outcome, BaseException):
                raise outcome
        self._require(len(self._uploads))

    async def keep(self, stamp: str, metadata: dict[str, str], told: Told | None, *, only_new: bool) -> None:
        """Enough fragments are durable; raises what kept them from it."""
        numbers = list(self._uploads)
        await self._all(
            numbers,
            [
                self._uploads[number][1].keep(stamp, metadata, None, only_new=only_new, fragment=number)
                for number in numbers
            ],
        )
        numbers = list(self._uploads)
        await self._all(numbers, [self._commit(number, stamp, told) for number in numbers])

    async def _commit(self, number: int, stamp: str, told: Told | None) -> None:
        place, _ = self._uploads[number]
        spot = Spot(place, self._policy, self._hash, self._word)
        await self._cluster.servers.of(place).objects.commit(spot, stamp, number, told)

    async def _all(self, numbers: list[int], work: "list[object]") -> None:
        """Enough did it; those that did not have no part any more."""
        outcomes = await asyncio.gather(*work, return_exceptions=True)  # type: ignore[call-overload]
        refused: list[StorageProblem] = []
        for number, outcome in zip(numbers, outcomes, strict=True):
            if isinstance(outcome, StorageProblem):
                await self._uploads.pop(number)[1].drop()
                (self._failed if isinstance(outcome, AWAY) else refused).append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
        if len(self._uploads) < self._code.quorum and refused:
            raise refused[0]
        self._require(len(self._uploads))

    async def drop(self) -> None:
        """Nothing is left of what was not kept."""
        await asyncio.gather(*(upload.drop() for _, upload in self._uploads.values()), return_exceptions=True)

    def _require(self, count: int) -> None:
        if count < self._code.quorum:
            why = "; ".join(failed.message for failed in self._failed)
            raise TooFew(done=count, needed=self._code.quorum, why=why)


class Seen(msgspec.Struct):
    """What devices have of one object: for each number, where it is."""

    stamp: str
    where: dict[int, list[Place]]


async def seen(cluster: Cluster, path_hash: str, policy: int, places: "list[Place]") -> tuple[Seen | None, str, int]:
    """The newest that enough fragments are there of, when the object was deleted, and how many devices did not answer."""

    async def ask(place: Place) -> Held | None:
        try:
            return await cluster.servers.of(place).objects.held(Spot(place, policy, path_hash))
        except StorageProblem as away:
            log.info("a device does not say what fragments it has", device=place.device.name, why=away.message)
            return None

    found = await asyncio.gather(*(ask(place) for place in places))
    gone, durable = "", set()
    where: dict[str, dict[int, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place, held in zip(places, found, strict=True):
        if held is None:
            continue
        gone = max(gone, held.gone)
        for one in held.fragments:
            where[one.stamp][one.number].append(place)
            if one.durable:
                durable.add(one.stamp)
    fragments = cluster.rings.policies[policy].fragments
    assert fragments is not None
    stamps = [stamp for stamp in durable if stamp > gone and len(where[stamp]) >= fragments[0]]
    newest = max(stamps, default=None)
    return (Seen(newest, dict(where[newest])) if newest else None), gone, found.count(None)


async def find_coded(cluster: Cluster, path: Path, policy: int) -> "CodedFound":
    """The newest of the object that can be read; raises Missing, or Unreachable when it may be where nobody answers."""
    places, handoffs = cluster.where(path, policy)
    hash = cluster.rings.hash(path)
    found, gone, silent = await seen(cluster, hash, policy, places)
    if found is None:
        more = [place for place, _ in zip(handoffs, range(FURTHER), strict=False)]
        found, gone, silent = await seen(cluster, hash, policy, [*places, *more])
    if found is None:
        fragments = cluster.rings.policies[policy].fragments
        assert fragments is not None
        if silent > fragments[1] and not gone:
            raise Unreachable(server="of fragments", why=f"{silent} of them say nothing")
        raise Missing(gone or None)
    return await _opened(cluster, hash, policy, found)


async def _opened(cluster: Cluster, hash: str, policy: int, found: Seen) -> "CodedFound":
    fragments = cluster.rings.policies[policy].fragments
    assert fragments is not None
    code = code_of(fragments)
    opened: dict[int, Found] = {}
    failed: StorageProblem = Missing()
    numbers = iter(sorted(found.where))

    async def one() -> None:
        nonlocal failed
        for number in numbers:
            for place in found.where[number]:
                try:
                    spot = Spot(place, policy, hash)
                    opened[number] = await cluster.servers.of(place).objects.fragment(spot, found.stamp, number)
                except StorageProblem as problem:
                    failed = problem
                    continue
                return

    await asyncio.gather(*(one() for _ in range(code.data)))
    if len(opened) < code.data:
        for part in opened.values():
            await part.close()
        raise failed
    return CodedFound(code, opened)


class CodedFound:
    """An object that can be read from enough of its fragments."""

    def __init__(self, code: Code, opened: dict[int, Found]) -> None:
        self._code = code
        self._opened = opened
        newest = max(opened.values(), key=lambda one: one.changed)
        self.metadata = newest.metadata
        self.size = int(newest.metadata["content-length"])
        self.stamp = newest.stamp
        self.changed = newest.changed

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there; raises what keeps a fragment from being read."""
        end = min(start + length, self.size)
        if start >= end:
            return
        first, last = start // SEGMENT, (end - 1) // SEGMENT
        at = first * self._code.length(SEGMENT)
        span = self._code.size(min((last + 1) * SEGMENT, self.size)) - at
        parts = [Pieces(found.read(at, span)) for found in self._opened.values()]
        try:
            for number in range(first, last + 1):
                wanted = self._code.length(min(SEGMENT, self.size - number * SEGMENT))
                segment = await asyncio.to_thread(self._code.decode, await _all(part.take(wanted) for part in parts))
                begin = number * SEGMENT
                yield segment[max(start - begin, 0) : end - begin]
        finally:
            for part in parts:
                await part.close()

    async def close(self) -> None:
        """It is not read any more."""
        await asyncio.gather(*(found.close() for found in self._opened.values()), return_exceptions=True)


async def _all(taking: Iterable[Awaitable[bytes]]) -> list[bytes]:
    """What each gives; raises the first failure once all have ended, as what is still being read cannot be closed."""
    found: list[bytes] = []
    for one in await asyncio.gather(*taking, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found


class Pieces:
    """The bytes of a fragment file, in pieces of given lengths."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self._held = b""

    async def take(self, size: int) -> bytes:
        """The next so many bytes."""
        held = [self._held]
        length = len(self._held)
        while length < size:
            part = await anext(self._parts, None)
            if part is None:
                raise StorageProblem("A fragment is shorter than its object says.")
            held.append(part)
            length += len(part)
        whole = b"".join(held)
        self._held = whole[size:]
        return whole[:size]

    async def close(self) -> None:
        """It is not read any more."""
        close = getattr(self._parts, "aclose", None)
        if close is not None:
            await close()
