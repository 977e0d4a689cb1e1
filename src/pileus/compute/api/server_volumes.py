"""The volumes of a server: which it has, one more, one less, and whether they go with it."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute.api.service import Tag, Uuid, api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import volumes as commands
from pileus.compute.models.servers import Server, ServerState
from pileus.compute.models.volumes import ATTACHABLE, ServerVolume
from pileus.compute.store.volumes import volume_list
from pileus.kit.http import Call, F, Query, Wire
from pileus.kit.http.version import version
from pileus.kit.policy import ADMIN_OR_SERVICE, Rule

VOLUMES = "/servers/{server_id}/os-volume_attachments"
SWAP = "os_compute_api:os-volumes-attachments:swap"
SHELVED_SINCE, SHARED_SINCE, CHANGED_SINCE = version("2.20"), version("2.60"), version("2.85")
Device = Annotated[str, msgspec.Meta(pattern=r"^/dev/x?[a-z]?d?[a-z]+[0-9]*$(?!\n)", max_length=255)]

api.declare(Rule(SWAP, ADMIN_OR_SERVICE))


class Slice(Query):
    """Which part of a list."""

    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0


class AttachmentMade(Wire, kw_only=True):
    """A volume that was given to a server, as the request is answered."""

    id: str
    server_id: Annotated[str, F("serverId")]
    volume_id: Annotated[str, F("volumeId")]
    device: str | None
    tag: Annotated[str | None, F(since="2.70")]
    delete_on_termination: Annotated[bool, F(since="2.79")]


class AttachmentView(Wire, kw_only=True):
    """A volume of a server."""

    id: Annotated[str, F(until="2.88")]
    server_id: Annotated[str, F("serverId")]
    volume_id: Annotated[str, F("volumeId")]
    device: str
    tag: Annotated[str | None, F(since="2.70")]
    delete_on_termination: Annotated[bool, F(since="2.79")]
    attachment_id: Annotated[str, F(since="2.89")]
    bdm_uuid: Annotated[str, F(since="2.89")]


class AttachmentCreate(Wire, kw_only=True):
    """A volume to give to a server."""

    volume_id: Annotated[Uuid, F("volumeId")]
    device: Device | None = None
    tag: Annotated[Tag | UnsetType, F(since="2.49")] = UNSET
    delete_on_termination: Annotated[bool | UnsetType, F(since="2.79")] = UNSET


class AttachmentUpdate(Wire, kw_only=True):
    """Another volume to put in a volume's place, or whether the volume goes with the server."""

    volume_id: Annotated[Uuid, F("volumeId")]
    id: Annotated[Uuid | UnsetType, F(since="2.85")] = UNSET
    server_id: Annotated[Uuid | UnsetType, F("serverId", since="2.85")] = UNSET
    device: Annotated[Device | UnsetType | None, F(since="2.85")] = UNSET
    tag: Annotated[Tag | UnsetType, F(since="2.85")] = UNSET
    delete_on_termination: Annotated[bool | UnsetType, F(since="2.85")] = UNSET


def _view(volume: ServerVolume) -> AttachmentView:
    return AttachmentView(
        id=volume.volume_id,
        server_id=volume.server_id,
        volume_id=volume.volume_id,
        device=volume.device,
        tag=volume.tag,
        delete_on_termination=volume.delete_on_termination,
        attachment_id=volume.attachment_id,
        bdm_uuid=volume.id,
    )


@api.get(VOLUMES, reader("os-volumes-attachments:index"), key="volumeAttachments", find=server_find)
async def volumes_index(call: Call[Compute], server: Server, query: Slice) -> list[AttachmentView]:
    """List a server's volumes."""
    found = [_view(volume) for volume in await volume_list(call.app, server.id)]
    return found[query.offset :][: query.limit]


@api.get(VOLUMES + "/{volume_id}", reader("os-volumes-attachments:show"), key="volumeAttachment", find=server_find)
async def volumes_show(call: Call[Compute], server: Server, volume_id: str) -> AttachmentView:
    """Show one of a server's volumes."""
    return _view(await commands.attached_get(call.app, server, volume_id))


@api.post(
    VOLUMES, member("os-volumes-attachments:create"), key="volumeAttachment", find=server_find, status=200,
    until="2.100",
)  # fmt: skip
async def volumes_create(call: Call[Compute], server: Server, body: AttachmentCreate) -> AttachmentMade:
    """Give a server a volume."""
    volume = await _attach(call, server, body)
    return AttachmentMade(
        id=volume.volume_id,
        server_id=server.id,
        volume_id=volume.volume_id,
        device=volume.device if server.host is not None else None,
        tag=volume.tag,
        delete_on_termination=volume.delete_on_termination,
    )


@api.post(
    VOLUMES, member("os-volumes-attachments:create"), key="volumeAttachment", find=server_find, status=202,
    since="2.101",
)  # fmt: skip
async def volumes_create_later(call: Call[Compute], server: Server, body: AttachmentCreate) -> None:
    """Give a server a volume; the answer waits for nothing, and says nothing."""
    await _attach(call, server, body)


async def _attach(call: Call[Compute], server: Server, body: AttachmentCreate) -> ServerVolume:
    asked = commands.AskedVolume(
        volume_id=body.volume_id,
        device=body.device,
        tag=body.tag if body.tag is not UNSET else None,
        delete_on_termination=body.delete_on_termination is True,
    )
    shelved = frozenset({ServerState.SHELVED, ServerState.SHELVED_OFFLOADED})
    allowed = ATTACHABLE if call.version >= SHELVED_SINCE else ATTACHABLE - shelved
    share = call.version >= SHARED_SINCE
    return await commands.attach_volume(
        call.app, call.caller, server, asked, call.request_id, allowed=allowed, may_share=share
    )


@api.put(
    VOLUMES + "/{volume_id}", member("os-volumes-attachments:update"), key="volumeAttachment", find=server_find,
    status=202, on="c",
)  # fmt: skip
async def volumes_update(call: Call[Compute], server: Server, volume_id: str, body: AttachmentUpdate) -> None:
    """Put another volume in a volume's place, or say whether the volume goes with the server."""
    if call.version < CHANGED_SINCE or body.volume_id != volume_id:
        call.require(SWAP)
        await commands.swap_volume(call.app, call.caller, server, volume_id, body.volume_id, call.request_id)
        return
    wanted = {
        "id": body.id,
        "serverId": body.server_id,
        "device": body.device,
        "tag": body.tag,
        "delete_on_termination": body.delete_on_termination,
    }
    given = {name: value for name, value in wanted.items() if value is not UNSET}
    await commands.change_volume(call.app, server, volume_id, given)


@api.delete(VOLUMES + "/{volume_id}", member("os-volumes-attachments:delete"), find=server_find, status=202)
async def volumes_delete(call: Call[Compute], server: Server, volume_id: str) -> None:
    """Take a volume from a server."""
    await commands.detach_volume(call.app, call.caller, server, volume_id, call.request_id)
