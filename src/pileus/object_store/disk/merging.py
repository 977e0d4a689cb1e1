"""Rows of objects on their way into a container's ledger: each is taken in unless the ledger knows better.

They come as one JSON text and two statements deal with all of them, since a thread gives the interpreter away for every statement
and has to win it back.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from pileus.object_store.models.listings import ObjectRow

COLUMNS = "name, stamp, changed, size, type, etag, deleted, policy"
_TOLD = [f"json_extract(told.value, '$[{at}]')" for at in range(9)]  # the columns, and what orders rows of one stamp
# A row that was deleted fires no trigger when REPLACE removes it, so rows are removed by themselves.
MAKE_WAY = (
    "DELETE FROM objects WHERE seq IN (SELECT known.seq FROM json_each(?) AS told "
    f"CROSS JOIN objects AS known ON known.name = {_TOLD[0]} "
    f"WHERE (known.stamp, max(known.changed, known.stamp)) < ({_TOLD[1]}, {_TOLD[8]}))"
)
TAKE_IN = (
    f"INSERT INTO objects ({COLUMNS}) SELECT {', '.join(_TOLD[:8])} FROM json_each(?) AS told "
    f"WHERE NOT EXISTS (SELECT 1 FROM objects AS known WHERE known.name = {_TOLD[0]})"
)


def merge_all(connection: sqlite3.Connection, rows: Iterable[ObjectRow]) -> None:
    """The ledger knows these, each unless it knows better; no name may come twice."""
    plain: list[ObjectRow] = []
    for row in rows:
        if "\0" in row.name:  # SQLite's JSON knows no NUL
            _merge(connection, row)
        else:
            plain.append(row)
    if plain:
        text = msgspec.json.encode([(*_values(row), row.order[1]) for row in plain]).decode()
        connection.execute(MAKE_WAY, (text,))
        connection.execute(TAKE_IN, (text,))


def _merge(connection: sqlite3.Connection, row: ObjectRow) -> None:
    known = connection.execute("SELECT stamp, changed FROM objects WHERE name = ?", (row.name,)).fetchone()
    if known is not None:
        if (known[0], max(known[1], known[0])) >= row.order:
            return
        connection.execute("DELETE FROM objects WHERE name = ?", (row.name,))
    connection.execute(f"INSERT INTO objects ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _values(row))


def _values(row: ObjectRow) -> Sequence[str | int]:
    return (row.name, row.stamp, row.changed, row.size, row.type, row.etag, int(row.deleted), row.policy)
