"""Attachments: a volume is kept for somebody, connected, theirs, and given back; one holder at a time unless multi-attach.

    reserved -> attaching -> attached -> detaching -> (gone)

Whoever decides holds the volume's row, so of any number who ask at once one has it.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import links
from pileus.block_storage.commands.holders import check_given_back
from pileus.block_storage.commands.volumes import mine
from pileus.block_storage.models.volumes import (
    ATTACHED,
    ATTACHING,
    AVAILABLE,
    AWAITING_TRANSFER,
    DETACHING,
    DOWNLOADING,
    ERROR,
    IN_USE,
    MAINTENANCE,
    RESERVED,
    Attachment,
    Volume,
    status_by_attachments,
)
from pileus.block_storage.store.volumes import attachments, attachments_of, volume_hold, volumes
from pileus.kit.auth import Caller

ATTACHABLE = frozenset({AVAILABLE, IN_USE, RESERVED, ATTACHING, DETACHING, DOWNLOADING})


async def attachment_get(app: BlockStorage, caller: Caller, id: str) -> Attachment:
    """The attachment, if it is the caller's project's; raises AttachmentNotFound."""
    found = await attachments.find(app, id)
    if found is None or not mine(found.project_id, caller):
        raise errors.AttachmentNotFound(attachment=id)
    return found


async def reserve(
    app: BlockStorage,
    caller: Caller,
    volume_id: str,
    server_id: str | None,
    *,
    id: str | None = None,
    connector: Mapping[str, Any] | None = None,
    mode: str | None = None,
    may_share_boot: bool = True,
    moves: bool = False,
) -> Attachment:
    """The volume is kept for the server; raises InvalidVolume if somebody else has it.

    `moves`: the server has it already, and is to have it at another host as well while it goes there.
    """
    async with app.db.transaction():
        if id is not None and (known := await attachments.find(app, id)) is not None:
            return known
        volume = await volume_hold(app, volume_id)
        if volume is None or not mine(volume.project_id, caller):
            raise errors.VolumeNotFound(volume=volume_id)
        others = (await attachments_of(app, [volume.id]))[volume.id]
        if not (moves and volume.status == IN_USE and any(each.server_id == server_id for each in others)):
            _check_free(volume, others, server_id)
        if volume.bootable and others and not may_share_boot:
            raise errors.InvalidVolume(
                why=f"Volume {volume.id} is bootable and in use: it cannot be attached once more."
            )
        made = Attachment(
            id=id or str(uuid.uuid4()),
            volume_id=volume.id,
            project_id=volume.project_id,
            server_id=server_id,
            status=ATTACHING if connector else RESERVED,
            mode=mode,
            host=_host(connector),
            device=(connector or {}).get("mountpoint"),
            connector=dict(connector) if connector else None,
            created_at=app.clock.now(),
        )
        await attachments.create(app, made)
        await show(app, volume)
    return made


def _check_free(volume: Volume, others: list[Attachment], server_id: str | None) -> None:
    # Who has reserved it by the volume, as older clients do, has no attachment yet: the status alone tells of him.
    shared = {IN_USE, RESERVED, ATTACHING} if volume.multiattach else frozenset[str]()
    if volume.status not in {AVAILABLE, *shared} or (others and not volume.multiattach):
        raise errors.InvalidVolume(
            why=f"Volume {volume.id} status must be available or downloading to reserve, "
            f"but the current status is {volume.status}."
        )
    if volume.multiattach and server_id is not None and any(each.server_id == server_id for each in others):
        raise errors.InvalidVolume(why=f"Volume {volume.id} is already attached to server {server_id}.")


def _host(connector: Mapping[str, Any] | None) -> str | None:
    return str(connector["host"]) if connector and connector.get("host") else None


async def show(app: BlockStorage, volume: Volume) -> None:
    """The volume's status is what its attachments make it."""
    left = (await attachments_of(app, [volume.id]))[volume.id]
    status, attach_status = status_by_attachments(left)
    await volumes.change(app, volume, status=status, attach_status=attach_status)


async def connect(
    app: BlockStorage, attachment: Attachment, connector: Mapping[str, Any], *, again: bool = False
) -> Attachment:
    """The attachment is being made at the host the connector names; raises what speaks against that.

    `again`: one that is complete is now at that host, with whoever has the volume.
    """
    async with app.db.transaction():
        volume = await volume_hold(app, attachment.volume_id)
        now = await attachments.find(app, attachment.id)
        if volume is None or now is None:
            raise errors.AttachmentNotFound(attachment=attachment.id)
        if now.status == ATTACHED and not again:
            raise errors.InvalidVolume(why=f"Attachment {now.id} is complete: it cannot be connected again.")
        others = [each for each in (await attachments_of(app, [volume.id]))[volume.id] if each.id != now.id]
        if others and any(each.host == _host(connector) and each.server_id == now.server_id for each in others):
            raise errors.InvalidVolume(why=f"Volume {volume.id} is already attached to that server.")
        made = await attachments.change(
            app,
            now,
            status=ATTACHED if now.status == ATTACHED else ATTACHING,
            connector=dict(connector),
            host=_host(connector),
            device=connector.get("mountpoint") or now.device,
            mode=connector.get("mode") or now.mode,
        )
        await show(app, volume)
    return made


