"""Who serves which place: this process, or another machine."""

import ssl
from collections.abc import Callable

from pileus.object_store.ring.places import Place
from pileus.object_store.storage.far.client import FarServer
from pileus.object_store.storage.far.lines import Lines, Timeouts
from pileus.object_store.storage.interface import StorageServer
from pileus.object_store.storage.published import Atlas

Tls = Callable[[], ssl.SSLContext | None]


class AllServers:
    """All storage servers of the cluster. `own` is this machine's name in rings; None if it has no devices."""

    def __init__(
        self, own: str | None, local: StorageServer, atlas: Atlas, tls: Tls, times: Timeouts | None = None
    ) -> None:
        self.own = own
        self._local = local
        self._atlas = atlas
        self._tls = tls
        self._times = times or Timeouts()
        self._far: dict[str, FarServer] = {}

    def of(self, place: Place) -> StorageServer:
        """Who serves a place."""
        host = place.device.host
        return self._local if host == self.own else self.far(host)

    def far(self, host: str) -> FarServer:
        """The storage server of another host."""
        found = self._far.get(host)
        if found is None:
            lines = Lines(host, lambda: self._atlas.where(host), self._tls, self._times)
            found = self._far[host] = FarServer(lines)
        return found

    async def close(self) -> None:
        """No connection is left."""
        for far in self._far.values():
            await far.lines.close()
