"""Wake-ups: they say "look again" at something and carry no data.

A wake-up may be lost, doubled or late, by contract: whoever waits reads the state again and has a timer besides.
`LocalBus` serves one process; between controllers the same `Bus` stands on database notifications.
"""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from pileus.kit.bus.postgres import PostgresBus


class WakeUp(NamedTuple):
    """Look again at `id` of `topic`."""

    topic: str
    id: str


class Subscription(Protocol):
    """Collects wake-ups from the moment it was made until it is closed; the same one twice counts once."""

    async def next(self, timeout_s: float | None = None) -> frozenset[WakeUp]:
        """Return what has woken since the last call, waiting for a first one; empty when the time is over."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Bus(Protocol):
    """Where wake-ups are sent and awaited."""

    def wake(self, topic: str, id: str) -> None:
        """Wake everyone who waits for this id of the topic, or for the whole topic."""
        ...

    def subscribe(self, *topics: str, id: str | None = None) -> Subscription:
        """Collect wake-ups of these topics, of one id or of all; close it after use (it is a context manager)."""
        ...

    async def wait(self, topic: str, id: str | None = None, timeout_s: float | None = None) -> bool:
        """Wait for one wake-up; False when the time is over. What came before the call is not seen: subscribe then."""
        ...

    async def close(self) -> None:
        """Nothing is sent or heard any more."""
        ...


class LocalSubscription:
    """Wake-ups inside one process."""

    def __init__(self, bus: "LocalBus", topics: tuple[str, ...], id: str | None) -> None:
        self._bus = bus
        self.topics = topics
        self.id = id
        self._woken: set[WakeUp] = set()
        self._any = asyncio.Event()

    def take(self, wake_up: WakeUp) -> None:
        """Remember a wake-up until `next` asks."""
        self._woken.add(wake_up)
        self._any.set()

    async def next(self, timeout_s: float | None = None) -> frozenset[WakeUp]:
        """Return what has woken since the last call, waiting for a first one; empty when the time is over."""
        if not self._woken:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._any.wait()
            except TimeoutError:
                return frozenset()
        woken, self._woken = frozenset(self._woken), set()
        self._any.clear()
        return woken

    def close(self) -> None:
        """Collect no more."""
        self._bus.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalBus:
    """Wake-ups between the tasks of one event loop."""

    def __init__(self) -> None:
        # By topic and id, None for all: a thousand hosts wait for wishes of their own, and one of them is woken.
        self._listeners: dict[tuple[str, str | None], set[LocalSubscription]] = {}

    def wake(self, topic: str, id: str) -> None:
        """Wake everyone who waits for this id of the topic, or for the whole topic."""
        for awaited in (id, None):
            for listener in self._listeners.get((topic, awaited), ()):
                listener.take(WakeUp(topic, id))

    def subscribe(self, *topics: str, id: str | None = None) -> LocalSubscription:
        """Collect wake-ups of these topics, of one id or of all; close it after use (it is a context manager)."""
        subscription = LocalSubscription(self, topics, id)
        for topic in topics:
            self._listeners.setdefault((topic, id), set()).add(subscription)
        return subscription

    def forget(self, subscription: LocalSubscription) -> None:
        """Send nothing more to this subscription."""
        for topic in subscription.topics:
            listeners = self._listeners.get((topic, subscription.id), set())
            listeners.discard(subscription)
            if not listeners:
                self._listeners.pop((topic, subscription.id), None)

    async def wait(self, topic: str, id: str | None = None, timeout_s: float | None = None) -> bool:
        """Wait for one wake-up; False when the time is over. What came before the call is not seen: subscribe then."""
        with self.subscribe(topic, id=id) as subscription:
            return bool(await subscription.next(timeout_s))

    async def close(self) -> None:
        """Nothing is held that would have to be closed."""


async def open_bus(database: str | Path) -> "LocalBus | PostgresBus":
    """The bus that goes with a database: on PostgreSQL it reaches all controllers; close it after use."""
    if str(database).startswith(("postgresql://", "postgres://")):
        from pileus.kit.bus.postgres import PostgresBus

        return await PostgresBus.open(str(database))
    return LocalBus()
