"""The bytes of images."""

from collections.abc import AsyncIterator

from pileus.image import errors
from pileus.image.api.service import MODIFY, api, image_find
from pileus.image.app import ImageApp
from pileus.image.commands import download as downloads
from pileus.image.commands import upload as uploads
from pileus.image.models.images import Image
from pileus.kit.http import Call, Reply, Stream
from pileus.kit.policy import PROJECT_MEMBER, Rule

TO_STORE = "x-image-meta-store"
SIZE = "x-openstack-image-size"
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
    chunks, length = _measured(call, body)
    await uploads.upload(call.app, image, chunks, length, call.headers.get(TO_STORE))


@api.put("/images/{image_id}/stage", MODIFY, find=image_find, content=(OCTETS,), status=204)
async def stage(call: Call[ImageApp], image: Image, body: Stream) -> None:
    """Stage an image's data for its import."""
    chunks, length = _measured(call, body)
    await uploads.stage(call.app, image, chunks, length)


def _measured(call: Call[ImageApp], body: Stream) -> tuple[AsyncIterator[bytes], int | None]:
    """The bytes of the body, and how many there are, if it is known; clients may say so in a header of their own."""
    given = call.headers.get(SIZE)
    if given is None:
        return aiter(body), body.length
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise errors.WrongValue(why=f"The header {SIZE} must be a number of bytes, not {given[:32]!r}.")
    if body.length not in {None, int(given)}:
        raise errors.SizeMismatch(said=given, came=body.length)
    return uploads.exactly(aiter(body), int(given)), int(given)


@api.get("/images/{image_id}/file", DOWNLOAD, find=image_find)
async def download(call: Call[ImageApp], image: Image) -> Reply:
    """Download an image's data."""
    downloads.check_download(call.caller, image)
    if not image.copies or image.size is None:
        return Reply(204)
    part = downloads.part_of(image.size, call.headers.get("range"), call.headers.get("content-range"))
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