async def complete(app: BlockStorage, attachment: Attachment) -> None:
    """Whoever it was kept for has the volume; raises AttachmentConflict if it was never connected."""
    async with app.db.transaction():
        volume = await volume_hold(app, attachment.volume_id)
        now = await attachments.find(app, attachment.id)
        if volume is None or now is None:
            raise errors.AttachmentNotFound(attachment=attachment.id)
        if now.status not in {ATTACHING, ATTACHED, RESERVED}:
            raise errors.AttachmentConflict(volume=volume.id, why=f"attachment {now.id} is {now.status}.")
        done = await attachments.change(app, now, status=ATTACHED, attached_at=now.attached_at or app.clock.now())
        await links.settle(app, done, volume)
        await show(app, volume)
        await app.events.tell("volume.attached", volume.subject, volume.project_id, payload={"server": now.server_id})


async def release(app: BlockStorage, attachment: Attachment) -> list[Attachment]:
    """The attachment is gone; returns those that are left."""
    async with app.db.transaction():
        volume = await volume_hold(app, attachment.volume_id)
        await attachments.delete(app, attachment.id)
        await links.forget(app, attachment)
        if volume is None:
            return []
        left = (await attachments_of(app, [volume.id]))[volume.id]
        status, attach_status = status_by_attachments(left)
        if volume.status in ATTACHABLE | {ERROR, MAINTENANCE}:
            kept = volume.status if volume.status in {ERROR, MAINTENANCE} else status
            await volumes.change(app, volume, status=kept, attach_status=attach_status)
        elif volume.previous_status == IN_USE:
            # Busy with something that began while it was in use: it will be free when that ends.
            await volumes.change(app, volume, previous_status=status, attach_status=attach_status)
        await app.events.tell(
            "volume.detached", volume.subject, volume.project_id, payload={"server": attachment.server_id}
        )
    return left


# As older clients do it, by the volume.


async def old_reserve(app: BlockStorage, volume: Volume) -> None:
    """The volume is being attached by somebody; raises InvalidVolume if it is not free."""
    async with app.db.transaction():
        now = await _held(app, volume)
        if now.status not in {AVAILABLE, *({IN_USE} if now.multiattach else ())}:
            raise errors.InvalidVolume(
                why=f"Volume status must be available or downloading to reserve, but the current status is {now.status}."
            )
        await volumes.change(app, now, status=ATTACHING, previous_status=now.status)


async def old_unreserve(app: BlockStorage, volume: Volume) -> None:
    """The volume is what it was before somebody wanted to attach it. Repeatable."""
    async with app.db.transaction():
        now = await _held(app, volume)
        if now.status == ATTACHING:
            await volumes.change(app, now, status=now.previous_status or AVAILABLE, previous_status=None)


async def old_begin_detaching(app: BlockStorage, volume: Volume) -> None:
    """The volume is being detached; raises InvalidVolume if it is not in use."""
    async with app.db.transaction():
        now = await _held(app, volume)
        if now.status != IN_USE:
            raise errors.InvalidVolume(
                why=f"Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to "
                f"detach, but it is {now.status} and {now.attach_status}."
            )
        await volumes.change(app, now, status=DETACHING)


async def old_roll_detaching(app: BlockStorage, volume: Volume) -> None:
    """The volume is in use as before. Repeatable."""
    async with app.db.transaction():
        now = await _held(app, volume)
        if now.status == DETACHING:
            await volumes.change(app, now, status=IN_USE)


async def old_attach(
    app: BlockStorage, volume: Volume, *, server_id: str | None, host: str | None, device: str, mode: str
) -> None:
    """The server, or the host, has the volume; raises InvalidVolume if it is not free."""
    async with app.db.transaction():
        now = await _held(app, volume)
        if now.status == AWAITING_TRANSFER or now.status not in {
            AVAILABLE,
            ATTACHING,
            *({IN_USE} if now.multiattach else ()),
        }:
            raise errors.InvalidVolume(why=f"Volume status must be available or attaching, but it is {now.status}.")
        if not now.multiattach and (await attachments_of(app, [now.id]))[now.id]:
            raise errors.InvalidVolume(why=f"Volume {now.id} is being attached by somebody else.")
        if now.readonly and mode == "rw":
            raise errors.BadAttachMode(mode=mode, volume=now.id)
        at = app.clock.now()
        made = Attachment(
            id=str(uuid.uuid4()),
            volume_id=now.id,
            project_id=now.project_id,
            server_id=server_id,
            host=host,
            status=ATTACHED,
            mode=mode,
            device=device,
            created_at=at,
            attached_at=at,
        )
        await attachments.create(app, made)
        await volumes.change(app, now, status=IN_USE, attach_status=ATTACHED, previous_status=None)
        await app.events.tell("volume.attached", now.subject, now.project_id, payload={"server": server_id})


async def old_detach(app: BlockStorage, volume: Volume, attachment_id: str | None, *, force: bool = False) -> None:
    """The attachment, or the only one, is gone; raises InvalidVolume if it has to be told which, BadRequest for
    another volume's. Repeatable."""
    found = (await attachments_of(app, [volume.id]))[volume.id]
    if attachment_id is not None:
        found = [each for each in found if each.id == attachment_id]
        if not found and await attachments.find(app, attachment_id) is not None:
            raise errors.BadRequest(why=f"Attachment {attachment_id} is not of volume {volume.id}.")
    elif len(found) > 1:
        raise errors.InvalidVolume(
            why=f"Detach volume failed: More than one attachment, but no attachment_id provided for volume {volume.id}."
        )
    await check_given_back(app, found)
    for each in found:
        await release(app, each)
    async with app.db.transaction():
        now = await _held(app, volume)
        # Who is busy with something else, or waits to be taken over, does not become free by this.
        if now.status in ATTACHABLE - {DOWNLOADING} or (force and now.status in {ERROR, MAINTENANCE}):
            await show(app, now)


async def _held(app: BlockStorage, volume: Volume) -> Volume:
    now = await volume_hold(app, volume.id)
    if now is None:
        raise errors.VolumeNotFound(volume=volume.id)
    return now
