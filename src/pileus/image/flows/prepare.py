"""What becomes of staged bytes before they are placed: unpacked, converted, and their image given properties.

Each step makes a new file beside the one before, looks at it as at an upload, and says in one transaction that it is the
image's now; so a crash finds either. The image's formats are put back if the import fails later.
"""

import contextlib
from collections.abc import Mapping

import msgspec

from pileus.image.app import ImageApp
from pileus.image.drivers.content import Content, look_at
from pileus.image.drivers.convert import NotConverted, converted
from pileus.image.drivers.interface import StoreIsFull, Unreadable, closing
from pileus.image.drivers.packed import NotPacked, unpacked
from pileus.image.flows.intake import drop, take_in
from pileus.image.models.images import Findings, Head
from pileus.image.models.imports import Import, Plugin
from pileus.image.store import images as store
from pileus.kit.disk_formats import Mismatch, Unsafe
from pileus.kit.disk_images import TOOL_NAMES
from pileus.kit.errors import Problem
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Outcome

GONE = "The image was deleted meanwhile."
PACKED, BARE = "compressed", "bare"
DISKS = frozenset({"qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "ploop", "gpt"})  # a CD stays one


def spent(op: Operation) -> set[str]:
    """The staged files that others have taken the place of."""
    return {op.facts[name] for name in ("packed", "unconverted") if name in op.facts}


async def _staged(app: ImageApp, op: Operation, plugin: Plugin) -> Head | None:
    """The image, if it has bytes that the plugin is to work on."""
    asked = msgspec.convert(op.args, Import)
    image = await store.head_find(app, asked.image) if plugin in asked.plugins else None
    return image if image is not None and image.staged is not None else None


async def unpack(app: ImageApp, op: Operation) -> Outcome:
    """The staged bytes are a disk, not one packed to travel."""
    image = await _staged(app, op, Plugin.UNPACK)
    if image is None or image.staged is None or image.container_format != PACKED:
        return Done()
    file = f"{image.id}.{op.id}.unpacked"
    bare = msgspec.structs.replace(image, container_format=BARE)
    try:
        incoming = await app.stores.staging.create(file)
        try:
            async with contextlib.aclosing(unpacked(app.stores.staging.path(image.staged))) as pieces:
                found = await take_in(app, bare, incoming, pieces, app.config.plugins.largest)
            await incoming.keep()
        except BaseException:
            await drop(incoming)
            raise
    except (NotPacked, Problem, StoreIsFull, Unreadable) as failed:
        return Fail(f"{Plugin.UNPACK}: {failed}")
    failpoint("image.import", "unpacked")
    facts = {"packed": image.staged, "container_format": image.container_format}
    return Done(facts, also=lambda: _becomes(app, image.id, file, found, {"container_format": BARE}))


async def repack(app: ImageApp, op: Operation) -> Outcome:
    """The image's container format is what it was, and the file that was unpacked is gone."""
    asked = msgspec.convert(op.args, Import)
    await app.stores.staging.remove(f"{asked.image}.{op.id}.unpacked")
    return await _as_before(app, op, asked, "container_format")


async def convert(app: ImageApp, op: Operation) -> Outcome:
    """The staged bytes are a disk in the operator's format."""
    image, becomes = await _staged(app, op, Plugin.CONVERT), app.config.plugins.output_format
    if image is None or image.staged is None or not _convertible(image, becomes):
        return Done()
    staging, file = app.stores.staging, f"{image.id}.{op.id}.converted"
    try:
        await _judged(app, image)
        formats = (str(image.disk_format), becomes)
        made = await converted(staging.path(image.staged), staging.room(op.id), formats, _most(app))
        await staging.adopt(made, file)
        found = await _look(app, file, becomes)
    except (NotConverted, Mismatch, Unsafe, StoreIsFull, Unreadable, OSError) as failed:
        await staging.clear(op.id)
        return Fail(f"{Plugin.CONVERT}: {failed}")
    failpoint("image.import", "converted")
    facts = {"unconverted": image.staged, "disk_format": image.disk_format}
    return Done(facts, also=lambda: _becomes(app, image.id, file, found, {"disk_format": becomes}))


async def unconvert(app: ImageApp, op: Operation) -> Outcome:
    """The image's disk format is what it was, and the file that was converted is gone."""
    asked = msgspec.convert(op.args, Import)
    await app.stores.staging.clear(op.id)
    await app.stores.staging.remove(f"{asked.image}.{op.id}.converted")
    return await _as_before(app, op, asked, "disk_format")


async def inject(app: ImageApp, op: Operation) -> Outcome:
    """The image has the operator's properties."""
    asked = msgspec.convert(op.args, Import)
    if not asked.inject:
        return Done()
    if await store.head_find(app, asked.image) is None:
        return Fail(GONE)
    return Done(also=lambda: store.properties_note(app, asked.image, asked.inject))


def _most(app: ImageApp) -> int:
    return min(app.config.plugins.largest, app.config.size_cap)


def _convertible(image: Head, becomes: str) -> bool:
    was = image.disk_format or ""
    return (
        image.container_format == BARE and was in DISKS and TOOL_NAMES.get(was, was) != TOOL_NAMES.get(becomes, becomes)
    )


async def _judged(app: ImageApp, image: Head) -> None:
    """The staged bytes are what they are said to be, even where uploads are not looked at; raises Mismatch or Unsafe."""
    if not app.config.inspect and image.staged is not None:
        await _look(app, image.staged, image.disk_format)


async def _look(app: ImageApp, file: str, format: str | None) -> Findings:
    async with closing(app.stores.staging.read(file, 0)) as chunks:
        return await look_at(Content(format, inspect=True), chunks)


async def _becomes(app: ImageApp, image: str, file: str, found: Findings, columns: Mapping[str, object]) -> None:
    if await store.staged_set(app, image, file, found):
        await store.image_update(app, image, columns)


async def _as_before(app: ImageApp, op: Operation, asked: Import, column: str) -> Outcome:
    if column not in op.facts:
        return Done()

    async def put_back() -> None:
        await store.image_update(app, asked.image, {column: op.facts[column]})

    return Done(also=put_back)
