"""The rest: the cloud's process, its database and its disk; long work that does not move; image files."""

import datetime as dt
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from pileus.image.drivers.interface import ByteStore, Unreadable, closing
from pileus.image.store.copies import places_in_use
from pileus.image.tables import COPIES, IMAGES
from pileus.kit.db import query
from pileus.kit.flow.operation import Operation
from pileus.kit.tables import operations
from pileus.main.doctor import Finding, Patient

AGAIN = "Run `pileus doctor --fix`."
FORGOTTEN = dt.timedelta(minutes=5)
PROMPT = "server.delete"  # which takes seconds, where nothing is amiss; whatever copies something may take hours
WAITS = dt.timedelta(minutes=2)
LEAST_FREE = 1 << 30

RUNNING = query(
    sa.select(*operations.c).where(operations.c.state == sa.literal_column("'running'")).order_by(operations.c.number),
    Operation,
)
ACTIVE_FILES = query(
    sa.select(COPIES.c.image, COPIES.c.store, COPIES.c.place, sa.func.coalesce(IMAGES.c.size, 0))
    .join(IMAGES, IMAGES.c.id == COPIES.c.image)
    .where(COPIES.c.whole)
    .order_by(COPIES.c.image, COPIES.c.id),
    tuple[str, str, str, int],
)


async def standing(patient: Patient) -> Sequence[Finding]:
    """The cloud runs, on a sound database, with room on its disk."""
    machine = patient.machine
    found = []
    if machine.controller() is None:
        found.append(
            Finding("cloud.down", "controller", "does not run", "It was stopped, or ended.", "Start it: `pileus up`.")
        )
    damage = machine.damage()
    if damage is not None:
        found.append(
            Finding("database.damaged", "pileus.sqlite", damage, "The disk failed, or the file was changed by hand.",
                    "Stop the cloud and restore the newest backup.")
        )  # fmt: skip
    free, total = machine.free()
    if free < LEAST_FREE and free * 10 < total:
        found.append(
            Finding("disk.full", "state directory", f"{free >> 20} MiB are free of {total >> 20}",
                    "Images, disks and logs have filled it.", "Delete what is not needed, or enlarge the disk.")
        )  # fmt: skip
    return found


async def work(patient: Patient) -> Sequence[Finding]:
    """Long work moves, or says why it waits."""
    engine = patient.engine
    found = [
        Finding(
            "operation.stuck", op.id, f"{op.flow} of {op.subject} can go neither forward nor back at {op.step!r}",
            op.failure or "It does not say why.", f"Mend the cause; {AGAIN[0].lower()}{AGAIN[1:-1]} to let it try again.",
            partial(engine.set_going, op.id),
        )
        for op in await engine.stuck()
    ]  # fmt: skip
    running = await patient.db.all(RUNNING)
    since = patient.clock.now() - WAITS
    found += [
        Finding(
            "operation.waits", op.id, f"{op.flow} of {op.subject} has stood at {op.step!r} since {op.begun:%Y-%m-%d %H:%M:%S} UTC",
            f"It is {op.waiting_why}.",
            "The host's log tells why (`not as wanted`, `work takes long`); an agent that is restarted begins it anew.",
        )
        for op in running if op.flow == PROMPT and op.begun < since and op.waiting_why is not None
    ]  # fmt: skip
    late = patient.clock.now() - FORGOTTEN
    if patient.machine.controller() is not None:
        found += [
            Finding(
                "operation.forgotten", op.id, f"{op.flow} of {op.subject} was due {op.look_again_at:%Y-%m-%d %H:%M:%S} UTC",
                "The cloud's process hangs, or has a step that does not end.", "Restart it: `pileus down`, `pileus up`.",
            )
            for op in running if op.look_again_at < late and op.updated < late
        ]  # fmt: skip
    return found


async def images(patient: Patient) -> Sequence[Finding]:
    """Images have their files, and files their images."""
    app = patient.image
    if app is None:
        return []
    stores = app.stores.writable()
    # The files first: what comes into being in between is not even looked at.
    there = {(store, name) for store, target in stores.items() for name in await target.names()}
    found = []
    for id, store, file, size in await patient.db.all(ACTIVE_FILES):
        if store not in stores:
            continue
        if not await stores[store].exists(file):
            found.append(_unfit("image.file_missing", id, f"its file {file} is not in store {store}", "deleted"))
        elif not await _ends_at(stores[store], file, size):
            found.append(_unfit("image.file_cut", id, f"its file {file} in store {store} is not {size} bytes", "cut"))
    used = await places_in_use(app)
    found += [
        Finding(
            "image.file_stranger", name, "is the file of no image", "An upload was cut short.", AGAIN,
            partial(stores[store].remove, name),
        )
        for store, name in sorted(there) if not used.holds(store, name)
    ]  # fmt: skip
    return found


def _unfit(code: str, image: str, what: str, done: str) -> Finding:
    return Finding(
        code, image, what, f"It was {done} by hand, or the disk failed.",
        "Put the file back from a backup, or delete the image: servers cannot be made from it.",
    )  # fmt: skip


async def _ends_at(store: ByteStore, file: str, size: int) -> bool:
    """Whether the file's last byte is where it should be; the bytes before it are not looked at."""
    if size == 0:
        return True
    try:
        async with closing(store.read(file, size - 1, 1)) as chunks:
            return sum([len(chunk) async for chunk in chunks]) == 1
    except Unreadable:
        return False


CHECKS = (standing, work, images)
