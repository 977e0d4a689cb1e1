"""The bytes of images."""

from typing import ClassVar

from pileus.image import errors
from pileus.image.api.service import MODIFY, api, image_find
from pileus.image.app import ImageApp
from pileus.image.commands import download as downloads
from pileus.image.commands import upload as uploads
from pileus.image.models.images import Image, Status
from pileus.kit.http import Call, Reply, Stream, Wire
from pileus.kit.policy import PROJECT_MEMBER, Rule

OCTETS = "application/octet-stream"
DOWNLOAD = Rule(
    "download_image",
    "admin or project member or member[project=member_id] or member[visibility=community] or member[visibility=public] "
    "or member[visibility=shared]",
)


@api.put(
    "/images/{image_id}/file",
    Rule("upload_image", PROJECT_MEMBER),
    find=image_find,
    content=(OCTETS,),
    status=204,
)
async def upload(call: Call[ImageApp], image: Image, body: Stream) -> None:
    """Upload an image's data."""
    await uploads.upload(call.app, image, aiter(body), body.length)


@api.put("/images/{image_id}/stage", MODIFY, find=image_find, content=(OCTETS,), status=204)
async def stage(call: Call[ImageApp], image: Image, body: Stream) -> None:
    """Stage an image's data for its import."""
    await uploads.stage(call.app, image, aiter(body), body.length)


class ImportMethod(Wire):
    """How to import."""

    __loose__: ClassVar[bool] = True
    name: str


class Import(Wire):
    """An import; there is one store, so which stores is no question."""

    method: ImportMethod
    stores: list[str] | None = None
    all_stores: bool | None = None
    all_stores_must_succeed: bool | None = None


@api.post("/images/{image_id}/import", MODIFY, find=image_find, status=202)
async def import_(call: Call[ImageApp], image: Image, body: Import) -> None:
    """Import an image from what was staged."""
    if body.method.name != "glance-direct":
        raise errors.WrongMethod(method=body.method.name)
    await uploads.import_staged(call.app, image)


@api.get("/images/{image_id}/file", DOWNLOAD, find=image_find)
async def download(call: Call[ImageApp], image: Image) -> Reply:
    """Download an image's data."""
    downloads.check_download(call.caller, image)
    if image.file is None or image.size is None or image.status is Status.UPLOADING:
        return Reply(204)
    part = downloads.part_of(image.size, call.headers.get("range"))
    headers = {
        "Content-Type": OCTETS,
        "Content-Length": str(part.length),
        "Accept-Ranges": "bytes",
    }
    if part.partial:
        headers["Content-Range"] = part.content_range
    elif image.checksum is not None:
        headers["Content-MD5"] = image.checksum
    body = await downloads.open_image(call.app, image, part)
    return Reply(206 if part.partial else 200, body, headers)
