"""How a container's ledger is divided: its shards, up to which name they have taken over, and the rows that go to them next.

    ranges found -> shards made -> (rows read -> pushed -> removed here and the frontier moved, in one transaction) -> whole

What is at or before the frontier is in shards, what is behind it is here. Each replica has a frontier of its own, and is right by
itself at every moment: a crash repeats at most one push, which changes nothing.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from pileus.object_store.disk.ledger import Ledger, about, set_about
from pileus.object_store.models.shards import Shape, Shard

SCHEMA = """
CREATE TABLE shards (
    name TEXT PRIMARY KEY, account TEXT NOT NULL, lower TEXT NOT NULL, upper TEXT NOT NULL, stamp TEXT NOT NULL,
    deleted INTEGER NOT NULL, absorbing INTEGER NOT NULL, taker TEXT NOT NULL,
    count INTEGER NOT NULL, bytes INTEGER NOT NULL, reported TEXT NOT NULL
) WITHOUT ROWID;
"""
COLUMNS = "name, account, lower, upper, stamp, deleted, absorbing, taker, count, bytes, reported"


class Cleaving(msgspec.Struct, frozen=True):
    """Rows that go to a shard next: those behind the frontier, up to a name. `seen` is the last row there was then."""

    shard: Shard
    frontier: str
    upto: str  # empty: all that are left
    seen: int
    names: Sequence[str]


class ShardLedger:
    """The shards of one container. Blocks; belongs in threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def shape(self) -> Shape:
        """How the container is divided."""
        with self._ledger.reading() as connection:
            return shape_of(connection)

    def found(self, rows: int) -> list[str]:
        """The names at which the container is to be divided so that a shard gets so many rows."""
        bounds: list[str] = []
        with self._ledger.reading() as connection:
            while True:
                text = "SELECT name FROM objects WHERE deleted = 0 AND name > ? ORDER BY name LIMIT 1 OFFSET ?"
                found = connection.execute(text, (bounds[-1] if bounds else "", rows - 1)).fetchone()
                if found is None:
                    break
                bounds.append(found[0])
            rest = connection.execute(
                "SELECT count(*) FROM objects WHERE deleted = 0 AND name > ?", (bounds[-1] if bounds else "",)
            ).fetchone()[0]
        return bounds if rest * 2 > rows else bounds[:-1]  # no small one at the end

    def divide(self, shards: Sequence[Shard]) -> None:
        """The container is divided so, unless it is already."""
        with self._ledger.writing() as connection:
            if not connection.execute("SELECT 1 FROM shards").fetchone():
                join_shards(connection, shards)

    def join(self, shards: Sequence[Shard]) -> None:
        """Of each shard the latest decision counts, and the latest report."""
        with self._ledger.writing() as connection:
            join_shards(connection, shards)

    def tally(self, name: str, count: int, size: int, stamp: str) -> bool:
        """A shard holds so much; return whether that is news. Of the one that is being filled it counts when it is full."""
        with self._ledger.writing() as connection:
            shape = shape_of(connection)
            shard = next((one for one in shape.shards if one.name == name), None)
            if shard is None or shard.reported >= stamp or _filling(shape, shard):
                return False
            connection.execute(
                "UPDATE shards SET count = ?, bytes = ?, reported = ? WHERE name = ?", (count, size, stamp, name)
            )
            return (count, size) != (shard.count, shard.bytes)

    def cleaving(self, most: int) -> Cleaving | None:
        """What goes to a shard next; None when everything has gone."""
        with self._ledger.reading() as connection:
            shape = shape_of(connection)
            at = shape.frontier
            following = [one for one in shape.shards if not one.deleted and (not one.upper or one.upper > at)]
            shard = min(following, key=lambda one: one.lower, default=None)
            if shape.whole or shard is None:
                return None
            at = max(at, shard.lower)
            where, values = _range(at, shard.upper)
            found = connection.execute(f"SELECT name FROM objects WHERE {where} ORDER BY name LIMIT ?", (*values, most))
            names = [name for (name,) in found]
            seen = connection.execute("SELECT coalesce(max(seq), 0) FROM objects").fetchone()[0]
        return Cleaving(shard, at, names[-1] if len(names) == most else shard.upper, seen, names)

    def cleaved(self, done: Cleaving, full: tuple[int, int, str] | None) -> bool:
        """What went is not here any more; False when something came meanwhile, so that it has to go again.

        `full` is what the shard holds, and since when, if it has all of its range now.
        """
        where, values = _range(done.frontier, done.upto)
        with self._ledger.writing() as connection:
            if connection.execute(f"SELECT 1 FROM objects WHERE {where} AND seq > ?", (*values, done.seen)).fetchone():
                return False
            gone = connection.execute(
                f"SELECT count(*), coalesce(sum(size), 0) FROM objects WHERE deleted = 0 AND {where}", values
            ).fetchone()
            connection.execute(f"DELETE FROM objects WHERE {where}", values)
            set_about(connection, {"frontier": done.upto} if done.upto else {"sharded": "yes"})
            if full is not None:
                connection.execute(
                    "UPDATE shards SET count = ?, bytes = ?, reported = ? WHERE name = ?", (*full, done.shard.name)
                )
            else:
                connection.execute(
                    "UPDATE shards SET count = count + ?, bytes = bytes + ? WHERE name = ?", (*gone, done.shard.name)
                )
        return True


