"""Block storage's promise to other services, kept."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import attach, links
from pileus.block_storage.commands.changes import reimage_volume
from pileus.block_storage.commands.connections import (
    FAKE,
    RBD,
    only_host,
    place_of_bytes,
    reached_by,
    room_at,
    store_at,
)
from pileus.block_storage.commands.create import NewVolume as Asked
from pileus.block_storage.commands.create import create_volume
from pileus.block_storage.commands.keys import key_of
from pileus.block_storage.commands.snapshots import create_snapshot, delete_snapshot, reset_snapshot, snapshot_get
from pileus.block_storage.commands.types import type_chosen
from pileus.block_storage.commands.volumes import delete_volume, mine, volume_get
from pileus.block_storage.drivers.interface import Place
from pileus.block_storage.flows.ending import explain_trouble
from pileus.block_storage.models.types import QosSpecs
from pileus.block_storage.models.volumes import ATTACHED, DELETING, DETACHING, RESERVED, Attachment, Snapshot, Volume
from pileus.block_storage.store.messages import messages
from pileus.block_storage.store.types import qos_specs, types
from pileus.block_storage.store.volumes import (
    attachments,
    attachments_of,
    attachments_of_servers,
    snapshots,
    volume_hold,
    volumes,
)
from pileus.kit.auth import Caller
from pileus.ports import block_storage as ports
from pileus.ports.block_storage import Attached, Cluster, Connection, Limits, NewVolume, VolumeFacts
from pileus.ports.volume_keys import VolumeKeys
from pileus.ports.volume_lists import SnapshotListed, VolumeAsked, VolumeListed, VolumeLists

KINDS: dict[str, Literal["fake", "rbd"]] = {FAKE: "fake", RBD: "rbd"}
# What QoS specs for front ends say, in the words of hosts.
LIMITS = {
    "total_bytes_sec": "total_bytes",
    "read_bytes_sec": "read_bytes",
    "write_bytes_sec": "write_bytes",
    "total_iops_sec": "total_iops",
    "read_iops_sec": "read_iops",
    "write_iops_sec": "write_iops",
}


class VolumePort:
    """Implements pileus.ports.block_storage.Volumes."""

    def __init__(self, app: BlockStorage) -> None:
        self._app = app
        self.lists: VolumeLists = Lists(app)
        self.keys: VolumeKeys = Keys(app)
        self.ways: ports.Ways = Ways(app)
        self.messages: ports.Messages = Messages(app)

    async def get(self, volume_id: str, caller: Caller) -> VolumeFacts | None:
        """The volume, if it exists and is the caller's project's."""
        volume = await volumes.find(self._app, volume_id)
        return await self._facts(volume) if volume is not None and mine(volume.project_id, caller) else None

    async def look(self, volume_id: str) -> VolumeFacts | None:
        """The volume as it is now, whoever's it is."""
        volume = await volumes.find(self._app, volume_id)
        return await self._facts(volume) if volume is not None else None

    async def create(self, volume_id: str, caller: Caller, new: NewVolume) -> VolumeFacts:
        """The volume exists, and is being filled."""
        known = await volumes.find(self._app, volume_id)
        if known is None:
            asked = Asked(
                id=volume_id,
                name=new.name,
                size=new.size_gib,
                type=new.type,
                zone=new.zone,
                image_id=new.image_id,
                snapshot_id=new.snapshot_id,
                host=new.host,
            )
            known = await create_volume(self._app, caller, asked, "")
        return await self._facts(known)

    async def remove(self, volume_id: str) -> None:
        """The volume is being deleted; it need not exist. Raises InvalidVolume while something has it attached."""
        volume = await volumes.find(self._app, volume_id)
        # A wish that is repeated is no new one.
        if volume is not None and not (volume.status == DELETING and await self._app.engine.open(volume.subject)):
            owner = Caller(user_id=volume.user_id, project_id=volume.project_id)
            await delete_volume(self._app, owner, volume, "")

    async def snapshot(self, snapshot_id: str, volume_id: str, name: str) -> None:
        """A snapshot of the volume, attached or not, is being made."""
        volume = await volumes.find(self._app, volume_id)
        if volume is None:
            raise errors.VolumeNotFound(volume=volume_id)
        owner = Caller(user_id=volume.user_id, project_id=volume.project_id)
        await create_snapshot(self._app, owner, volume, "", name=name, force=True, id=snapshot_id)

    async def reserve(
        self, attachment_id: str, volume_id: str, server_id: str, caller: Caller, *, moves: bool = False
    ) -> None:
        """The volume is kept for the server, and for no other unless it is multi-attach."""
        await attach.reserve(self._app, caller, volume_id, server_id, id=attachment_id, moves=moves)

    async def connect(
        self, attachment_id: str, host: str, *, device: str | None = None, readonly: bool = False, moving: bool = False
    ) -> Connection:
        """The volume is being attached at the host, and this is how."""
        made = await self._attachment(attachment_id)
        volume = await self._where(made.volume_id, moving=moving)
        linked = host in await links.reaching(self._app, volume.host, volume.backend)
        room = await room_at(self._app, volume, volume.host or "" if linked else host)
        readonly = readonly or bool(volume.readonly)
        if made.status == RESERVED or made.host != host:
            connector = {"host": host, "mountpoint": device, "mode": "ro" if readonly else "rw"}
            await attach.connect(self._app, made, connector, again=True)
        place = Place(await links.link_path(self._app, made, host)) if linked else await self._place(volume)
        return Connection(
            volume_id=volume.id,
            attachment_id=made.id,
            kind=KINDS.get(room.driver, "file"),
            path=place.path,
            format="luks" if volume.sealed_key is not None else place.format,
            within=place.format,
            size_gib=volume.size,
            readonly=readonly,
            shared=volume.multiattach,
            limits=await self._limits(volume),
            cluster=msgspec.convert(room.access, Cluster) if room.driver == RBD else None,
        )

    async def _where(self, id: str, *, moving: bool) -> Volume:
        """The volume where it is, or where it is on its way to."""
        volume = await volumes.find(self._app, id)
        if volume is None:
            raise errors.VolumeNotFound(volume=id)
        op = await self._app.engine.open(volume.subject)
        moves = op is not None and op.flow == "volume.move" and op.args.get("server") is not None
        if moves is not moving:
            why = "is being moved: it can be connected when that has ended." if moves else "is not being moved."
            raise errors.AttachmentConflict(volume=id, why=why)
        if op is None or not moving:
            return volume
        return msgspec.structs.replace(volume, host=str(op.args["host"]), backend=str(op.args["backend"]))

    async def complete(self, attachment_id: str) -> None:
        """The server has the volume."""
        await attach.complete(self._app, await self._attachment(attachment_id))

    async def begin_detaching(self, attachment_id: str) -> None:
        """The volume is shown as being detached."""
        await self._move(attachment_id, DETACHING)

    async def roll_detaching(self, attachment_id: str) -> None:
        """The volume is in use as before."""
        await self._move(attachment_id, ATTACHED)

    async def release(self, attachment_id: str) -> None:
        """The attachment is gone, and the volume free if it was the last."""
        found = await attachments.find(self._app, attachment_id)
        if found is not None:
            await attach.release(self._app, found)

    async def attachments(self, server_ids: Sequence[str]) -> Mapping[str, tuple[Attached, ...]]:
        """What each of the servers has, or is about to."""
        found: dict[str, list[Attached]] = {id: [] for id in server_ids}
        for each in await attachments_of_servers(self._app, server_ids):
            server = each.server_id or ""
            found[server].append(
                Attached(id=each.id, volume_id=each.volume_id, server_id=server, device=each.device, status=each.status)
            )
        return {id: tuple(some) for id, some in found.items()}

    async def _attachment(self, id: str) -> Attachment:
        found = await attachments.find(self._app, id)
        if found is None:
            raise errors.AttachmentNotFound(attachment=id)
        return found

    async def _move(self, id: str, status: str) -> None:
        async with self._app.db.transaction():
            found = await self._attachment(id)
            volume = await volume_hold(self._app, found.volume_id)
            if volume is not None and found.status in {ATTACHED, DETACHING}:
                await attachments.change(self._app, found, status=status)
                await attach.show(self._app, volume)

    async def _place(self, volume: Volume) -> Place:
        place = await place_of_bytes(self._app, volume)
        if place is None:
            raise errors.AttachmentConflict(volume=volume.id, why="is not on its host yet.")
        return place

    async def _limits(self, volume: Volume) -> Limits:
        type = await types.find(self._app, volume.type_id)
        qos = await qos_specs.find(self._app, type.qos_id) if type is not None else None
        return limits_of(qos, volume.size) if qos is not None and qos.consumer != "back-end" else Limits()

    async def _facts(self, volume: Volume) -> VolumeFacts:
        told = await messages.list(self._app, {"resource_id": volume.id}, limit=1) if volume.status == "error" else []
        return VolumeFacts(
            id=volume.id,
            name=volume.name,
            project_id=volume.project_id,
            status=volume.status,
            size_gib=volume.size,
            bootable=volume.bootable,
            multiattach=volume.multiattach,
            readonly=bool(volume.readonly),
            zone=volume.zone,
            host=await only_host(self._app, volume),
            reached_by=await reached_by(self._app, volume),
            store_at=await store_at(self._app, volume),
            encrypted=volume.encryption is not None,
            image_properties=volume.image_metadata,
            failure=told[0].text if told else None,
        )


