"""What an engine is: the few things the rest of the package asks of SQLite or PostgreSQL.

Text and laid-out parameters go in, plain rows come out; nothing here knows of structs or SQLAlchemy expressions.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.engine.interfaces import Dialect

Rows = list[tuple[object, ...]]
Values = Sequence[object]
Hook = Callable[[], None]

log = logging.getLogger(__name__)


def run_hooks(hooks: Sequence[Hook]) -> None:
    """Every hook has run, whatever becomes of the others."""
    for hook in hooks:
        try:
            hook()
        except Exception:
            # What was committed stays committed, and the hooks of others must still run.
            log.exception("a hook failed after commit")


class Unit(Protocol):
    """One transaction that has begun; it must be ended by commit or by rollback, once.

    A statement is `refusable` if a constraint may refuse it; one that was refused undoes itself alone.
    """

    async def fetch(self, text: str, values: Values, *, refusable: bool = False) -> Rows: ...
    async def execute(self, text: str, values: Values, *, refusable: bool = True) -> int: ...
    async def execute_many(self, text: str, rows: Sequence[Values]) -> int: ...

    async def commit(self, hooks: Sequence[Hook]) -> None:
        """Return once all is on stable storage and the hooks have run."""

    async def rollback(self) -> None: ...


class Engine(Protocol):
    """A database that is open."""

    dialect: Dialect

    async def fetch(self, text: str, values: Values) -> Rows:
        """Read committed rows, outside of any transaction."""

    async def begin(self) -> Unit: ...
    async def close(self) -> None: ...