def shape_of(connection: sqlite3.Connection) -> Shape:
    """How the container is divided."""
    known = about(connection)
    rows = connection.execute(f"SELECT {COLUMNS} FROM shards ORDER BY lower, name").fetchall()
    return Shape(
        shards=[
            Shard(
                name=name, account=account, lower=lower, upper=upper, stamp=stamp, deleted=bool(deleted),
                absorbing=bool(absorbing), into=into, count=count, bytes=size, reported=reported,
            )
            for name, account, lower, upper, stamp, deleted, absorbing, into, count, size, reported in rows
        ],
        frontier=known.get("frontier", ""),
        whole="sharded" in known,
    )  # fmt: skip


def join_shards(connection: sqlite3.Connection, shards: Sequence[Shard]) -> None:
    """Of each shard the latest decision counts, and the latest report."""
    for one in shards:
        connection.execute(
            f"INSERT INTO shards ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '') ON CONFLICT (name) DO UPDATE SET "
            "lower = excluded.lower, upper = excluded.upper, stamp = excluded.stamp, deleted = excluded.deleted, "
            "absorbing = excluded.absorbing, taker = excluded.taker WHERE excluded.stamp > stamp",
            (one.name, one.account, one.lower, one.upper, one.stamp, one.deleted, one.absorbing, one.into),
        )


def follow(connection: sqlite3.Connection, other: Shape) -> None:
    """What another replica has handed to shards this one need not, as far as it has nothing of it."""
    mine = shape_of(connection)
    if mine.whole or (not other.whole and other.frontier <= mine.frontier):
        return
    upto = "" if other.whole else other.frontier
    where, values = _range(mine.frontier, upto)
    if connection.execute(f"SELECT 1 FROM objects WHERE {where} LIMIT 1", values).fetchone() is not None:
        return
    set_about(connection, {"sharded": "yes"} if other.whole else {"frontier": other.frontier})
    for one in other.shards:
        connection.execute(
            "UPDATE shards SET count = ?, bytes = ?, reported = ? WHERE name = ? AND reported < ?",
            (one.count, one.bytes, one.reported, one.name, one.reported),
        )


def _filling(shape: Shape, shard: Shard) -> bool:
    """Whether this ledger has still something of the shard's range."""
    return not shape.whole and (not shard.upper or shard.upper > shape.frontier)


def _range(after: str, upto: str) -> tuple[str, tuple[str, ...]]:
    """The condition that a name is in a range; said so that the index on names bounds what is looked at."""
    return ("name > ? AND name <= ?", (after, upto)) if upto else ("name > ?", (after,))
