"""The bytes of an image, whole or in part, and as a file for a host."""

import asyncio
import hashlib
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.models.images import Head, Image, Status
from pileus.image.store import images as store
from pileus.kit.auth import Caller

_RANGE = re.compile(r"bytes\s*=\s*(\d*)-(\d*)")


class Part(msgspec.Struct, frozen=True):
    """A stretch of an image's bytes."""

    start: int
    length: int
    whole: int

    @property
    def partial(self) -> bool:
        """Whether it is less than the whole."""
        return self.length != self.whole

    @property
    def content_range(self) -> str:
        """The value of a Content-Range header."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.whole}"


def part_of(size: int, asked: str | None) -> Part:
    """The stretch a Range header asks for; raises WrongRange."""
    found = None if asked is None else _RANGE.fullmatch(asked.strip())
    if asked is None or found is None:
        # A unit, or a list of ranges, that one does not know is to be ignored.
        return Part(0, size, size)
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    elif last:
        start, end = max(size - int(last), 0), size - 1
    else:
        return Part(0, size, size)
    if start >= size or end < start:
        raise errors.WrongRange(given=asked[:64], size=size)
    return Part(start, end - start + 1, size)


def check_download(caller: Caller, image: Image) -> None:
    """The image's status lets the caller have its bytes."""
    if image.status is Status.DEACTIVATED and not caller.admin:
        raise errors.Deactivated


async def open_image(app: ImageApp, image: Head, part: Part) -> AsyncIterator[bytes]:
    """The bytes of the part, chunk by chunk; raises BytesMissing before an answer has begun."""
    if image.file is None or not await app.files.exists(image.file):
        raise errors.BytesMissing(image=image.id)
    return app.files.read(image.file, part.start, part.length)


class Damaged(Exception):
    """The bytes of an image are not those it was made active with."""


async def fetch(app: ImageApp, image_id: str, destination: Path) -> None:
    """The image's bytes are in `destination`, verified; else this raises and nothing is there."""
    image = await store.head_find(app, image_id)
    if image is None or image.file is None or image.status is Status.UPLOADING:
        raise errors.NoSuchImage(image=image_id)
    part = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}")
    try:
        await app.files.copy(image.file, part)
        digest = await asyncio.to_thread(_sha512, part)
        if digest != image.hash_value:
            raise Damaged(f"image {image_id}: its sha512 should be {image.hash_value} and is {digest}")
        part.replace(destination)
    finally:
        part.unlink(missing_ok=True)


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()
