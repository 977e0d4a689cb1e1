"""The bytes of an image, whole or in part, and as a file for a host."""

import asyncio
import contextlib
import hashlib
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.drivers.content import Content, look_at
from pileus.image.drivers.interface import Unreadable, closing
from pileus.image.flows.cache import read_through
from pileus.image.flows.intake import PACKED, file_chunks, readable
from pileus.image.flows.signed import Seal, is_signed
from pileus.image.models.images import Copy, Image, Status
from pileus.image.store import images as store
from pileus.kit.auth import Caller
from pileus.kit.disk_formats import Mismatch, Unsafe
from pileus.kit.observe.log import log_of

log = log_of(__name__)
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes\s+(\d{1,18})-(\d{1,18})/(?:\*|\d{1,18})", re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    """A stretch of an image's bytes; `partial` if a stretch was asked for, though it may be all of them."""

    start: int
    length: int
    whole: int
    partial: bool = True

    @property
    def content_range(self) -> str:
        """The value of a Content-Range header."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.whole}"


def part_of(size: int, asked: str | None, old: str | None = None) -> Part:
    """The stretch a Range header asks for, or a Content-Range as old clients send it; raises WrongRange or SeveralRanges."""
    if asked is None and old is None:
        return Part(0, size, size, partial=False)
    if asked is not None and "," in asked:
        raise errors.SeveralRanges
    found = _RANGE.fullmatch(asked.strip()) if asked is not None else _CONTENT_RANGE.fullmatch((old or "").strip())
    first, last = found.groups() if found is not None else ("", "")
    start, end = size, size - 1
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    elif last:
        start = max(size - int(last), 0)
    if start >= size or end < start:
        raise errors.WrongRange(given=(asked or old or "")[:64], size=size)
    return Part(start, end - start + 1, size)


def check_download(caller: Caller, image: Image) -> None:
    """The image's status lets the caller have its bytes."""
    if image.status is Status.DEACTIVATED and not caller.admin:
        raise errors.Deactivated


async def open_image(app: ImageApp, image: Image, part: Part) -> AsyncIterator[bytes]:
    """The bytes of the part, chunk by chunk; raises BytesMissing before an answer has begun."""
    for copy in readable(app, image.copies):
        if await app.stores.all[copy.store].source.exists(copy.place):
            return read_through(app, image, part.start, part.length)
    raise errors.BytesMissing(image=image.id)


async def fetch(app: ImageApp, image_id: str, destination: Path) -> None:
    """The image's bytes are in `destination`, verified; else this raises and nothing is there."""
    image = await store.image_find(app, image_id)
    if image is None or not image.copies:
        raise errors.NoSuchImage(image=image_id)
    part = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}")
    try:
        await _fetch(app, image, part)
        part.replace(destination)
    finally:
        part.unlink(missing_ok=True)


async def _fetch(app: ImageApp, image: Image, part: Path) -> None:
    """The file is the image's bytes, from the first copy that gives them; raises ReadError."""
    why = "no store there is has it"
    for copy in readable(app, image.copies):
        try:
            await _bring(app, image, copy, part)
        except Unreadable as failed:
            why = f"store {copy.store}: {failed}"
            continue
        if app.stores.all[copy.store].target is None or not app.config.inspect:
            await _look(image, part)
        if image.hash_value is None or image.hash_algo is None:
            return
        digest = await asyncio.to_thread(_digest, part, image.hash_algo)
        if image.hash_value == digest:
            await _check_seal(app, image, part)
            return
        why = f"in store {copy.store} its {image.hash_algo} should be {image.hash_value} and is {digest}"
        log.error("image damaged", image=image.id, store=copy.store)
    raise errors.ReadError(image=image.id, why=why)


async def _bring(app: ImageApp, image: Image, copy: Copy, part: Path) -> None:
    """The file is what the store has; of what others keep never more than the image is known to be: they may send without end."""
    source, target = app.stores.all[copy.store].source, app.stores.all[copy.store].target
    if target is not None:
        await target.copy(copy.place, part)
        return
    with await asyncio.to_thread(part.open, "wb") as file:
        async with closing(source.read(copy.place, 0, image.size or 0)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)


async def _look(image: Image, part: Path) -> None:
    """What was not looked at when it came: no host gets it unless it is what it should be; raises UnsafeContent."""
    content = Content(image.disk_format, inspect=image.container_format not in PACKED)
    try:
        async with contextlib.aclosing(file_chunks(part)) as chunks:
            await look_at(content, chunks)
    except (Mismatch, Unsafe) as wrong:
        raise errors.UnsafeContent(why=str(wrong)) from wrong


async def _check_seal(app: ImageApp, image: Image, part: Path) -> None:
    """What the image's signature says holds of the file; raises BadSignature. Its certificate may have ended since."""
    if is_signed(image.properties):
        seal = await Seal.of(app, image)
        async with contextlib.aclosing(file_chunks(part)) as chunks:
            async for chunk in chunks:
                await seal.feed(chunk)
        seal.check()


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
