"""What all resources get when they are made and changed: ids, times, revisions, tags, and an event."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pileus.kit.db import Command
from pileus.network.app import Network
from pileus.network.errors import AvailabilityZoneNotFound
from pileus.network.models.resources import Standard
from pileus.network.store.journal import ANYTHING, NOTE


def standard(app: Network, wanted: Any, *, name: str | None = None) -> dict[str, Any]:
    """The columns all resources begin with, for a new one that was asked for."""
    now = app.clock.now()
    return {
        "id": str(uuid.uuid4()),
        "project_id": wanted.project_id,
        "name": getattr(wanted, "name", "") if name is None else name,
        "description": wanted.description,
        "tags": (),
        "revision": 0,
        "created_at": now,
        "updated_at": now,
    }


def checked_zones(app: Network, hints: Sequence[str]) -> tuple[str, ...]:
    """The availability zones something is to be in; raises AvailabilityZoneNotFound."""
    for zone in hints:
        if zone != app.config.zone:
            raise AvailabilityZoneNotFound(zone=zone)
    return tuple(hints)


def touched(app: Network, was: Standard, values: Mapping[str, object]) -> dict[str, object]:
    """The values with the next revision and the time of the change."""
    return {**values, "revision": was.revision + 1, "updated_at": app.clock.now()}


async def change(app: Network, statement: Command, was: Standard, values: Mapping[str, object]) -> None:
    """The resource's row has these values, in its next revision."""
    await app.db.run(statement, of_id=was.id, **touched(app, was, values))


async def changed(app: Network, part: str = ANYTHING, subject: str = "") -> None:
    """The change is in the journal, and the fabric is made as the tables say soon after it is durable."""
    await app.db.run(NOTE, part=part, subject=subject)
    app.changed()


async def tell(app: Network, kind: str, what: Standard) -> None:
    """The change is on record; `kind` is such as "network.created"."""
    subject = f"{kind.partition('.')[0]}:{what.id}"
    await app.events.tell(kind, subject, what.project_id, payload={"name": what.name})