def limits_of(qos: QosSpecs, size_gib: int) -> Limits:
    """What hosts let through, of specs such as `total_iops_sec` and, for each GiB, `total_iops_sec_per_gb`."""
    found: dict[str, int] = {}
    for key, name in LIMITS.items():
        for spec, factor in ((key, 1), (f"{key}_per_gb", size_gib)):
            text = qos.specs.get(spec, "")
            if text.isascii() and text.isdigit():
                found[name] = int(text) * factor
    return Limits(**found)


class Keys:
    """Implements pileus.ports.volume_keys.VolumeKeys."""

    def __init__(self, app: BlockStorage) -> None:
        self._app = app

    async def fetch(self, volume_id: str) -> bytes:
        """What opens the volume; raises VolumeNotFound or KeyLost."""
        return await key_of(self._app, volume_id)


class Messages:
    """Keeps pileus.ports.block_storage.Messages."""

    def __init__(self, app: BlockStorage) -> None:
        self._app = app

    async def explain(self, volume_id: str, why: str, request_id: str | None) -> None:
        """Who reads the volume's messages learns that a server cannot read or write it."""
        volume = await volumes.find(self._app, volume_id)
        if volume is not None:
            await explain_trouble(self._app, volume, why, request_id)


class Ways:
    """Implements pileus.ports.block_storage.Ways."""

    def __init__(self, app: BlockStorage) -> None:
        self._app = app

    async def prepare(self, attachment_id: str, host: str) -> str | None:
        """The host gets at the volume as soon as it is connected there; or what has to be waited for."""
        made = await attachments.find(self._app, attachment_id)
        if made is None:
            raise errors.AttachmentNotFound(attachment=attachment_id)
        volume = await volumes.find(self._app, made.volume_id)
        return await links.prepare(self._app, made, volume, host) if volume is not None else None

    async def fetch(self, attachment_id: str) -> Mapping[str, str]:
        """The keys of the hosts that may take the way; raises AttachmentNotFound."""
        return await links.keys_of(self._app, attachment_id)


