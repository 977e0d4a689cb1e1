"""The ledger of a container: its objects, how many and how much, and what was said about the container."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote

import msgspec

from pileus.object_store.disk.ledger import (
    Ledger,
    Totals,
    about,
    merge_stamped,
    metadata,
    set_about,
    set_metadata,
    stamped,
    totals,
)
from pileus.object_store.disk.merging import COLUMNS, merge_all
from pileus.object_store.disk.shards import SCHEMA as SHARDS
from pileus.object_store.disk.shards import ShardLedger, follow, join_shards, shape_of
from pileus.object_store.disk.walking import Row, walk
from pileus.object_store.errors import Missing, NotEmpty, WrongPolicy
from pileus.object_store.models.listings import Entry, ObjectRow, Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.models.shards import ROOT, Piece, Shape, Shard

SCHEMA = """
CREATE TABLE objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, changed TEXT NOT NULL,
    size INTEGER NOT NULL, type TEXT NOT NULL, etag TEXT NOT NULL, deleted INTEGER NOT NULL, policy INTEGER NOT NULL
);
CREATE TRIGGER object_comes AFTER INSERT ON objects WHEN new.deleted = 0 BEGIN
    INSERT INTO totals VALUES (new.policy, 1, new.size)
    ON CONFLICT (policy) DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER object_goes AFTER DELETE ON objects WHEN old.deleted = 0 BEGIN
    UPDATE totals SET count = count - 1, bytes = bytes - old.size WHERE policy = old.policy;
END;
"""
LIST = f"SELECT {COLUMNS} FROM objects WHERE deleted = 0"


class ContainerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A container: since when it is, what is in it, what was said about it."""

    account: str
    container: str
    created: str
    put_stamp: str
    delete_stamp: str = ""
    policy: int = 0
    count: int = 0
    bytes: int = 0
    metadata: Mapping[str, str] = {}
    sharded: str = ""  # "sharding" while rows go to shards, "sharded" when all have

    @property
    def root(self) -> Path | None:
        """The container that this is a shard of."""
        parts = self.metadata.get(ROOT, "").split("/")
        return Path(unquote(parts[1]), unquote(parts[2])) if len(parts) == 3 else None

    @property
    def deleted(self) -> bool:
        """Whether it is gone. One with something in it is not, whatever was said: a late PUT brings it back."""
        return self.delete_stamp > self.put_stamp and not self.count


Strays = Mapping[Path, Sequence[ObjectRow]]  # rows that belong to shards


class ContainerLedger:
    """The ledger of one container. Blocks; belongs in threads."""

    def __init__(self, path: str) -> None:
        self.ledger = Ledger(path, SCHEMA, (SHARDS,))
        self.shards = ShardLedger(self.ledger)

    def put(self, facts: ContainerFacts, said: Mapping[str, str], stamp: str, policy: int | None) -> bool:
        """The container is there; return whether it was not before. Raises WrongPolicy."""
        first = {
            "account": facts.account,
            "container": facts.container,
            "created": stamp,
            "put_stamp": stamp,
            "policy": str(facts.policy),
        }
        fresh = not self.ledger.exists
        if fresh:
            self.ledger.create(first)
        with self.ledger.writing() as connection:
            now = _facts(connection)
            reborn = now.deleted
            if policy is not None and policy != now.policy and not (fresh or reborn):
                raise WrongPolicy
            changes: dict[str, str] = {}
            if stamp > now.put_stamp:
                changes["put_stamp"] = stamp
            if reborn:
                changes |= {"created": stamp, "policy": str(facts.policy)}
                connection.execute("UPDATE metadata SET value = '', stamp = ? WHERE stamp < ?", (stamp, stamp))
            set_about(connection, changes)
            set_metadata(connection, said, stamp)
        return fresh or reborn

    def post(self, said: Mapping[str, str], stamp: str) -> None:
        """The metadata is so; raises Missing."""
        with self.ledger.writing() as connection:
            if _facts(connection).deleted:
                raise Missing
            set_metadata(connection, said, stamp)

    def delete(self, stamp: str) -> None:
        """The container is gone; raises Missing, or NotEmpty."""
        with self.ledger.writing() as connection:
            now = _facts(connection)
            if now.deleted:
                raise Missing(now.delete_stamp)
            if now.count:
                raise NotEmpty
            set_about(connection, {"delete_stamp": max(stamp, now.delete_stamp)})
            connection.execute("UPDATE metadata SET value = '', stamp = ?", (stamp,))

    def facts(self, *, deleted_too: bool = False) -> ContainerFacts:
        """What is known of the container; raises Missing."""
        with self.ledger.reading() as connection:
            found = _facts(connection)
        if found.deleted and not deleted_too:
            raise Missing(found.delete_stamp)
        return found

    def listed(self, wanted: Wanted) -> tuple[ContainerFacts, list[tuple[Piece, list[Entry]]]]:
        """The container and part of its listing, of one moment: which ranges shards have, and what is here of the others."""
        with self.ledger.reading() as connection:
            found = _facts(connection)
            if found.deleted:
                raise Missing(found.delete_stamp)
            pieces = shape_of(connection).pieces() if found.sharded else [Piece("", "", None)]
            parts = [(piece, piece.part(wanted)) for piece in (reversed(pieces) if wanted.reverse else pieces)]
            return found, [
                (piece, walk(connection, LIST, part, _row) if piece.shard is None else [])
                for piece, part in parts
                if part is not None
            ]

    def merge(self, rows: Iterable[ObjectRow]) -> Strays:
        """The listing knows these, each unless it knows better; return those that belong to shards."""
        newest: dict[str, ObjectRow] = {}
        for row in rows:
            known = newest.get(row.name)
            if known is None or row.order > known.order:
                newest[row.name] = row
        with self.ledger.writing() as connection:
            return _merge_own(connection, newest.values())

    def rows(self, names: Sequence[str]) -> list[ObjectRow]:
        """What the listing knows of these objects, deleted ones included."""
        with self.ledger.reading() as connection:
            marks = ", ".join("?" * len(names))
            found = connection.execute(f"SELECT {COLUMNS} FROM objects WHERE name IN ({marks})", tuple(names))
            return [_row(row) for row in found]

    def row(self, name: str) -> ObjectRow | None:
        """What the listing knows of one object, a deleted one included."""
        with self.ledger.reading() as connection:
            found = connection.execute(f"SELECT {COLUMNS} FROM objects WHERE name = ?", (name,)).fetchone()
        return None if found is None else _row(found)

    def since(self, seq: int, limit: int) -> list[tuple[int, ObjectRow]]:
        """The rows that came after the one with this number, in their order, deleted ones included."""
        with self.ledger.reading() as connection:
            found = connection.execute(
                f"SELECT {COLUMNS}, seq FROM objects WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
            ).fetchall()
        return [(row[-1], _row(row)) for row in found]

    def said(self) -> dict[str, tuple[str, str]]:
        """All metadata, each with its stamp."""
        with self.ledger.reading() as connection:
            return stamped(connection)

    def join(
        self,
        facts: ContainerFacts,
        said: Mapping[str, tuple[str, str]],
        rows: Iterable[ObjectRow],
        shape: Shape | None = None,
    ) -> Strays:
        """The ledger knows what another replica knows, each thing unless it knows better; return what belongs to shards."""
        if not self.ledger.exists:
            first = {"account": facts.account, "container": facts.container, "created": facts.created}
            self.ledger.create({**first, "put_stamp": facts.put_stamp, "policy": str(facts.policy)})
        with self.ledger.writing() as connection:
            now = _facts(connection)
            known = {
                "put_stamp": max(now.put_stamp, facts.put_stamp),
                "delete_stamp": max(now.delete_stamp, facts.delete_stamp),
            }
            set_about(connection, known | _creation(now, facts))
            merge_stamped(connection, said)
            if shape is not None:
                join_shards(connection, shape.shards)
                follow(connection, shape)
            return _merge_own(connection, rows)

    def reclaim(self, before: str) -> None:
        """Rows of objects deleted before this moment are forgotten."""
        with self.ledger.writing() as connection:
            connection.execute("DELETE FROM objects WHERE deleted = 1 AND stamp < ?", (before,))
            connection.execute("DELETE FROM metadata WHERE value = '' AND stamp < ?", (before,))


