"""A ledger: the SQLite file that holds the listing of one container or one account.

What a PUT tells a container is committed with all that others told it meanwhile: one fsync for many (group commit). A
listing is read on a connection of its own, beside the writing. The format's version is SQLite's `user_version`; a file of
an earlier version is brought up to date when it is opened.
"""

import contextlib
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of
from pileus.object_store.disk.durable import ensure_folder, sync_folder
from pileus.object_store.errors import DeviceUnusable, Missing, StorageProblem

log = log_of(__name__)
UNUSABLE = ("full", "disk I/O", "readonly", "unable to open")
DAMAGED = ("malformed", "not a database", "file is encrypted")
ABOUT = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL, stamp TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE totals (policy INTEGER PRIMARY KEY, count INTEGER NOT NULL, bytes INTEGER NOT NULL);
"""


class LaterFormat(StorageProblem):
    """{path} was written by a later release: its format is {found}, this one knows up to {known}. Go on with that release."""


class Totals(msgspec.Struct, frozen=True):
    """How much is in something, of one storage policy."""

    count: int = 0
    bytes: int = 0


class Ledger:
    """An open ledger. Everything here blocks and belongs in threads; reading and writing may go on at once."""

    def __init__(self, path: str, schema: str, additions: Sequence[str] = ()) -> None:
        self.path = path
        self._schema = schema
        self._additions = additions  # what each later version of the format added
        self._write = threading.RLock()
        self._read = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    @property
    def version(self) -> int:
        """The version of the format that this release writes."""
        return 1 + len(self._additions)

    @property
    def exists(self) -> bool:
        """Whether there is such a file."""
        return os.path.exists(self.path)

    def create(self, about: Mapping[str, str]) -> None:
        """The file is there, durably, with this about it; an older one stays as it is."""
        with self._write:
            if self.exists:
                return
            ensure_folder(os.path.dirname(self.path))
            fresh = f"{self.path}.{uuid.uuid4().hex}.new"
            made = sqlite3.connect(fresh, isolation_level=None)
            try:
                made.execute("PRAGMA synchronous = FULL")
                schema = " ".join((ABOUT, self._schema, *self._additions))
                made.executescript(f"BEGIN; {schema} PRAGMA user_version = {self.version}; COMMIT")
                rows = {"id": str(uuid.uuid4()), **about}.items()
                made.executemany("INSERT INTO about VALUES (?, ?)", rows)
            finally:
                made.close()
            os.rename(fresh, self.path)
            sync_folder(os.path.dirname(self.path))

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is durable when the block ends, and never was if it raises."""
        with self._judged(), self._write:
            if self._writer is None:
                self._writer = self._opened()
            connection = self._writer
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite ends some that fail by itself
                    connection.execute("ROLLBACK")
                raise
            failpoint("ledger.commit", "before")
            connection.execute("COMMIT")
            failpoint("ledger.commit", "after")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the ledger, whatever is written meanwhile."""
        with self._judged(), self._read:
            if self._reader is None:
                self._reader = self._opened()
            connection = self._reader
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        """What SQLite finds wrong is a device that takes nothing, or a damaged file, which is set aside and then Missing."""
        try:
            yield
        except sqlite3.OperationalError as failed:
            if any(word in str(failed) for word in UNUSABLE):
                raise DeviceUnusable(device=self.path, why=failed) from failed
            raise
        except sqlite3.DatabaseError as damaged:
            if not any(word in str(damaged) for word in DAMAGED):
                raise
            self.set_aside()
            raise Missing from damaged

    def sound(self) -> bool:
        """Whether the file holds together; one that does not is set aside. Takes as long as reading it."""
        connection = sqlite3.connect(f"file:{quote(self.path)}?mode=ro", uri=True)
        try:
            good = bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.OperationalError:
            return True  # it went, or cannot be read now; damage is another error
        except sqlite3.DatabaseError:
            good = False
        finally:
            connection.close()
        if not good:
            self.set_aside()
        return good

    def set_aside(self) -> None:
        """The file is out of the way, where a person can look at it; what other replicas know takes its place."""
        at = Path(self.path)
        shelf = at.parents[3] if at.parent.name == at.stem else at.parent
        aside = shelf.parent / "quarantined" / shelf.name / f"{at.stem}-{uuid.uuid4().hex}"
        self.close()
        with self._write, self._read:
            ensure_folder(str(aside))
            for tail in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self.path + tail, aside / (at.name + tail))
            sync_folder(aside)
            sync_folder(at.parent)
        log.warning("a damaged ledger is quarantined", path=self.path)

    def marked(self, key: str) -> str:
        """Something the ledger was told to remember; empty when it was not."""
        with self.reading() as connection:
            return about(connection).get(key, "")

    def last(self) -> int:
        """The number of the last row that came, gone ones included."""
        with self.reading() as connection:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()[0])

    def mark(self, values: Mapping[str, str]) -> None:
        """The ledger remembers this."""
        if not values:
            return
        with self.writing() as connection:
            set_about(connection, values)

    def _opened(self) -> sqlite3.Connection:
        if not self.exists:
            raise Missing
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30.0)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -512")
            self._bring_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _bring_up(self, connection: sqlite3.Connection) -> None:
        """The file is of this release's version of the format; raises LaterFormat."""
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > self.version:
            raise LaterFormat(path=self.path, found=found, known=self.version)
        if found == self.version:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Whoever reads and whoever writes may both be the first to open it.
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            for addition in self._additions[found - 1 :]:
                for statement in filter(str.strip, addition.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self.version}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def close(self) -> None:
        """Nothing of it is open; the next use opens it again."""
        with self._write, self._read:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    def remove(self) -> None:
        """The file is gone."""
        with self._write, self._read:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None
            for tail in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path + tail)


def about(connection: sqlite3.Connection) -> dict[str, str]:
    """What a ledger knows of itself."""
    return dict(connection.execute("SELECT key, value FROM about"))


def set_about(connection: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """The ledger knows this of itself."""
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", values.items())


def metadata(connection: sqlite3.Connection) -> dict[str, str]:
    """The metadata a client or a feature set; what was removed is left out."""
    return dict(connection.execute("SELECT key, value FROM metadata WHERE value != ''"))


def set_metadata(connection: sqlite3.Connection, values: Mapping[str, str], stamp: str) -> None:
    """The metadata is this as of the stamp; an empty value removes. What was set later stays."""
    connection.executemany(
        "INSERT INTO metadata VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, stamp = excluded.stamp "
        "WHERE excluded.stamp > stamp",
        [(key, value, stamp) for key, value in values.items()],
    )


def stamped(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """All metadata, removed ones included, each with the stamp of when it was said."""
    return {key: (value, stamp) for key, value, stamp in connection.execute("SELECT key, value, stamp FROM metadata")}


def merge_stamped(connection: sqlite3.Connection, said: Mapping[str, tuple[str, str]]) -> None:
    """The metadata is what was said last, here or there."""
    for key, (value, stamp) in said.items():
        set_metadata(connection, {key: value}, stamp)


def totals(connection: sqlite3.Connection) -> dict[int, Totals]:
    """How much is in it, by storage policy."""
    found: list[tuple[Any, ...]] = connection.execute("SELECT policy, count, bytes FROM totals").fetchall()
    return {policy: Totals(count, size) for policy, count, size in found}