class Lists:
    """Implements pileus.ports.volume_lists.VolumeLists."""

    def __init__(self, app: BlockStorage) -> None:
        self._app = app

    async def volumes(self, caller: Caller, limit: int) -> Sequence[VolumeListed]:
        """The newest volumes of the caller's project."""
        return await self._listed(await volumes.list(self._app, {"project_id": caller.project_id or ""}, limit=limit))

    async def volume(self, caller: Caller, id: str) -> VolumeListed:
        """The volume; raises VolumeNotFound."""
        return (await self._listed([await volume_get(self._app, caller, id)]))[0]

    async def make_volume(self, caller: Caller, asked: VolumeAsked, request_id: str) -> VolumeListed:
        """The caller's project has the volume."""
        new = Asked(
            name=asked.name,
            description=asked.description,
            size=asked.size_gib,
            type=asked.type,
            zone=asked.zone,
            snapshot_id=asked.snapshot_id,
            metadata=dict(asked.metadata),
        )
        return (await self._listed([await create_volume(self._app, caller, new, request_id)]))[0]

    async def remake_volume(self, caller: Caller, id: str, image_id: str) -> None:
        """The volume is being made anew of the image; raises what speaks against that."""
        volume = await volume_get(self._app, caller, id)
        await reimage_volume(self._app, caller, volume, image_id, "", reserved=True, in_use=True)

    async def has_type(self, caller: Caller, name: str) -> bool:
        """Whether the caller may make volumes of that type."""
        try:
            return await type_chosen(self._app, caller, name) is not None
        except errors.TypeNotFound:
            return False

    async def users(self, volume_id: str) -> int:
        """How many have the volume, or are about to."""
        return len((await attachments_of(self._app, [volume_id]))[volume_id])

    async def remove_volume(self, caller: Caller, id: str, request_id: str) -> None:
        """The volume is being deleted; raises VolumeNotFound or InvalidVolume."""
        await delete_volume(self._app, caller, await volume_get(self._app, caller, id), request_id)

    async def snapshots(self, caller: Caller, limit: int) -> Sequence[SnapshotListed]:
        """The newest snapshots of the caller's project."""
        found = await snapshots.list(self._app, {"project_id": caller.project_id or ""}, limit=limit)
        return [_snapshot_listed(each) for each in found]

    async def snapshot(self, caller: Caller, id: str) -> SnapshotListed:
        """The snapshot; raises SnapshotNotFound."""
        found = await snapshot_get(self._app, caller, id)
        return msgspec.structs.replace(_snapshot_listed(found), host=await only_host(self._app, found))

    async def make_snapshot(
        self, caller: Caller, volume_id: str, request_id: str, *, name: str | None, description: str | None, force: bool
    ) -> SnapshotListed:
        """The snapshot of the volume is being made; raises VolumeNotFound or InvalidVolume."""
        volume = await volume_get(self._app, caller, volume_id)
        made = await create_snapshot(
            self._app, caller, volume, request_id, name=name, description=description, force=force
        )
        return _snapshot_listed(made)

    async def remove_snapshot(self, caller: Caller, id: str, request_id: str) -> None:
        """The snapshot is being deleted; raises SnapshotNotFound or InvalidSnapshot."""
        await delete_snapshot(self._app, caller, await snapshot_get(self._app, caller, id), request_id)

    async def snapshot_failed(self, snapshot_id: str, volume_id: str) -> None:
        """A snapshot of the volume that waits for somebody else to make or remove it is in error; it need not exist."""
        snapshot = await snapshots.find(self._app, snapshot_id)
        ends = {"creating": "error", "deleting": "error_deleting"}
        if snapshot is not None and snapshot.volume_id == volume_id and snapshot.status in ends:
            await reset_snapshot(self._app, snapshot, ends[snapshot.status])

    async def _listed(self, found: Sequence[Volume]) -> list[VolumeListed]:
        attached = await attachments_of(self._app, [volume.id for volume in found])
        kinds = await types.many(self._app, [volume.type_id for volume in found if volume.type_id])
        return [
            _volume_listed(volume, kinds[volume.type_id].name if volume.type_id in kinds else None, attached[volume.id])
            for volume in found
        ]


def _volume_listed(volume: Volume, type: str | None, held: Sequence[Attachment]) -> VolumeListed:
    first = next((each for each in held if each.status in {ATTACHED, DETACHING}), None)
    return VolumeListed(
        id=volume.id,
        name=volume.name,
        description=volume.description,
        status=volume.status,
        size_gib=volume.size,
        zone=volume.zone,
        type=type,
        snapshot_id=volume.snapshot_id,
        metadata=volume.metadata,
        created_at=volume.created_at,
        server_id=None if first is None else first.server_id,
        device=None if first is None else first.device,
    )


def _snapshot_listed(snapshot: Snapshot) -> SnapshotListed:
    return SnapshotListed(
        id=snapshot.id,
        volume_id=snapshot.volume_id,
        name=snapshot.name,
        description=snapshot.description,
        status=snapshot.status,
        size_gib=snapshot.size,
        created_at=snapshot.created_at,
    )
