"""How operations end: what the row says then, the event, and the message that says why it went wrong."""

import datetime as dt
import uuid

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.messages import Message
from pileus.block_storage.models.volumes import Volume
from pileus.block_storage.store.messages import messages
from pileus.block_storage.store.volumes import volumes
from pileus.kit.flow.operation import Operation


async def tell(app: BlockStorage, op: Operation, kind: str, payload: dict[str, object] | None = None) -> None:
    """The event is told, in the transaction of whoever calls."""
    await app.events.tell(kind, op.subject, op.project_id, op.request_id, payload, user_id=op.user_id)


async def explain(app: BlockStorage, op: Operation, resource_type: str, action: str, detail: str = "backend") -> None:
    """Whoever asked can read why it did not come to be."""
    now = app.clock.now()
    message = Message(
        id=str(uuid.uuid4()),
        project_id=op.project_id or "",
        request_id=op.request_id,
        resource_type=resource_type,
        resource_id=op.subject.partition(":")[2],
        action=action,
        detail=detail,
        why=op.failure or "",
        created_at=now,
        expires_at=now + dt.timedelta(seconds=app.config.message_ttl_s),
    )
    await messages.create(app, message)


async def explain_trouble(
    app: BlockStorage, volume: Volume, why: str, request_id: str | None, detail: str = "disk"
) -> None:
    """Whoever uses the volume can read why its bytes cannot be read or written."""
    now = app.clock.now()
    message = Message(
        id=str(uuid.uuid4()),
        project_id=volume.project_id,
        request_id=request_id,
        resource_type="VOLUME",
        resource_id=volume.id,
        action="use",
        detail=detail,
        why=why,
        created_at=now,
        expires_at=now + dt.timedelta(seconds=app.config.message_ttl_s),
    )
    await messages.create(app, message)


async def settle(app: BlockStorage, volume: Volume, status: str | None = None, **changes: object) -> Volume:
    """The volume is busy no more: it is what it was before, or has that status."""
    now = status or volume.previous_status or "available"
    return await volumes.change(app, volume, status=now, previous_status=None, wanted_size=None, **changes)
