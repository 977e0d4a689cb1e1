"""Attachments, and the older actions by which volumes are attached."""

from typing import Annotated, Any

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.api.listing import filters, paged
from pileus.block_storage.api.service import (
    Name,
    RealName,
    Uuid,
    admin,
    api,
    member,
    moment,
    page_of,
    reader,
    scope,
    volume_find,
)
from pileus.block_storage.api.volume_actions import ACTION
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import attach as commands
from pileus.block_storage.commands import connections, holders
from pileus.block_storage.commands.volumes import volume_get
from pileus.block_storage.models.volumes import RESERVED, Attachment, Volume
from pileus.block_storage.store.volumes import attachments, attachments_of, volumes
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire
from pileus.kit.policy import Rule

SINCE = "3.27"
THIS = "/attachments/{attachment_id}"
# Reading attachments is as reading volumes.
READ = reader("volume:get")
FILTERS = {"volume_id": "volume_id", "status": "status", "instance_id": "server_id", "attach_status": "status"}


class AttachmentBrief(Wire, kw_only=True):
    """An attachment in a list without details."""

    status: str
    instance: str | None
    id: str
    volume_id: str


class AttachmentView(AttachmentBrief, kw_only=True):
    """An attachment."""

    attached_at: str
    detached_at: str
    attach_mode: str | None
    connection_info: dict[str, Any]


class AttachmentCreate(Wire, kw_only=True):
    """An attachment to make."""

    volume: Annotated[Uuid, F("volume_uuid")]
    server: Annotated[Uuid | None, F("instance_uuid")] = None
    connector: dict[str, Any] | None = None
    mode: Annotated[str, msgspec.Meta(pattern=r"^(rw|ro)$(?!\n)")] | None = None  # python-openstackclient says null


class AttachmentUpdate(Wire):
    """How the host that shall have the volume connects."""

    connector: dict[str, Any]


class AttachmentsQuery(Query):
    """Whose attachments."""

    all_tenants: str | None = None
    project_id: str | None = None


async def attachment_find(app: BlockStorage, caller: Caller, attachment_id: str) -> Attachment:
    """The attachment a path names; raises AttachmentNotFound."""
    return await commands.attachment_get(app, caller, attachment_id)


def _brief(attachment: Attachment) -> AttachmentBrief:
    return AttachmentBrief(
        status=attachment.status, instance=attachment.server_id, id=attachment.id, volume_id=attachment.volume_id
    )


async def _view(call: Call[BlockStorage], attachment: Attachment) -> AttachmentView:
    info: dict[str, Any] = {}
    volume = await volumes.find(call.app, attachment.volume_id)
    if attachment.status != RESERVED and volume is not None:
        said = await connections.connection(call.app, volume, mode=attachment.mode)
        info = {**said["data"], "driver_volume_type": said["driver_volume_type"], "attachment_id": attachment.id}
    return AttachmentView(
        status=attachment.status,
        instance=attachment.server_id,
        id=attachment.id,
        volume_id=attachment.volume_id,
        attached_at=moment(attachment.attached_at) or "",
        detached_at="",
        attach_mode=attachment.mode or ("rw" if attachment.status != RESERVED else None),
        connection_info=info,
    )


async def _page(call: Call[BlockStorage], query: AttachmentsQuery, page: Page) -> list[Attachment]:
    where = {**scope(call, query.all_tenants, query.project_id), **filters(call, FILTERS, "attachment")}
    limit = page_of(call, page)
    return await paged(
        call,
        lambda marker, count: attachments.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )


@api.get("/attachments", READ, key="attachments", since=SINCE)
async def index(call: Call[BlockStorage], query: AttachmentsQuery, page: Page) -> list[AttachmentBrief]:
    """List attachments."""
    return [_brief(each) for each in await _page(call, query, page)]


@api.get("/attachments/detail", READ, key="attachments", since=SINCE)
async def detail(call: Call[BlockStorage], query: AttachmentsQuery, page: Page) -> list[AttachmentView]:
    """List attachments with details."""
    return [await _view(call, each) for each in await _page(call, query, page)]


@api.get(THIS, READ, key="attachment", find=attachment_find, since=SINCE)
async def show(call: Call[BlockStorage], attachment: Attachment) -> AttachmentView:
    """Show an attachment."""
    return await _view(call, attachment)


CREATE = member("volume:attachment_create")
api.declare(member("volume:multiattach_bootable_volume"))


@api.post("/attachments", CREATE, key="attachment", status=200, since=SINCE, late=True)
async def create(call: Call[BlockStorage], body: AttachmentCreate) -> AttachmentView:
    """Keep a volume for a server, and connect it if it is said how."""
    volume = await volume_get(call.app, call.caller, body.volume)
    target = {"project_id": volume.project_id, "user_id": volume.user_id}
    call.require(CREATE.name, target)
    if body.mode is not None and call.version < (3, 54):
        raise errors.BadRequest(why="Additional properties are not allowed ('mode' was unexpected) in attachment.")
    if body.server is None and body.connector is None and call.version < (3, 54):
        raise errors.BadRequest(why="Either instance_uuid or connector must be given.")
    made = await commands.reserve(
        call.app,
        call.caller,
        volume.id,
        body.server,
        connector=body.connector or None,
        mode=body.mode,
        may_share_boot=call.allows("volume:multiattach_bootable_volume", target),
    )
    return await _view(call, made)


