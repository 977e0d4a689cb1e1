"""What runs on each host for volumes: makes them as wanted, tells what is seen.

`ThingHandler` stands between kit/hosts' agent, which brings documents, and back ends, which know nothing of them.
"""

from collections.abc import Callable, Mapping

import msgspec

from pileus.block_storage.drivers.interface import (
    Backend,
    Backup,
    BackupSeen,
    Disk,
    DiskSeen,
    DriverError,
    Kind,
    Seen,
)
from pileus.kit.hosts.exchange import Body

FACTS = "volume_backends"


class ThingHandler:
    """kit/hosts' Handler of documents of one kind: volumes, snapshots or backups."""

    def __init__(self, kind: Kind, backends: Mapping[str, Backend]) -> None:
        self._kind = kind
        self._backends = backends

    async def observe(self) -> Mapping[str, Body]:
        """Every such thing on this host, wanted or not."""
        found: dict[str, Body] = {}
        for backend in self._backends.values():
            seen = await backend.observe(self._kind)
            found |= {id: msgspec.to_builtins(each) for id, each in seen.items()}
        return found

    async def ensure(self, id: str, body: Body, generation: int) -> Seen:
        """The thing is, or is becoming, as the document says."""
        backend = self._backends.get(str(body.get("backend")))
        if backend is None:
            raise DriverError("The volume cannot be kept here", f"there is no back end {body.get('backend')}")
        # A document may come from a newer controller: fields unknown here are left aside.
        if self._kind is Kind.BACKUP:
            return await backend.ensure_backup(msgspec.convert({**body, "id": id}, Backup))
        return await backend.ensure_disk(self._kind, msgspec.convert({**body, "id": id}, Disk))

    async def ensure_gone(self, id: str) -> None:
        """Nothing of the thing is left on this host."""
        for backend in self._backends.values():
            await backend.ensure_gone(self._kind, id)


def handlers(backends: Mapping[str, Backend]) -> dict[str, ThingHandler]:
    """One for each kind of documents."""
    return {str(kind): ThingHandler(kind, backends) for kind in Kind}


def wake(backends: Mapping[str, Backend], look_again: Callable[[str, str], None]) -> None:
    """From now on `look_again(kind, id)` is called when a thing changed by itself; `Agent.look_again` fits."""
    for backend in backends.values():
        backend.on_change(lambda kind, id: look_again(str(kind), id))


async def facts(backends: Mapping[str, Backend]) -> Body:
    """What this host has to offer, for its registration."""
    return {FACTS: [msgspec.to_builtins(await backend.room()) for backend in backends.values()]}


def disk_seen(body: Body) -> DiskSeen:
    """What a host's report says of a disk."""
    return msgspec.convert(body, DiskSeen)


def backup_seen(body: Body) -> BackupSeen:
    """What a host's report says of a backup."""
    return msgspec.convert(body, BackupSeen)
