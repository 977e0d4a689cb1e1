"""Actions that make an image of a server."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from pileus.compute.api.service import ACTION_PATH, Metadata, api, member, server_find
from pileus.compute.app import Compute
from pileus.compute.commands.images import create_backup, create_image
from pileus.compute.commands.quotas import check_metadata
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire
from pileus.kit.http.version import Version

METADATA_UNCOUNTED = Version(2, 39)  # since then the quota of metadata is about servers alone
ID_IN_BODY = Version(2, 45)


ImageName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^(?! )(.*\S)$(?!\n)")]


class CreateImage(Wire):
    """An image to make of a server."""

    name: ImageName
    metadata: Metadata = {}


class CreateBackup(Wire):
    """A backup to make of a server: of which kind, and how many of that kind there are to be afterwards."""

    name: ImageName
    backup_type: str
    rotation: Annotated[int, msgspec.Meta(ge=0)] | Annotated[str, msgspec.Meta(pattern=r"^[0-9]+$(?!\n)")]
    metadata: Metadata = {}


class ImageCreated(Wire):
    """The image that is being made."""

    image_id: Annotated[str, F(since="2.45")]


@api.action(ACTION_PATH, "createImage", member("servers:create_image"), find=server_find)
async def image_create(call: Call[Compute], server: Server, body: CreateImage) -> ImageCreated | None:
    """Make an image of a server."""
    await _count(call, server, body.metadata)
    image_id = await create_image(call.app, call.caller, server, body.name, body.metadata, call.request_id)
    return await _told(call, image_id)


@api.action(ACTION_PATH, "createBackup", member("os-create-backup"), find=server_find)
async def backup_create(call: Call[Compute], server: Server, body: CreateBackup) -> ImageCreated | None:
    """Make a backup of a server; the oldest ones of its kind go."""
    rotation = int(body.rotation)
    await _count(call, server, body.metadata)
    image_id = await create_backup(
        call.app, call.caller, server, body.name, body.metadata, call.request_id,
        backup_type=body.backup_type, rotation=rotation,
    )  # fmt: skip
    # Without rotation no backup is left to be named.
    return await _told(call, image_id) if rotation else None


async def _count(call: Call[Compute], server: Server, metadata: Mapping[str, str]) -> None:
    if call.version < METADATA_UNCOUNTED:
        await check_metadata(call.app, server.project_id, metadata)


async def _told(call: Call[Compute], image_id: str) -> ImageCreated | None:
    if call.version >= ID_IN_BODY:
        return ImageCreated(image_id=image_id)
    images = await call.app.identity.endpoint("image")
    call.reply_headers["Location"] = f"{images or call.url('')}/v2/images/{image_id}".replace("/v2/v2/", "/v2/")
    return None
