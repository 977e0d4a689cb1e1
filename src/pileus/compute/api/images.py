"""Images, which clients asked compute for until 2.35, and their metadata until 2.38."""

from typing import Annotated

from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import Link, Metadata, api, links, member, moment, reader, time_asked
from pileus.compute.app import Compute
from pileus.compute.commands import old_images as commands
from pileus.kit.http import Call, F, Page, Query, Wire
from pileus.ports.image import ImageFacts, ImageQuery

UNTIL, METADATA_UNTIL = "2.35", "2.38"
IMAGE = "/images/{image_id}"
METADATA = IMAGE + "/metadata"
MOST = 1000
# Upstream asks no rule of compute's own here, only the image service's.
SEE, CHANGE = reader("images:show"), member("images:update")
STATUSES = {"active": "ACTIVE", "queued": "SAVING", "saving": "SAVING", "uploading": "SAVING", "killed": "ERROR"}
PROGRESS = {"queued": 25, "saving": 50, "uploading": 50, "active": 100}
TYPE = "application/vnd.openstack.image"


class TypedLink(Link):
    """A reference to a resource of another service."""

    type: str | UnsetType = UNSET


class OfServer(Wire):
    """The server an image was made of."""

    id: str
    links: list[Link]


class ImageBrief(Wire, kw_only=True):
    """An image in a list."""

    id: str
    name: str | None
    links: list[TypedLink]


class ImageView(ImageBrief, kw_only=True):
    """An image."""

    status: str
    progress: int
    created: str
    updated: str
    min_disk: Annotated[int, F("minDisk")]
    min_ram: Annotated[int, F("minRam")]
    size: Annotated[int | None, F("OS-EXT-IMG-SIZE:size")]
    disk_config: Annotated[str | UnsetType, F("OS-DCF:diskConfig")]
    metadata: dict[str, str]
    server: OfServer | UnsetType


class ImagesQuery(Query):
    """Which images."""

    name: str | None = None
    status: str | None = None
    changes_since: Annotated[str | None, F("changes-since")] = None
    server: str | None = None
    type: str | None = None
    min_disk: Annotated[int | None, F("minDisk")] = None
    min_ram: Annotated[int | None, F("minRam")] = None


async def _image(call: Call[Compute], image_id: str) -> ImageFacts:
    return await commands.image_get(call.app, call.caller, image_id)


def _links(call: Call[Compute], image: ImageFacts) -> list[TypedLink]:
    path = f"/images/{image.id}"
    own = [TypedLink(rel=link.rel, href=link.href) for link in links(call, path)]
    return [*own, TypedLink(rel="alternate", href=f"{call.base.rpartition('/')[0]}/image{path}", type=TYPE)]


def _brief(call: Call[Compute], image: ImageFacts) -> ImageBrief:
    return ImageBrief(id=image.id, name=image.name, links=_links(call, image))


def _view(call: Call[Compute], image: ImageFacts) -> ImageView:
    server = image.properties.get("instance_uuid")
    of_server: OfServer | UnsetType = UNSET
    if server:
        of_server = OfServer(id=server, links=links(call, f"/servers/{server}"))
    disk_config = image.properties.get("auto_disk_config")
    automatic = "AUTO" if (disk_config or "").lower() in {"1", "true", "yes", "on"} else "MANUAL"
    return ImageView(
        id=image.id,
        name=image.name,
        links=_links(call, image),
        status=STATUSES.get(image.status, "UNKNOWN"),
        progress=PROGRESS.get(image.status, 0),
        created=moment(image.created_at),
        updated=moment(image.updated_at),
        min_disk=image.min_disk,
        min_ram=image.min_ram,
        size=image.size,
        disk_config=UNSET if disk_config is None else automatic,
        metadata=dict(image.properties),
        server=of_server,
    )


