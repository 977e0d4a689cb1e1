"""What a proxy works with: rings, servers, the time, options; and what it remembers of accounts and containers."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.disk.accounts import AccountFacts
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import Missing, Unreachable
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import Stamps
from pileus.object_store.proxy.replicas import read_any
from pileus.object_store.ring.places import Place
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.interface import Servers

Facts = TypeVar("Facts")
MOST = 10_000
Key = tuple[str, str]  # account and container


class Remembered(Generic[Facts]):
    """Facts by what they are of; what is too old, or too much, is forgotten. None: there is no such thing."""

    def __init__(self, stamps: Stamps, for_s: float) -> None:
        self._stamps = stamps
        self._for_s = for_s
        self._known: OrderedDict[Key, tuple[float, Facts | None]] = OrderedDict()

    def known(self, key: Key) -> tuple[float, Facts | None] | None:
        """What is remembered and may still be believed: since when, and the facts."""
        known = self._known.get(key)
        if known is None:
            return None
        age = self._stamps.now() - known[0]
        return known if age < (self._for_s if known[1] is not None else self._for_s / 10) else None

    async def of(self, key: Key, ask: Callable[[], Awaitable[Facts]]) -> Facts | None:
        """The facts, asked for."""
        now = self._stamps.now()
        try:
            found: Facts | None = await ask()
        except Missing:
            found = None
        self._known[key] = (now, found)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return found

    def forget(self, key: Key) -> None:
        """What it is about changed."""
        self._known.pop(key, None)


class Cluster:
    """The cluster as a proxy sees it."""

    def __init__(self, rings: Rings, servers: Servers, stamps: Stamps, config: ObjectStoreConfig) -> None:
        self.rings = rings
        self.servers = servers
        self.stamps = stamps
        self.config = config
        self._accounts: Remembered[AccountFacts] = Remembered(stamps, config.recheck_s)
        self._containers: Remembered[ContainerFacts] = Remembered(stamps, config.recheck_s)

    def where(self, path: Path, policy: int = 0) -> tuple[list[Place], Iterator[Place]]:
        """Where a path belongs, and who stands in; raises Unreachable while that is not known."""
        ring = self.rings.ring(path, policy)
        partition = ring.partition(self.rings.hash(path))
        places = ring.places(partition)
        if not places:
            raise Unreachable(server="of the cluster", why="this machine does not know the rings yet")
        return places, ring.handoffs(partition)

    async def account(self, path: Path) -> AccountFacts | None:
        """What is known of the path's account; None when there is none."""
        known = self._accounts.known((path.account, ""))
        if known is not None:
            return known[1]
        path = Path(path.account)

        async def ask() -> AccountFacts:
            places, handoffs = self.where(path)
            return await read_any(places, handoffs, lambda at: self.servers.of(at).accounts.facts(at, path))

        return await self._accounts.of((path.account, ""), ask)

    async def container(self, path: Path) -> ContainerFacts | None:
        """What is known of the path's container; None when there is none."""
        key = (path.account, path.container or "")
        known = self._containers.known(key)
        if known is not None:
            return known[1]
        path = Path(path.account, path.container)

        async def ask() -> ContainerFacts:
            places, handoffs = self.where(path)
            return await read_any(places, handoffs, lambda at: self.servers.of(at).containers.facts(at, path))

        return await self._containers.of(key, ask)

    def changed(self, path: Path) -> None:
        """An account or a container was changed by this proxy."""
        if path.depth == 1:
            self._accounts.forget((path.account, ""))
        else:
            self._containers.forget((path.account, path.container or ""))
