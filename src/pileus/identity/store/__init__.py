"""Queries: nouns first, models in and out. Every change runs inside `changing`, which ends the memory's generation."""

import contextlib
from collections.abc import AsyncIterator

import sqlalchemy as sa

from pileus.identity.app import Identity
from pileus.identity.tables import changes
from pileus.kit.db import command, upsert

CHANGES_COUNT = command(sa.update(changes).values(number=changes.c.number + 1))
CHANGES_BEGIN = command(upsert(changes, key=["id"]))


@contextlib.asynccontextmanager
async def changing(app: Identity) -> AsyncIterator[None]:
    """A transaction after which no process goes by what it remembers."""
    async with app.db.transaction():
        if not await app.db.run(CHANGES_COUNT):
            await app.db.run(CHANGES_BEGIN, id=1, number=1)
        yield
        app.db.on_commit(app.memory.changed)
