"""Walking a listing: from a marker on, forwards or backwards, with everything below a delimiter told as one."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from pileus.object_store.models.listings import Entry, Subdir, Wanted, after

BATCH, FIRST = 1000, 16  # rows looked at at once; few where the first one may already tell to skip to elsewhere
Row = Sequence[Any]


def walk(connection: sqlite3.Connection, select: str, wanted: Wanted, made: Callable[[Row], Entry]) -> list[Entry]:
    """The entries a listing has; `select` ends in a WHERE with its first condition, and `name` is the first column."""
    return _Walk(connection, select, wanted, made).run()


class _Walk:
    def __init__(
        self, connection: sqlite3.Connection, select: str, wanted: Wanted, made: Callable[[Row], Entry]
    ) -> None:
        self._connection = connection
        self._select = select
        self._wanted = wanted
        self._made = made
        path = wanted.path
        self._prefix = wanted.prefix if path is None else path.rstrip("/") + "/" if path else ""
        self._delimiter = wanted.delimiter if path is None else "/"
        self._found: list[Entry] = []
        self._batch = FIRST

    def run(self) -> list[Entry]:
        wanted = self._wanted
        low, high = (wanted.end_marker, wanted.marker) if wanted.reverse else (wanted.marker, wanted.end_marker)
        bounds: tuple[str, str, bool] | None = (low, high, False)  # whether `low` itself is in
        while bounds is not None and len(self._found) < wanted.limit:
            bounds = self._step(*bounds)
        return self._found

    def _step(self, low: str, high: str, inclusive: bool) -> tuple[str, str, bool] | None:  # noqa: FBT001
        """Take rows until the end of a batch, or a subdirectory is to be skipped; return what is left to look at."""
        wanted = self._wanted
        left = wanted.limit - len(self._found)
        batch = min(self._batch, left) if self._delimiter else left
        rows = self._rows(low, high, batch, inclusive=inclusive)
        for row in rows:
            name: str = row[0]
            end = name.find(self._delimiter, len(self._prefix)) if self._delimiter else -1
            if wanted.path is not None and name == self._prefix:
                continue
            below = end >= 0 and (wanted.path is None or len(name) > end + len(self._delimiter))
            if not below:
                self._found.append(self._made(row))
                continue
            self._batch = FIRST
            subdir = name[: end + len(self._delimiter)]
            if wanted.path is None and subdir != wanted.marker:
                self._found.append(Subdir(subdir))
            if not wanted.reverse:
                return _beyond(after(subdir), high)
            # An object that is called just as the subdirectory comes next, and where subdirectories are left out it counts.
            return (low, subdir if wanted.path is None else f"{subdir}\0", inclusive)
        if len(rows) < batch:
            return None
        self._batch = min(BATCH, 4 * self._batch)
        last = rows[-1][0]
        return (low, last, inclusive) if wanted.reverse else (last, high, False)

    def _rows(self, low: str, high: str, limit: int, *, inclusive: bool) -> list[Row]:
        conditions, values = [], []
        if low:
            conditions.append(f"name {'>=' if inclusive else '>'} ?")
            values.append(low)
        if high:
            conditions.append("name < ?")
            values.append(high)
        if self._prefix:
            conditions.append("name >= ?")
            values.append(self._prefix)
            if after(self._prefix):
                conditions.append("name < ?")
                values.append(after(self._prefix))
        if not self._wanted.reserved:
            conditions.append("name >= char(1)")  # hidden names begin with NUL
        where = "".join(f" AND {condition}" for condition in conditions)
        order = "DESC" if self._wanted.reverse else "ASC"
        sql = f"{self._select}{where} ORDER BY name {order} LIMIT ?"
        return self._connection.execute(sql, (*values, limit)).fetchall()


def _beyond(low: str, high: str) -> tuple[str, str, bool] | None:
    return (low, high, True) if low else None
