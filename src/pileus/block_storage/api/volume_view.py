"""Volumes as callers see them."""

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.block_storage.api.service import Link, links, moment
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.volumes import ATTACHED, DETACHING, Attachment, Volume
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import attachments_of
from pileus.kit.http import Call, F, Wire

_PLACES = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


class AttachedTo(Wire, kw_only=True):
    """What has a volume."""

    id: str
    attachment_id: str
    volume_id: str
    server_id: str | None
    host_name: str | None
    device: str | None
    attached_at: str | None


class VolumeBrief(Wire, kw_only=True):
    """A volume in a list without details."""

    id: str
    name: str | None
    links: list[Link]


class VolumeMade(Wire, kw_only=True):
    """A volume as its creator is told at once."""

    id: str
    status: str
    size: int
    availability_zone: str | None
    created_at: str | None
    updated_at: str | None
    attachments: list[AttachedTo]
    name: str | None
    description: str | None
    volume_type: str | None
    volume_type_id: Annotated[str | None, F(since="3.63")]
    snapshot_id: str | None
    source_volid: str | None
    metadata: dict[str, str]
    links: list[Link]
    user_id: str
    bootable: str
    encrypted: bool
    replication_status: str | None = None
    consistencygroup_id: str | None
    group_id: Annotated[str | None, F(since="3.13")]
    multiattach: bool
    migration_status: Annotated[str | None, F(rule="volume_extension:volume_mig_status_attribute")]
    provider_id: Annotated[str | None, F(since="3.21", rule="volume_extension:volume_host_attribute")] = None
    service_uuid: Annotated[str | None, F(since="3.48")]
    shared_targets: Annotated[bool | None, F(since="3.48")] = False
    cluster_name: Annotated[str | None, F(since="3.61", rule="volume_extension:volume_host_attribute")] = None
    encryption_key_id: Annotated[str | UnsetType, F(since="3.64")] = UNSET
    consumes_quota: Annotated[bool, F(since="3.65")]
    # What rules see; no client does.
    owner: Annotated[str, F(on="")] = ""

    def policy_target(self) -> dict[str, object]:
        """What policy rules see."""
        return {"project_id": self.owner, "user_id": self.user_id}


class VolumeView(VolumeMade, kw_only=True):
    """A volume."""

    image_metadata: Annotated[
        dict[str, str] | UnsetType,
        F("volume_image_metadata", rule="volume_extension:volume_image_metadata:show"),
    ]
    project_id: Annotated[str, F("os-vol-tenant-attr:tenant_id", rule="volume_extension:volume_tenant_attribute")]
    host: Annotated[str | None, F("os-vol-host-attr:host", rule="volume_extension:volume_host_attribute")]
    migration: Annotated[
        str | None, F("os-vol-mig-status-attr:migstat", rule="volume_extension:volume_mig_status_attribute")
    ]
    migration_name: Annotated[
        str | None, F("os-vol-mig-status-attr:name_id", rule="volume_extension:volume_mig_status_attribute")
    ] = None


def service_uuid(place: str) -> str:
    """The id of the service that keeps what is at that place."""
    return str(uuid.uuid5(_PLACES, place))


def _attached(call: Call[BlockStorage], volume: Volume, attachments: Sequence[Attachment]) -> list[AttachedTo]:
    # On which host a server is concerns those who run hosts, and services that go to them.
    tells = call.caller.admin or "service" in call.caller.roles
    return [
        AttachedTo(
            id=volume.id,
            attachment_id=each.id,
            volume_id=volume.id,
            server_id=each.server_id,
            host_name=each.host if tells else None,
            device=each.device,
            attached_at=moment(each.attached_at),
        )
        for each in attachments
        if each.status in {ATTACHED, DETACHING}
    ]


def _made(
    call: Call[BlockStorage], volume: Volume, type_name: str | None, attachments: Sequence[Attachment]
) -> dict[str, Any]:
    return dict(
        id=volume.id,
        status=volume.status,
        size=volume.size,
        availability_zone=volume.zone,
        created_at=moment(volume.created_at),
        updated_at=moment(volume.updated_at),
        attachments=_attached(call, volume, attachments),
        name=volume.name,
        description=volume.description,
        volume_type=type_name,
        volume_type_id=volume.type_id,
        snapshot_id=volume.snapshot_id,
        source_volid=volume.source_volid,
        metadata=_shown_metadata(volume, attachments),
        links=links(call, f"/volumes/{volume.id}"),
        user_id=volume.user_id,
        bootable="true" if volume.bootable else "false",
        encrypted=volume.encryption is not None,
        consistencygroup_id=None,
        group_id=volume.group_id,
        multiattach=volume.multiattach,
        owner=volume.project_id,
        migration_status=volume.migration_status,
        service_uuid=service_uuid(f"{volume.host}@{volume.backend}") if volume.host else None,
        consumes_quota=volume.consumes_quota,
        encryption_key_id=volume.key_id or UNSET,
    )


def _view(
    call: Call[BlockStorage], volume: Volume, type_name: str | None, attachments: Sequence[Attachment]
) -> VolumeView:
    return VolumeView(
        **_made(call, volume, type_name, attachments),
        image_metadata=volume.image_metadata or UNSET,
        project_id=volume.project_id,
        host=volume.place,
        migration=volume.migration_status,
    )


def _shown_metadata(volume: Volume, attachments: Sequence[Attachment]) -> dict[str, str]:
    """What is said of a volume's writability is shown among its metadata, as clients look for it there."""
    said = {} if volume.readonly is None else {"readonly": str(volume.readonly)}
    # Who attaches by the volume, as older clients do, is shown how; attachments tell that themselves.
    old = next((each for each in attachments if each.connector is None and each.status == ATTACHED), None)
    if old is not None and old.mode is not None:
        said = {"readonly": str(bool(volume.readonly)), "attached_mode": old.mode}
    return {**volume.metadata, **said}


async def views(call: Call[BlockStorage], found: Sequence[Volume]) -> list[VolumeView]:
    """Volumes with what belongs to them, read at once."""
    attached = await attachments_of(call.app, [volume.id for volume in found])
    kinds = await types.many(call.app, [volume.type_id for volume in found if volume.type_id])
    return [
        _view(call, volume, kinds[volume.type_id].name if volume.type_id in kinds else None, attached[volume.id])
        for volume in found
    ]


async def view(call: Call[BlockStorage], volume: Volume) -> VolumeView:
    """A volume with what belongs to it."""
    return (await views(call, [volume]))[0]


async def made(call: Call[BlockStorage], volume: Volume) -> VolumeMade:
    """A volume as its creator is told at once."""
    type = await types.find(call.app, volume.type_id)
    attached = (await attachments_of(call.app, [volume.id]))[volume.id]
    return VolumeMade(**_made(call, volume, type.name if type is not None else None, attached))


def brief(call: Call[BlockStorage], volume: Volume) -> VolumeBrief:
    """A volume in a list without details."""
    return VolumeBrief(id=volume.id, name=volume.name, links=links(call, f"/volumes/{volume.id}"))
