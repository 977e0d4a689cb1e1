"""What runs on each host for volumes: makes them as wanted, tells what is seen.

`ThingHandler` stands between kit/hosts' agent, which brings documents, and back ends, which know nothing of them.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.interface import (
    FOUND,
    HELD,
    Backend,
    Backup,
    BackupSeen,
    Disk,
    DiskSeen,
    DriverError,
    Kind,
    Origin,
    Room,
    Seen,
)
from pileus.kit.hosts.exchange import Body
from pileus.kit.observe.log import log_of
from pileus.ports.volume_files import VolumeFiles
from pileus.ports.volume_keys import VolumeKeys

log = log_of(__name__)

FACTS = "volume_backends"
DOWN = "down"  # the capability of a back end that cannot be used now: why


class Neighbours:
    """Keeps DiskFiles: disks of this host's other back ends, and by `far` those of other hosts."""

    def __init__(self, backends: Mapping[str, Backend], far: VolumeFiles | None = None) -> None:
        self._backends = backends
        self._far = far

    @contextlib.asynccontextmanager
    async def reading(self, origin: Origin, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        """A file with the raw bytes of the disk while the block lasts."""
        if origin.host is None:
            backend = self._backends.get(origin.backend or "")
            if backend is None:
                raise DriverError("There is nothing to copy", f"this host has no back end {origin.backend}")
            async with backend.reading(origin, spool, live=live) as file:
                yield file
            return
        if self._far is None:
            raise DriverError("There is nothing to copy", f"{origin.kind} {origin.id} is on host {origin.host}")
        arrived = spool / f"{origin.id}.arrived"
        try:
            await self._far.fetch(origin.host, origin.backend or "", origin.kind, origin.id, arrived)
            yield arrived
        finally:
            arrived.unlink(missing_ok=True)

    async def copy_held(self, holder: str, volume_id: str, target: Path) -> None:
        """`target` holds the raw bytes of one moment of a volume that a server on that host has; else this raises."""
        if self._far is None:
            raise DriverError("There is nothing to copy", f"volume {volume_id} is in use on host {holder}")
        await self._far.fetch(holder, "", HELD, volume_id, target)


class ThingHandler:
    """kit/hosts' Handler of documents of one kind: volumes, snapshots or backups."""

    def __init__(self, kind: Kind, backends: Mapping[str, Backend]) -> None:
        self._kind = kind
        self._backends = backends

    async def observe(self) -> Mapping[str, Body]:
        """Every such thing on this host, wanted or not."""
        found: dict[str, Body] = {}
        for name, backend in self._backends.items():
            try:
                seen = await backend.observe(self._kind)
            except DriverError as failed:
                log.warning("a back end does not answer", backend=name, kind=self._kind, why=str(failed))
                continue
            found |= {id: _plain(each, name) for id, each in seen.items()}
        return found

    async def ensure(self, id: str, body: Body, generation: int) -> Seen:
        """The thing is, or is becoming, as the document says."""
        backend = self._backends.get(str(body.get("backend")))
        if backend is None:
            raise DriverError("The volume cannot be kept here", f"there is no back end {body.get('backend')}")
        # A document may come from a newer controller: fields unknown here are left aside.
        if self._kind is Kind.BACKUP:
            return await backend.ensure_backup(msgspec.convert({**body, "id": id}, Backup))
        disk = msgspec.convert({**body, "id": id}, Disk)
        if disk.origin is not None and disk.origin.kind == FOUND and not disk.left:
            await self._check_alone(disk.origin.id, disk.backend)
        seen = await backend.ensure_disk(self._kind, disk)
        if seen.content == disk.content and seen.doing is None:
            await self._only_in(disk)
        return msgspec.structs.replace(seen, backend=disk.backend)

    async def _check_alone(self, name: str, backend: str) -> None:
        """Raise DriverError where another back end has a disk of that name too: the name is about to be removed from all."""
        for other, one in self._backends.items():
            if other != backend and name in await one.observe(self._kind):
                raise DriverError("The disk cannot be taken over", f"back end {other} has one called {name} too")

    async def _only_in(self, disk: Disk) -> None:
        """No back end but that of the document, and that of what it may still be made of, has the disk."""
        came_from = disk.origin.backend if disk.origin is not None and disk.origin.id == disk.id else None
        for name, backend in self._backends.items():
            if name not in {disk.backend, came_from}:
                await backend.ensure_gone(self._kind, disk.id)

    async def ensure_gone(self, id: str) -> None:
        """Nothing of the thing is left on this host."""
        for backend in self._backends.values():
            await backend.ensure_gone(self._kind, id)


def handlers(backends: Mapping[str, Backend]) -> dict[str, ThingHandler]:
    """One for each kind of documents."""
    return {str(kind): ThingHandler(kind, backends) for kind in Kind}


def _plain(seen: Seen, backend: str) -> Body:
    if isinstance(seen, DiskSeen):
        seen = msgspec.structs.replace(seen, backend=backend)
    plain: Body = msgspec.to_builtins(seen)
    return plain


def meet(backends: Mapping[str, Backend], far: VolumeFiles | None = None, keys: VolumeKeys | None = None) -> None:
    """From now on the back ends can copy from one another, from other hosts by `far`, and encrypt with these keys."""
    for backend in backends.values():
        backend.meet(Neighbours(backends, far), keys)


def wake(backends: Mapping[str, Backend], look_again: Callable[[str, str], None]) -> None:
    """From now on `look_again(kind, id)` is called when a thing changed by itself; `Agent.look_again` fits."""
    for backend in backends.values():
        backend.on_change(lambda kind, id: look_again(str(kind), id))


async def facts(backends: Mapping[str, Backend]) -> Body:
    """What this host has to offer, for its registration."""
    return {FACTS: [msgspec.to_builtins(await _room(name, backend)) for name, backend in backends.items()]}


async def _room(name: str, backend: Backend) -> Room:
    """What a back end has; nothing where it cannot be used, and why."""
    try:
        return await backend.room()
    except DriverError as failed:
        log.warning("a back end cannot be used", backend=name, why=str(failed))
        return Room(name=name, driver="", total_gib=0, free_gib=0, capabilities={DOWN: str(failed)})


def disk_seen(body: Body) -> DiskSeen:
    """What a host's report says of a disk."""
    return msgspec.convert(body, DiskSeen)


def backup_seen(body: Body) -> BackupSeen:
    """What a host's report says of a backup."""
    return msgspec.convert(body, BackupSeen)
