"""Look at the bytes of an image that others keep: what they are, and whether that is what was said.

    read them all -> the image's row says what they are

An image of whose bytes nothing was said is active meanwhile. Of one whose bytes are not what was said, the location stays
for its owner to see, and the image waits for other bytes.
"""

import asyncio
import hashlib

import msgspec

from pileus.image.app import ImageApp
from pileus.image.drivers.interface import Unreadable, closing
from pileus.image.flows.intake import batches
from pileus.image.models.images import HASH, Said, Status
from pileus.image.models.imports import Locating, TaskStatus
from pileus.image.store import images as store
from pileus.image.store import tasks
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step

GONE = "The image was deleted meanwhile."


def _asked(op: Operation) -> Locating:
    return msgspec.convert(op.args, Locating)


async def look(app: ImageApp, op: Operation) -> Outcome:
    """It is known what the bytes are, and that they are what was said; or that is believed, where nobody is to look."""
    asked = _asked(op)
    await tasks.task_update(app, op.id, ended=False, status=TaskStatus.PROCESSING)
    if not app.config.secure_hash:
        believed = msgspec.structs.replace(asked.said, size=asked.size)
        return Done(also=lambda: store.located(app, asked.image, Status.ACTIVE, believed))
    algorithm = asked.said.hash_algo or HASH
    most = app.config.size_cap if asked.size is None else asked.size
    md5, sha, size = hashlib.md5(usedforsecurity=False), hashlib.new(algorithm), 0
    try:
        async with closing(batches(app.web.read(asked.url, 0))) as pieces:
            async for batch in pieces:
                await asyncio.to_thread(md5.update, batch)
                await asyncio.to_thread(sha.update, batch)
                size += len(batch)
                if size > most:
                    return Fail(f"more than the {most} bytes came that were told of")
                if await store.head_find(app, asked.image) is None:
                    return Fail(GONE)
    except Unreadable as failed:
        return Fail(str(failed))
    found = Said(size=size, checksum=md5.hexdigest(), hash_algo=algorithm, hash_value=sha.hexdigest())
    for what, said, is_ in (
        ("checksum", asked.said.checksum, found.checksum),
        ("os_hash_value", asked.said.hash_value, found.hash_value),
    ):
        if said not in {None, is_}:
            return Fail(f"{what} should be {said} and is {is_}")
    return Done(also=lambda: store.located(app, asked.image, Status.ACTIVE, found))


async def ended(app: ImageApp, op: Operation) -> None:
    """The task says how it went; an image whose bytes are not what was said waits for others."""
    asked = _asked(op)
    if op.state is State.DONE:
        await tasks.task_update(app, op.id, ended=True, status=TaskStatus.SUCCESS, result={"image_id": asked.image})
        return
    await tasks.task_update(app, op.id, ended=True, status=TaskStatus.FAILURE, message=op.failure or "It was stopped.")
    await store.import_end(app, asked.image, Status.QUEUED)


LOCATE = Flow("image.locate", (Step("look", look, shows="hashing"),), ended=ended)