async def _page(call: Call[Compute], query: ImagesQuery, page: Page) -> list[ImageFacts]:
    properties = {name.removeprefix("property-"): value for name, value in call.query if name.startswith("property-")}
    if query.server is not None:
        properties["instance_uuid"] = query.server.rpartition("/")[2]
    if query.type is not None:
        properties["image_type"] = query.type
    wanted = ImageQuery(
        name=query.name,
        status=None if query.status is None else query.status.lower(),
        min_disk=query.min_disk,
        min_ram=query.min_ram,
        updated_since=None if query.changes_since is None else time_asked("changes-since", query.changes_since),
        properties=properties,
    )
    if page.limit is None:
        page.limit = MOST
    return list(await call.app.images.list(call.caller, wanted, marker=page.marker, limit=page.limit))


@api.get("/images", SEE, key="images", until=UNTIL)
async def index(call: Call[Compute], query: ImagesQuery, page: Page) -> list[ImageBrief]:
    """List images."""
    return [_brief(call, image) for image in await _page(call, query, page)]


@api.get("/images/detail", SEE, key="images", until=UNTIL)
async def detail(call: Call[Compute], query: ImagesQuery, page: Page) -> list[ImageView]:
    """List images with details."""
    return [_view(call, image) for image in await _page(call, query, page)]


@api.get(IMAGE, SEE, key="image", until=UNTIL)
async def show(call: Call[Compute], image_id: str) -> ImageView:
    """Show an image."""
    return _view(call, await _image(call, image_id))


@api.delete(IMAGE, CHANGE, until=UNTIL)
async def delete(call: Call[Compute], image_id: str) -> None:
    """Delete an image."""
    await commands.delete_image(call.app, call.caller, image_id)


@api.get(METADATA, SEE, until=METADATA_UNTIL)
async def metadata_index(call: Call[Compute], image_id: str) -> dict[str, dict[str, str]]:
    """List an image's metadata."""
    return {"metadata": dict((await _image(call, image_id)).properties)}


@api.post(METADATA, CHANGE, key="metadata", status=200, until=METADATA_UNTIL)
async def metadata_create(call: Call[Compute], image_id: str, body: Metadata) -> dict[str, str]:
    """Add to an image's metadata."""
    image = await _image(call, image_id)
    return await commands.set_metadata(call.app, call.caller, image, {**image.properties, **body})


@api.put(METADATA, CHANGE, key="metadata", on="c", until=METADATA_UNTIL)
async def metadata_replace(call: Call[Compute], image_id: str, body: Metadata) -> dict[str, str]:
    """Replace an image's metadata."""
    image = await _image(call, image_id)
    return await commands.set_metadata(call.app, call.caller, image, body)


@api.get(METADATA + "/{key}", SEE, until=METADATA_UNTIL)
async def metadata_show(call: Call[Compute], image_id: str, key: str) -> dict[str, dict[str, str]]:
    """Show one item of an image's metadata."""
    image = await _image(call, image_id)
    if key not in image.properties:
        raise errors.NoSuchMetadataItem
    return {"meta": {key: image.properties[key]}}


@api.put(METADATA + "/{key}", CHANGE, key="meta", on="c", until=METADATA_UNTIL)
async def metadata_update(call: Call[Compute], image_id: str, key: str, body: Metadata) -> dict[str, str]:
    """Set one item of an image's metadata."""
    image = await _image(call, image_id)
    if list(body) != [key]:
        raise errors.BadRequest(why=f"Request body and URI mismatch: the body must hold '{key}' and nothing else.")
    await commands.set_metadata(call.app, call.caller, image, {**image.properties, **body})
    return body


@api.delete(METADATA + "/{key}", CHANGE, until=METADATA_UNTIL)
async def metadata_delete(call: Call[Compute], image_id: str, key: str) -> None:
    """Remove one item of an image's metadata."""
    image = await _image(call, image_id)
    if key not in image.properties:
        raise errors.NoSuchMetadataItem
    rest = {name: value for name, value in image.properties.items() if name != key}
    await commands.set_metadata(call.app, call.caller, image, rest)
