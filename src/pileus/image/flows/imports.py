"""Import an image: its bytes come from where the request says, and go to the stores it names.

    fetch (into the staging area, looked at) -> unpack, convert, inject (see prepare) -> place (store by store)
        -> finish (active; the staging area is clean)

An import that fails leaves the image waiting for its bytes as before it, in no store; a copy that fails leaves it where
it was. What is fetched, and where it is written, is in the rows before the first byte moves, so a crash leaves nothing.
"""

import hashlib
from collections.abc import AsyncIterator

import msgspec

from pileus.image.app import ImageApp
from pileus.image.drivers.interface import ByteStore, StoreIsFull, Unreadable, closing
from pileus.image.errors import BadSignature
from pileus.image.flows import fetching
from pileus.image.flows.intake import Behind, bytes_of, drop, gathered, hashing, in_thread, let_go
from pileus.image.flows.prepare import convert, inject, repack, spent, unconvert, unpack
from pileus.image.flows.signed import Seal
from pileus.image.flows.told import Told
from pileus.image.models.images import HASH, Image, Status
from pileus.image.models.imports import Import, Method, TaskStatus, progress
from pileus.image.store import copies as copy_rows
from pileus.image.store import images as store
from pileus.image.store import tasks
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step

GONE = "The image was deleted meanwhile."


def subject_of(image: str) -> str:
    """What imports of the image are operations on."""
    return f"image:{image}"


def _asked(op: Operation) -> Import:
    return msgspec.convert(op.args, Import)


async def fetch(app: ImageApp, op: Operation) -> Outcome:
    """The bytes are in the staging area, and the image's row says which file and what they are."""
    asked = _asked(op)
    await tasks.task_update(app, op.id, ended=False, status=TaskStatus.PROCESSING)
    if asked.method not in {Method.WEB, Method.GLANCE}:
        return Done()
    return await fetching.fetch(app, op, asked)


async def unstage(app: ImageApp, op: Operation) -> Outcome:
    """Nothing of the image waits in the staging area."""
    image = await store.head_find(app, _asked(op).image)
    files = {f"{_asked(op).image}.{op.id}"} | ({image.staged} if image is not None and image.staged else set())
    for file in files | spent(op):
        await app.stores.staging.remove(file)
    return await fetching.unfetch(app, op, _asked(op))


async def place(app: ImageApp, op: Operation) -> Outcome:
    """The bytes are in every store that was asked for, or in some, where that is enough."""
    asked = _asked(op)
    for file in spent(op):
        await app.stores.staging.remove(file)
    failed: dict[str, str] = {}
    for id in asked.stores:
        image = await store.image_find(app, asked.image)
        if image is None:
            return Fail(GONE)
        there = {copy.store for copy in image.copies}
        await store.properties_note(app, image.id, progress(asked.stores, there, tuple(failed)))
        if id in there:
            continue
        why = await _place(app, op, image, id)
        if why is not None:
            failed[id] = why
            if asked.every_store:
                return Fail(f"store {id}: {why}")
    if len(failed) == len(asked.stores):
        return Fail("; ".join(f"store {id}: {why}" for id, why in failed.items()))
    return Done({"failed": sorted(failed)}, also=lambda: _noted(app, asked, tuple(sorted(failed))))


async def _noted(app: ImageApp, asked: Import, failed: tuple[str, ...]) -> None:
    if await store.head_find(app, asked.image) is not None:
        await store.properties_note(app, asked.image, progress(asked.stores, set(asked.stores), failed))


async def _place(app: ImageApp, op: Operation, image: Image, id: str) -> str | None:
    """The bytes are in the store; or why not, and nothing is there."""
    target = app.stores.writable().get(id)
    if target is None:
        return "there is no such store to write to"
    file = _file(op, image.id)
    row = await copy_rows.copy_at(app, image.id, id, file)
    copy = row.id if row is not None else await copy_rows.copy_add(app, image.id, id, file, whole=False)
    try:
        seal = await Seal.of(app, image)
        told = Told(app, op, f"writing to store {id}:", image.size)
        await write_verified(target, file, told.watched(_source(app, image)), image, seal)
    except (StoreIsFull, Unreadable, OSError, BadSignature) as failed:
        await let_go(target, file)
        await copy_rows.copy_forget(app, copy)
        return str(failed)
    failpoint("image.import", "placed")
    await copy_rows.copy_done(app, copy)
    return None


def _file(op: Operation, image: str) -> str:
    return f"{image}.{op.id[:8]}"


def _source(app: ImageApp, image: Image) -> AsyncIterator[bytes]:
    if image.staged is not None:
        return app.stores.staging.read(image.staged, 0, image.size)
    return bytes_of(app, image.copies, 0, image.size or 0)


async def write_verified(
    target: ByteStore, file: str, chunks: AsyncIterator[bytes], image: Image, seal: Seal | None = None
) -> None:
    """The file is the image's bytes; raises Unreadable if what was read is anything else, or BadSignature."""
    incoming = await target.create(file)
    digest = hashlib.new(image.hash_algo or HASH)
    looks = [in_thread(hashing(digest)), *(seal.looks if seal is not None else ())]
    try:
        async with closing(gathered(chunks)) as several, Behind(incoming.write, *looks) as behind:
            async for pieces, size in several:
                await behind.give(pieces, size)
                failpoint("image.import", "writing")
        if image.hash_value is not None and digest.hexdigest() != image.hash_value:
            raise Unreadable("the bytes that were read are not the image's")
        if seal is not None:
            seal.check()
        await incoming.keep()
    except BaseException:
        await drop(incoming)
        raise


async def unplace(app: ImageApp, op: Operation) -> Outcome:
    """What this import wrote is in no store."""
    asked = _asked(op)
    for id, target in app.stores.writable().items():
        if id not in asked.stores:
            continue
        file = _file(op, asked.image)
        row = await copy_rows.copy_at(app, asked.image, id, file)
        if row is not None:
            await copy_rows.copy_forget(app, row.id)
        await let_go(target, file)
    return Done()


async def finish(app: ImageApp, op: Operation) -> Outcome:
    """The image is active, and nothing of it waits in the staging area."""
    image = await store.head_find(app, _asked(op).image)
    staged = image.staged if image is not None else None

    async def active() -> None:
        await store.import_end(app, _asked(op).image, Status.ACTIVE)

    if _asked(op).method is Method.COPY:
        return Done()
    if staged is not None:
        await app.stores.staging.remove(staged)
    return Done(also=active)


async def ended(app: ImageApp, op: Operation) -> None:
    """The task says how it went; an image that got no bytes waits for them again."""
    asked = _asked(op)
    app.tokens.pop(op.id, None)
    if op.state is State.DONE:
        result = {"image_id": asked.image}
        await tasks.task_update(app, op.id, ended=True, status=TaskStatus.SUCCESS, result=result, message="")
        return
    why = op.failure or "It was stopped."
    await tasks.task_update(app, op.id, ended=True, status=TaskStatus.FAILURE, message=why)
    if asked.method is not Method.COPY:
        await store.import_end(app, asked.image, Status.QUEUED)
    if await store.head_find(app, asked.image) is not None:
        await store.properties_note(app, asked.image, progress((), set(), asked.stores))


IMPORT = Flow(
    "image.import",
    (
        Step("fetch", fetch, unstage, shows="fetching"),
        Step("unpack", unpack, repack, shows="unpacking"),
        Step("convert", convert, unconvert, shows="converting"),
        Step("inject", inject, shows="converting"),
        Step("place", place, unplace, shows="placing"),
        Step("finish", finish, shows="finishing", final=True),
    ),
    ended=ended,
)
