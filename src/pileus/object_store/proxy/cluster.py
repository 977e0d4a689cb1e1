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


class Remembered(Generic[Facts]):
    """Facts by path; what is too old, or too much, is forgotten. None: there is no such thing."""

    def __init__(self, stamps: Stamps, for_s: float) -> None:
        self._stamps = stamps
        self._for_s = for_s
        self._known: OrderedDict[Path, tuple[float, Facts | None]] = OrderedDict()

    async def of(self, path: Path, ask: Callable[[], Awaitable[Facts]]) -> Facts | None:
        """The facts of a path, asked for if they are not known."""
        known = self._known.get(path)
        now = self._stamps.now()
        if known is not None and now - known[0] < (self._for_s if known[1] is not None else self._for_s / 10):
            return known[1]
        try:
            found: Facts | None = await ask()
        except Missing:
            found = None
        self._known[path] = (now, found)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return found

    def forget(self, path: Path) -> None:
        """The path changed."""
        self._known.pop(path, None)


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
        path = Path(path.account)

        async def ask() -> AccountFacts:
            places, handoffs = self.where(path)
            return await read_any(places, handoffs, lambda at: self.servers.of(at).accounts.facts(at, path))

        return await self._accounts.of(path, ask)

    async def container(self, path: Path) -> ContainerFacts | None:
        """What is known of the path's container; None when there is none."""
        path = Path(path.account, path.container)

        async def ask() -> ContainerFacts:
            places, handoffs = self.where(path)
            return await read_any(places, handoffs, lambda at: self.servers.of(at).containers.facts(at, path))

        return await self._containers.of(path, ask)

    def changed(self, path: Path) -> None:
        """An account or a container was changed by this proxy."""
        if path.depth == 1:
            self._accounts.forget(path)
        else:
            self._containers.forget(Path(path.account, path.container))
