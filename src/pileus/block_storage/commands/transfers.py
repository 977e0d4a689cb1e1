"""Transfers: a volume is offered to whoever knows the offer's key, and taken by another project."""

import hashlib
import hmac
import secrets
import uuid

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.volumes import held
from pileus.block_storage.models.volumes import AVAILABLE, AWAITING_TRANSFER, Transfer, Volume
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import attachments_of, snapshots, transfers, volume_hold, volumes
from pileus.kit.auth import Caller


async def transfer_get(app: BlockStorage, id: str) -> Transfer:
    """The transfer, whoever asks: the one who accepts it is of another project. Raises TransferNotFound."""
    found = await transfers.find(app, id)
    if found is None:
        raise errors.TransferNotFound(transfer=id)
    return found


def _digest(salt: str, key: str) -> str:
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()


async def create_transfer(
    app: BlockStorage, caller: Caller, volume: Volume, *, name: str | None, no_snapshots: bool, encrypted: bool
) -> tuple[Transfer, str]:
    """The volume is offered; returns the offer and its key, which is told only now."""
    async with app.db.transaction():
        now = await held(app, volume, {AVAILABLE}, "status must be available")
        if now.encryption is not None and not encrypted:
            raise errors.InvalidVolume(why="transferring encrypted volume is not supported")
        if now.group_id is not None:
            raise errors.InvalidVolume(
                why=f"Volume {now.id} is part of group {now.group_id}: it cannot be transferred."
            )
        if (await attachments_of(app, [now.id]))[now.id]:
            raise errors.InvalidVolume(why=f"Volume {now.id} is attached.")
        copies = [] if no_snapshots else await snapshots.list(app, {"volume_id": now.id})
        if busy := next((each for each in copies if each.status != AVAILABLE), None):
            raise errors.InvalidSnapshot(why=f"snapshot: {busy.id} status must be available, not {busy.status}")
        salt, key = secrets.token_hex(8), secrets.token_hex(8)
        made = Transfer(
            id=str(uuid.uuid4()),
            volume_id=now.id,
            name=name,
            salt=salt,
            digest=_digest(salt, key),
            source_project_id=now.project_id,
            no_snapshots=no_snapshots,
            created_at=app.clock.now(),
        )
        await transfers.create(app, made)
        await volumes.change(app, now, status=AWAITING_TRANSFER)
    return made, key


async def accept_transfer(app: BlockStorage, caller: Caller, transfer: Transfer, key: str) -> Transfer:
    """The volume, with its snapshots unless that was excluded, is the caller's project's; raises what speaks against it."""
    async with app.db.transaction():
        volume = await volume_hold(app, transfer.volume_id)
        now = await transfers.find(app, transfer.id)
        if now is None or now.accepted or volume is None:
            raise errors.TransferNotFound(transfer=transfer.id)
        if not hmac.compare_digest(now.digest, _digest(now.salt, key)):
            raise errors.InvalidAuthKey(transfer=now.id)
        if volume.status != AWAITING_TRANSFER:
            raise errors.InvalidVolume(
                why=f"Transfer {now.id}: Volume id {volume.id} expected in state awaiting-transfer"
            )
        copies = [] if now.no_snapshots else await snapshots.list(app, {"volume_id": volume.id})
        gib = volume.size + sum(each.size for each in copies)
        asked = {"volumes": 1, "snapshots": len(copies), "gigabytes": gib}
        await quotas.check(app, caller.project_id or "", asked, await types.find(app, volume.type_id))
        owner = {"project_id": caller.project_id, "user_id": caller.user_id}
        await volumes.change(app, volume, status=AVAILABLE, **owner)
        for each in copies:
            await snapshots.change(app, each, **owner)
        await app.events.tell("volume.transferred", volume.subject, caller.project_id)
        done = await transfers.change(app, now, accepted=True, destination_project_id=caller.project_id)
        await transfers.delete(app, now.id)
    return done


async def delete_transfer(app: BlockStorage, transfer: Transfer) -> None:
    """The volume is offered no more."""
    async with app.db.transaction():
        volume = await volume_hold(app, transfer.volume_id)
        await transfers.delete(app, transfer.id)
        if volume is not None and volume.status == AWAITING_TRANSFER:
            await volumes.change(app, volume, status=AVAILABLE)
