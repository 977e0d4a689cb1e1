"""Which objects expire when: a queue in hidden containers, one for each day, that the expirer works off.

An entry is made before the object is kept. If the object never comes, or its time is changed, the entry does no harm: the expirer
deletes only what expires at the very second the entry says.
"""

from collections.abc import AsyncIterator

import msgspec

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import Missing
from pileus.object_store.models.listings import ContainerRow, Entry, ObjectRow, Wanted
from pileus.object_store.models.paths import Path, object_path
from pileus.object_store.proxy.accounts import ensure_account
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.replicas import read_any, write_all
from pileus.object_store.ring.places import Place

ACCOUNT = "\0expiring"
DAY_S = 86_400
BATCH = 1000


class Due(msgspec.Struct, frozen=True):
    """An entry of the queue: an object, and the second at which it expires."""

    container: Path
    name: str
    path: Path
    deadline: str


class Expiring:
    """The queue of objects that expire."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def add(self, path: Path, deadline: str) -> None:
        """The object will be looked at when its time has come."""
        container = Path(ACCOUNT, f"{int(deadline) // DAY_S * DAY_S:010d}")
        name = f"{int(deadline):010d}-{path.account}/{path.container}/{path.object}"
        row = ObjectRow(name=name, stamp=self._cluster.stamps.next(), type="text/plain")
        try:
            await self._merge(container, row)
        except Missing:
            await self._make(container)
            await self._merge(container, row)

    async def done(self, due: Due) -> None:
        """The entry is gone."""
        await self._merge(due.container, ObjectRow(name=due.name, stamp=self._cluster.stamps.next(), deleted=True))

    async def due(self) -> AsyncIterator[Due]:
        """Every entry whose time has come. Days that are worked off are removed."""
        now = int(self._cluster.stamps.now())
        account = Path(ACCOUNT)
        places, handoffs = self._cluster.where(account)
        servers = self._cluster.servers
        try:
            _, days = await read_any(
                places,
                handoffs,
                lambda at: servers.of(at).accounts.listed(at, account, Wanted(end_marker=f"{now + 1:010d}")),
            )
        except Missing:
            return
        for day in days:
            assert isinstance(day, ContainerRow)
            container = Path(ACCOUNT, day.name)
            async for one in self._of_day(container, now):
                yield one
            if int(day.name) + 2 * DAY_S < now:
                await self._drop(container)

    async def _of_day(self, container: Path, now: int) -> AsyncIterator[Due]:
        marker = ""
        while True:
            wanted = Wanted(marker=marker, end_marker=f"{now + 1:010d}", limit=BATCH)
            rows = await self._rows(container, wanted)
            for row in rows:
                deadline, _, rest = row.name.partition("-")
                account, _, inner = rest.partition("/")
                path = object_path(inner, account)
                if path is not None:
                    yield Due(container, row.name, path, str(int(deadline)))
            if len(rows) < BATCH:
                return
            marker = rows[-1].name

    async def _rows(self, container: Path, wanted: Wanted) -> list[Entry]:
        places, handoffs = self._cluster.where(container)
        servers = self._cluster.servers
        try:
            _, rows = await read_any(
                places, handoffs, lambda at: servers.of(at).containers.listed(at, container, wanted)
            )
        except Missing:
            return []
        return rows

    async def _merge(self, container: Path, row: ObjectRow) -> None:
        places, handoffs = self._cluster.where(container)
        servers = self._cluster.servers
        (await write_all(places, handoffs, lambda at: servers.of(at).containers.merge(at, container, [row]))).settle()

    async def _make(self, container: Path) -> None:
        await ensure_account(self._cluster, container, {})
        stamp = self._cluster.stamps.next()
        places, handoffs = self._cluster.where(container)
        default = self._cluster.rings.default.index

        async def put(at: Place) -> bool:
            return await self._cluster.servers.of(at).containers.put(at, container, {}, stamp, None, default)

        (await write_all(places, handoffs, put)).settle()

    async def _drop(self, container: Path) -> None:
        """A day's container goes when it is empty."""
        facts: ContainerFacts | None = await self._cluster.container(container)
        if facts is None or facts.count:
            return
        stamp = self._cluster.stamps.next()
        places, handoffs = self._cluster.where(container)
        servers = self._cluster.servers
        await write_all(places, handoffs, lambda at: servers.of(at).containers.delete(at, container, stamp))
        self._cluster.changed(container)
