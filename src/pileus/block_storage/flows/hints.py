"""What a request said of where its volume shall be: with other volumes, apart from them, or on the host of a server.

The hints are those of upstream's affinity and locality filters, which are always on here. Volumes and servers of other projects
are unknown to them.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.services import Pool
from pileus.block_storage.models.volumes import Volume
from pileus.block_storage.store.volumes import volumes

SAME, APART, LOCAL = "same_host", "different_host", "local_to_instance"


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """Ids: of volumes to be with in one back end, of volumes to be apart from, and of a server to be on one host with."""

    same: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    local: str | None = None


def hints_of(said: Mapping[str, Any] | None) -> Hints:
    """What a request's hints say; those that mean nothing here are left aside. Raises InvalidInput."""
    given = said or {}
    local = _ids(given, LOCAL)
    if len(local) > 1:
        raise errors.InvalidInput(why=f"Scheduler hint {LOCAL} names one server.")
    return Hints(same=_ids(given, SAME), apart=_ids(given, APART), local=local[0] if local else None)


def _ids(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    said = given.get(name) or []
    found = [said] if isinstance(said, str) else said
    if not isinstance(found, list) or not all(isinstance(each, str) and _is_id(each) for each in found):
        raise errors.InvalidInput(why=f"Scheduler hint {name} must be an id, or a list of ids.")
    return tuple(found)


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def against(app: BlockStorage, volume: Volume, hints: Hints) -> Callable[[Pool], str | None]:
    """What, of what was asked, speaks against a back end; None if nothing does."""
    known = await volumes.many(app, [*hints.same, *hints.apart])
    places = {id: (each.host, each.backend) for id, each in known.items() if each.project_id == volume.project_id}
    asked = app.servers is not None and hints.local is not None
    host = await app.servers.host_of(hints.local or "", volume.project_id) if asked and app.servers else None

    def why(pool: Pool) -> str | None:
        here = (pool.host, pool.backend)
        if hints.local is not None and pool.host != host:
            return f"is not on the host of server {hints.local}, which was asked for"
        if any(places.get(id) == here for id in hints.apart):
            return "has a volume the new one was to be apart from"
        if hints.same and not any(places.get(id) == here for id in hints.same):
            return "has none of the volumes the new one was to be with"
        return None

    return why