def misplaced(ledger: Ledger, policy: int, after: str, limit: int) -> list[ObjectRow]:
    """A container's objects behind a name that were written under another policy than this one, by name."""
    with ledger.reading() as connection:
        if all(one == policy or not total.count for one, total in totals(connection).items()):
            return []
        where = "deleted = 0 AND policy != ? AND name > ? ORDER BY name LIMIT ?"
        found = connection.execute(f"SELECT {COLUMNS} FROM objects WHERE {where}", (policy, after, limit)).fetchall()
    return [_row(one) for one in found]


def _merge_own(connection: sqlite3.Connection, rows: Iterable[ObjectRow]) -> Strays:
    """Rows that are this ledger's are in it; return the others."""
    divided = connection.execute("SELECT 1 FROM about WHERE key IN ('frontier', 'sharded') LIMIT 1").fetchone()
    if divided is None:
        merge_all(connection, rows)
        return {}
    shape = shape_of(connection)
    strays: dict[Path, list[ObjectRow]] = {}
    own: list[ObjectRow] = []
    for row in rows:
        shard = shape.of(row.name)
        if shard is None:
            own.append(row)
        else:
            strays.setdefault(shard.path, []).append(row)
    merge_all(connection, own)
    return strays


def _facts(connection: sqlite3.Connection) -> ContainerFacts:
    known = about(connection)
    policy = int(known.get("policy", "0"))
    sums: list[Totals] = list(totals(connection).values())
    sharded = "sharded" if "sharded" in known else "sharding" if "frontier" in known else ""
    if sharded:
        shards: list[Shard] = [one for one in shape_of(connection).shards if not one.deleted and not one.absorbing]
        sums += [Totals(one.count, one.bytes) for one in shards]
    return ContainerFacts(
        account=known["account"],
        container=known["container"],
        created=known["created"],
        put_stamp=known["put_stamp"],
        delete_stamp=known.get("delete_stamp", ""),
        policy=policy,
        count=sum(one.count for one in sums),
        bytes=sum(one.bytes for one in sums),
        metadata=metadata(connection),
        sharded=sharded,
    )


def _creation(one: ContainerFacts, other: ContainerFacts) -> dict[str, str]:
    """When the container was made, and with which policy: of two creations the earlier counts, unless it was deleted after that."""
    gone = max(one.delete_stamp, other.delete_stamp)
    both = sorted((facts.created, facts.policy) for facts in (one, other))
    created, policy = next((made for made in both if made[0] > gone), both[-1])
    return {"created": created, "policy": str(policy)}


def _row(found: Row) -> ObjectRow:
    name, stamp, changed, size, type, etag, deleted, policy = found[:8]
    return ObjectRow(
        name=name, stamp=stamp, changed=changed, size=size, type=type, etag=etag, deleted=bool(deleted), policy=policy
    )
