"""The database of a cloud, for commands that read it beside the process that runs the cloud."""

import contextlib
from collections.abc import AsyncIterator

from pileus.kit.db import Database
from pileus.kit.errors import NotFound
from pileus.main.settings import Settings
from pileus.main.state import State


class NoDatabase(NotFound):
    """There is no database in {state} yet; `pileus up --state {state}` makes it."""


@contextlib.asynccontextmanager
async def opened(state: State, settings: Settings) -> AsyncIterator[Database]:
    """The cloud's database, open; its tables are left as they are."""
    if not settings.database and not state.database.exists():
        raise NoDatabase(state=state.path)
    db = await Database.open(settings.database or state.database)
    try:
        yield db
    finally:
        await db.close()