@api.put(THIS, member("volume:attachment_update"), key="attachment", find=attachment_find, since=SINCE, on="c")
async def update(call: Call[BlockStorage], attachment: Attachment, body: AttachmentUpdate) -> AttachmentView:
    """Connect a volume that is kept for somebody."""
    if not body.connector:
        raise errors.BadRequest(why="Invalid input: connector must say which host it is of.")
    return await _view(call, await commands.connect(call.app, attachment, body.connector))


@api.delete(THIS, member("volume:attachment_delete"), find=attachment_find, since=SINCE, status=200)
async def delete(call: Call[BlockStorage], attachment: Attachment) -> dict[str, Any]:
    """Give a volume back."""
    await holders.check_given_back(call.app, [attachment])
    left = await commands.release(call.app, attachment)
    return {"attachments": [_brief_dict(each) for each in left]}


def _brief_dict(attachment: Attachment) -> dict[str, Any]:
    return {
        "status": attachment.status,
        "instance": attachment.server_id,
        "id": attachment.id,
        "volume_id": attachment.volume_id,
    }


@api.action(
    THIS + "/action",
    "os-complete",
    member("volume:attachment_complete"),
    find=attachment_find,
    since="3.44",
    status=204,
)
async def complete(call: Call[BlockStorage], attachment: Attachment, body: Any) -> None:
    """Say that whoever a volume was kept for has it."""
    # The SDK says which attachment once more, others nothing or an empty object.
    await commands.complete(call.app, attachment)


# As older clients do it.


class Attach(Wire, kw_only=True):
    """Who has the volume, and as what."""

    server: Annotated[Uuid | None, F("instance_uuid")] = None
    host_name: Name | None = None
    mountpoint: RealName
    mode: Annotated[str, msgspec.Meta(pattern=r"^(rw|ro)$(?!\n)")] = "rw"


class Detach(Wire, kw_only=True):
    """Which attachment ends."""

    attachment_id: Uuid | None = None
    connector: dict[str, Any] | None = None


class Connector(Wire):
    """How a host connects."""

    connector: dict[str, Any]


def _old(name: str) -> Rule:
    return member(f"volume_extension:volume_actions:{name}")


@api.action(ACTION, "os-attach", _old("attach"), find=volume_find)
async def old_attach(call: Call[BlockStorage], volume: Volume, body: Attach) -> None:
    """Say that a server or a host has a volume."""
    if (body.server is None) == (body.host_name is None):
        raise errors.BadRequest(why="Invalid request to attach volume to an invalid target: name a server or a host.")
    await commands.old_attach(
        call.app,
        volume,
        server_id=body.server,
        host=body.host_name,
        device=body.mountpoint,
        mode=body.mode,
    )


@api.action(ACTION, "os-detach", _old("detach"), find=volume_find)
async def old_detach(call: Call[BlockStorage], volume: Volume, body: Detach | None) -> None:
    """Say that a server or a host has a volume no more."""
    await commands.old_detach(call.app, volume, body.attachment_id if body is not None else None)


@api.action(ACTION, "os-force_detach", admin("volume_extension:volume_admin_actions:force_detach"), find=volume_find)
async def force_detach(call: Call[BlockStorage], volume: Volume, body: Detach | None) -> None:
    """Say that nobody has a volume, whatever is seen."""
    await commands.old_detach(call.app, volume, body.attachment_id if body is not None else None, force=True)


@api.action(ACTION, "os-reserve", _old("reserve"), find=volume_find)
async def old_reserve(call: Call[BlockStorage], volume: Volume, body: dict[str, Any] | None) -> None:
    """Keep a volume for somebody who is about to attach it."""
    await commands.old_reserve(call.app, volume)


@api.action(ACTION, "os-unreserve", _old("unreserve"), find=volume_find)
async def old_unreserve(call: Call[BlockStorage], volume: Volume, body: dict[str, Any] | None) -> None:
    """Keep a volume for nobody any more."""
    await commands.old_unreserve(call.app, volume)


@api.action(ACTION, "os-begin_detaching", _old("begin_detaching"), find=volume_find)
async def old_begin_detaching(call: Call[BlockStorage], volume: Volume, body: dict[str, Any] | None) -> None:
    """Say that a volume is about to be detached."""
    await commands.old_begin_detaching(call.app, volume)


@api.action(ACTION, "os-roll_detaching", _old("roll_detaching"), find=volume_find)
async def old_roll_detaching(call: Call[BlockStorage], volume: Volume, body: dict[str, Any] | None) -> None:
    """Say that a volume could not be detached."""
    await commands.old_roll_detaching(call.app, volume)


@api.action(ACTION, "os-initialize_connection", _old("initialize_connection"), find=volume_find, status=200)
async def initialize_connection(call: Call[BlockStorage], volume: Volume, body: Connector) -> dict[str, Any]:
    """Say how a host gets at a volume."""
    if await connections.place_of_bytes(call.app, volume) is None:
        raise errors.InvalidVolume(why=f"Volume {volume.id} is not on its host yet.")
    return {"connection_info": await connections.connection(call.app, volume)}


@api.action(ACTION, "os-terminate_connection", _old("terminate_connection"), find=volume_find)
async def terminate_connection(call: Call[BlockStorage], volume: Volume, body: Connector) -> None:
    """Say that a host has let go of a volume."""
    found = (await attachments_of(call.app, [volume.id]))[volume.id]
    await holders.check_given_back(call.app, found)
    for each in found:
        if each.connector is not None and each.connector.get("host") == body.connector.get("host"):
            await attachments.change(call.app, each, connector=None)
