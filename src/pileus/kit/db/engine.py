"""What an engine is: the few things the rest of the package asks of SQLite or PostgreSQL.

Text and laid-out parameters go in, plain rows come out; nothing here knows of structs or SQLAlchemy expressions.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.engine.interfaces import Dialect

Rows = list[tuple[object, ...]]
Values = Sequence[object]
Hook = Callable[[], None]


class Unit(Protocol):
    """One transaction that has begun; it must be ended by commit or by rollback, once."""

    async def fetch(self, text: str, values: Values) -> Rows: ...
    async def execute(self, text: str, values: Values) -> int: ...
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
