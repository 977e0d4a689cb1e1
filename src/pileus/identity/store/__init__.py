"""Queries: nouns first, models in and out. Every change runs inside `changing`, which ends the memory's generation."""

import contextlib
from collections.abc import AsyncIterator

import sqlalchemy as sa

from pileus.identity.app import Identity
from pileus.identity.models.audit import ACT, ACTIONS, Act, of_change
from pileus.identity.tables import changes
from pileus.kit.db import command, scalar, upsert

CHANGES_COUNT = scalar(sa.update(changes).values(number=changes.c.number + 1).returning(changes.c.number), int)
CHANGES_SO_FAR = scalar(sa.select(changes.c.number), int)
CHANGES_BEGIN = command(upsert(changes, key=["id"]))


@contextlib.asynccontextmanager
async def changing(app: Identity) -> AsyncIterator[None]:
    """A transaction after which no process goes by what it remembers."""
    async with app.db.transaction():
        await count_change(app)
        yield
        await _tell_change(app)
        app.db.on_commit(app.memory.changed)


async def _tell_change(app: Identity) -> None:
    """Those who audit are told of the request under way, once, in the transaction that makes its change."""
    act = ACT.get()
    if act is None or act.told or app.events is None:
        return
    act.told = True
    await tell_act(app, act)


async def tell_act(app: Identity, act: Act, reason: str | None = None) -> None:
    """Those who audit are told of a change, or, with a reason, that it was refused."""
    if app.events is not None:
        await app.events.tell(
            f"identity.{act.noun}.{ACTIONS[act.method]}",
            f"{act.noun}:{act.target_id}"[:255],
            act.project_id,
            payload=of_change(act, reason),
            user_id=act.user_id,
        )


async def count_change(app: Identity) -> None:
    """Once the transaction is committed, other processes soon go by nothing that they remember."""
    number = await app.db.one(CHANGES_COUNT)
    if number is None:
        number = 1
        await app.db.run(CHANGES_BEGIN, id=1, number=number)
    app.db.on_commit(lambda: app.memory.counted(number))


async def follow(app: Identity) -> None:
    """Nothing is remembered that another process changed more than a second ago."""
    at = app.clock.monotonic()
    if app.memory.stale(at) and not app.db.in_transaction:
        app.memory.saw(await app.db.one(CHANGES_SO_FAR) or 0, at)
