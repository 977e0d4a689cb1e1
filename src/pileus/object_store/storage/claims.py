"""Claims: who alone may write an object for a moment, on the devices of this machine.

A proxy that has the claims of most of an object's devices looks at what is there and writes, and nobody else has come in between:
others' writes wait, others' claims are refused, and a write whose claim ran out is refused as well. Claims are in memory. They
end when they are released, after a while, or with this process, and none of that leaves anything behind.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from pileus.object_store.errors import Unmet
from pileus.object_store.storage.interface import Spot

Key = tuple[str, int, str]  # device, policy, hash


class Held(msgspec.Struct):
    """A claim that is held."""

    token: str
    until: float
    released: asyncio.Event


class Claims:
    """The claims on this machine's devices."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._held: dict[Key, Held] = {}
        self._writing: Counter[Key] = Counter()
        self.waiting = 0  # writes that wait for somebody's claim to end

    def take(self, spot: Spot, seconds: float) -> bool:
        """The object is claimed for so long by whom the spot names; False when it is claimed or written by others."""
        key = _key(spot)
        held = self._of(key)
        if self._writing[key] or (held is not None and held.token != spot.claim):
            return False
        self._held[key] = Held(
            spot.claim, self._now() + seconds, held.released if held is not None else asyncio.Event()
        )
        return True

    def release(self, spot: Spot) -> None:
        """The claim is not held any more."""
        held = self._held.get(_key(spot))
        if held is not None and held.token == spot.claim:
            del self._held[_key(spot)]
            held.released.set()

    @asynccontextmanager
    async def writing(self, spot: Spot) -> AsyncIterator[None]:
        """Inside, the object may be written, and nobody can claim it; raises Unmet when it should be claimed and is not."""
        key = _key(spot)
        while (held := self._of(key)) is not None and held.token != spot.claim:
            if spot.claim:
                raise Unmet
            self.waiting += 1
            try:
                async with asyncio.timeout(max(held.until - self._now(), 0.001)):
                    await held.released.wait()
            except TimeoutError:
                continue
            finally:
                self.waiting -= 1
        if spot.claim and held is None:
            raise Unmet
        self._writing[key] += 1
        try:
            yield
        finally:
            self._writing[key] -= 1
            if not self._writing[key]:
                del self._writing[key]

    def _of(self, key: Key) -> Held | None:
        held = self._held.get(key)
        if held is not None and held.until <= self._now():
            del self._held[key]
            held.released.set()
            return None
        return held


def _key(spot: Spot) -> Key:
    return spot.place.device.name, spot.policy, spot.hash
