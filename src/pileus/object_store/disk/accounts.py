"""The ledger of an account: its containers, how many and how much is in them, and what was said about the account."""

import sqlite3
from collections.abc import Iterable, Mapping

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
from pileus.object_store.disk.walking import Row, walk
from pileus.object_store.errors import Missing
from pileus.object_store.models.listings import ContainerRow, Entry, Wanted

SCHEMA = """
CREATE TABLE containers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, put_stamp TEXT NOT NULL,
    delete_stamp TEXT NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL, policy INTEGER NOT NULL,
    changed TEXT NOT NULL, deleted INTEGER NOT NULL
);
CREATE TABLE held (policy INTEGER PRIMARY KEY, count INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TRIGGER container_comes AFTER INSERT ON containers WHEN new.deleted = 0 BEGIN
    INSERT INTO totals VALUES (new.policy, new.count, new.bytes)
    ON CONFLICT (policy) DO UPDATE SET count = count + excluded.count, bytes = bytes + excluded.bytes;
    INSERT INTO held VALUES (new.policy, 1, 0) ON CONFLICT (policy) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER container_goes AFTER DELETE ON containers WHEN old.deleted = 0 BEGIN
    UPDATE totals SET count = count - old.count, bytes = bytes - old.bytes WHERE policy = old.policy;
    UPDATE held SET count = count - 1 WHERE policy = old.policy;
END;
"""
COLUMNS = "name, put_stamp, delete_stamp, count, bytes, policy, changed"
LIST = f"SELECT {COLUMNS} FROM containers WHERE deleted = 0"


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An account: since when it is, what is in it, what was said about it."""

    account: str
    created: str
    put_stamp: str
    delete_stamp: str = ""
    containers: int = 0
    objects: int = 0
    bytes: int = 0
    held: Mapping[int, Totals] = {}  # containers, by policy
    totals: Mapping[int, Totals] = {}  # objects and bytes, by policy
    metadata: Mapping[str, str] = {}

    @property
    def deleted(self) -> bool:
        """Whether it was deleted. Its containers go in time."""
        return self.delete_stamp > self.put_stamp


class AccountLedger:
    """The ledger of one account. Blocks; belongs in threads."""

    def __init__(self, path: str) -> None:
        self.ledger = Ledger(path, SCHEMA)

    def put(self, account: str, said: Mapping[str, str], stamp: str) -> bool:
        """The account is there; return whether it was not before."""
        fresh = not self.ledger.exists
        if fresh:
            self.ledger.create({"account": account, "created": stamp, "put_stamp": stamp})
        with self.ledger.writing() as connection:
            now = _facts(connection)
            if stamp > now.put_stamp:
                set_about(connection, {"put_stamp": stamp})
            set_metadata(connection, said, stamp)
        return fresh or now.deleted

    def post(self, said: Mapping[str, str], stamp: str) -> None:
        """The metadata is so; raises Missing."""
        with self.ledger.writing() as connection:
            if _facts(connection).deleted:
                raise Missing
            set_metadata(connection, said, stamp)

    def delete(self, stamp: str) -> None:
        """The account is gone, and what is in it will go; raises Missing."""
        with self.ledger.writing() as connection:
            now = _facts(connection)
            if now.deleted:
                raise Missing(now.delete_stamp)
            set_about(connection, {"delete_stamp": stamp})
            connection.execute("UPDATE metadata SET value = '', stamp = ?", (stamp,))

    def facts(self, *, deleted_too: bool = False) -> AccountFacts:
        """What is known of the account; raises Missing."""
        with self.ledger.reading() as connection:
            found = _facts(connection)
        if found.deleted and not deleted_too:
            raise Missing(found.delete_stamp)
        return found

    def listed(self, wanted: Wanted, *, deleted_too: bool = False) -> tuple[AccountFacts, list[Entry]]:
        """The account and part of its listing, of one moment."""
        with self.ledger.reading() as connection:
            found = _facts(connection)
            if found.deleted and not deleted_too:
                raise Missing(found.delete_stamp)
            return found, walk(connection, LIST, wanted, _row)

    def merge(self, rows: Iterable[ContainerRow]) -> None:
        """The listing knows these containers, each unless it knows better."""
        with self.ledger.writing() as connection:
            for row in rows:
                _merge(connection, row)

    def since(self, seq: int, limit: int) -> list[tuple[int, ContainerRow]]:
        """The rows that came after the one with this number, in their order, deleted ones included."""
        with self.ledger.reading() as connection:
            found = connection.execute(
                f"SELECT {COLUMNS}, seq FROM containers WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
            ).fetchall()
        return [(row[-1], _row(row)) for row in found]

    def said(self) -> dict[str, tuple[str, str]]:
        """All metadata, each with its stamp."""
        with self.ledger.reading() as connection:
            return stamped(connection)

    def join(self, facts: AccountFacts, said: Mapping[str, tuple[str, str]], rows: Iterable[ContainerRow]) -> None:
        """The ledger knows what another replica knows, each thing unless it knows better."""
        if not self.ledger.exists:
            self.ledger.create({"account": facts.account, "created": facts.created, "put_stamp": facts.put_stamp})
        with self.ledger.writing() as connection:
            now = _facts(connection)
            known = {
                "put_stamp": max(now.put_stamp, facts.put_stamp),
                "delete_stamp": max(now.delete_stamp, facts.delete_stamp),
                "created": min(now.created, facts.created),
            }
            set_about(connection, known)
            merge_stamped(connection, said)
            for row in rows:
                _merge(connection, row)

    def reclaim(self, before: str) -> None:
        """Containers deleted before this moment are forgotten."""
        with self.ledger.writing() as connection:
            connection.execute("DELETE FROM containers WHERE deleted = 1 AND delete_stamp < ?", (before,))
            connection.execute("DELETE FROM metadata WHERE value = '' AND stamp < ?", (before,))


def _merge(connection: sqlite3.Connection, row: ContainerRow) -> None:
    found = connection.execute(f"SELECT {COLUMNS} FROM containers WHERE name = ?", (row.name,)).fetchone()
    if found is not None:
        known = _row(found)
        newer = row if row.changed >= known.changed else known
        row = ContainerRow(
            name=row.name,
            put_stamp=max(row.put_stamp, known.put_stamp),
            delete_stamp=max(row.delete_stamp, known.delete_stamp),
            count=newer.count,
            bytes=newer.bytes,
            policy=newer.policy,
            changed=newer.changed,
        )
        if row == known:
            return
        connection.execute("DELETE FROM containers WHERE name = ?", (row.name,))
    connection.execute(
        f"INSERT INTO containers ({COLUMNS}, deleted) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (row.name, row.put_stamp, row.delete_stamp, row.count, row.bytes, row.policy, row.changed, int(row.deleted)),
    )


def _facts(connection: sqlite3.Connection) -> AccountFacts:
    known = about(connection)
    sums = totals(connection)
    held = {policy: Totals(count, 0) for policy, count in connection.execute("SELECT policy, count FROM held")}
    return AccountFacts(
        account=known["account"],
        created=known["created"],
        put_stamp=known["put_stamp"],
        delete_stamp=known.get("delete_stamp", ""),
        containers=sum(one.count for one in held.values()),
        objects=sum(one.count for one in sums.values()),
        bytes=sum(one.bytes for one in sums.values()),
        held=held,
        totals=sums,
        metadata=metadata(connection),
    )


def _row(found: Row) -> ContainerRow:
    name, put_stamp, delete_stamp, count, size, policy, changed = found[:7]
    return ContainerRow(
        name=name,
        put_stamp=put_stamp,
        delete_stamp=delete_stamp,
        count=count,
        bytes=size,
        policy=policy,
        changed=changed,
    )
