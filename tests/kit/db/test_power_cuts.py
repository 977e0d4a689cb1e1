"""What was acknowledged is there after the power went, at whatever moment, and whatever of the unsynced writes was kept."""

import asyncio
import contextlib
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Table, insert, update
from tests.power_cut import SECTOR, Cut, Disk, in_memory, recorded

from pileus.kit.db import Database, Integer, Text, command, create_all, metadata

METADATA = metadata()
ROWS = Table("rows", METADATA, Column("id", Integer, primary_key=True), Column("half", Integer, primary_key=True),
             Column("text", Text))  # fmt: skip
COUNTER = Table("counter", METADATA, Column("id", Integer, primary_key=True), Column("value", Integer))
CREATE = command(insert(ROWS))
BEGUN = command(insert(COUNTER))
COUNT = command(update(COUNTER).values(value=COUNTER.c.value + 1))
WORKERS = 16
Journal = list[tuple[int, int]]  # rows that were acknowledged, and when


async def written(disk: Disk, transactions: int, bytes_each: int) -> tuple[Journal, int]:
    """So many transactions by several workers at once; what was acknowledged when, and how many commits it took."""
    db = await Database.open(disk.folder / "db")
    await create_all(db, METADATA)
    await db.run(BEGUN, id=1, value=0)
    journal: Journal = []

    async def work(first: int) -> None:
        for id in range(first, transactions, WORKERS):
            async with db.transaction():
                await db.run(CREATE, id=id, half=1, text="x" * bytes_each)
                await db.run(COUNT)
                await db.run(CREATE, id=id, half=2, text="y" * bytes_each)
            journal.append((id, disk.now()))

    await asyncio.gather(*(work(first) for first in range(WORKERS)))
    commits = db.engine.commits  # type: ignore[attr-defined]  # SQLite's alone
    await db.close()
    return journal, commits


def looked(path: Path) -> tuple[list[str], set[int]]:
    """What is broken in the database, and which transactions are there whole."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'counter'").fetchall():
            return [], set()
        wrong = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        halves = Counter(row[0] for row in connection.execute("SELECT id FROM rows"))
        counted = connection.execute("SELECT sum(value) FROM counter").fetchone()[0] or 0
    if torn := [id for id, count in halves.items() if count != 2]:
        wrong.append(f"half there: {torn[:5]}")
    if counted != len(halves):
        wrong.append(f"counted {counted} of {len(halves)}")
    return wrong, set(halves)


def broken(cut: Cut, journal: Journal) -> list[str]:
    """What does not hold after the cut."""
    with cut.mounted() as folder:
        wrong, found = looked(folder / "db")
    lost = {id for id, at in journal if at <= cut.at} - found
    return [*wrong, f"acknowledged and lost: {sorted(lost)[:5]}"] if lost else wrong


async def replayed(transactions: int, bytes_each: int, reorderings: int, at_most: int | None) -> None:
    """Write, cut, look; the counts are printed."""
    cuts = complaints = 0
    with in_memory() as place:
        with recorded(place) as disk:
            journal, commits = await written(disk, transactions, bytes_each)
        assert len(journal) == transactions
        for cut in disk.cuts(reorderings=reorderings, at_most=at_most):
            cuts += 1
            if wrong := broken(cut, journal):
                complaints += 1
                print(f"cut at {cut.at} ({cut.why}): {wrong}")
    print(f"{cuts} power cuts replayed over {len(disk.entries)} writes and flushes, {cuts - complaints} survived;"
          f" {transactions} transactions in {commits} commits")  # fmt: skip
    assert complaints == 0
    assert cuts >= (at_most or transactions)
    assert commits < transactions, "they shared commits"


@pytest.mark.slow
async def test_whatever_was_written_of_the_next_commit_the_one_before_is_there(tmp_path: Path) -> None:
    chosen = random.Random(1)
    path, log = tmp_path / "db", tmp_path / "db-wal"
    db = await Database.open(path)
    await create_all(db, METADATA)
    await db.run(BEGUN, id=1, value=0)
    tables, synced, cuts = path.read_bytes(), log.read_bytes(), 0
    for id in range(12):
        async with db.transaction():
            await db.run(CREATE, id=id, half=1, text="x" * 3000)
            await db.run(COUNT)
            await db.run(CREATE, id=id, half=2, text="y" * 3000)
        written = log.read_bytes()
        for part in _part_of(synced, written, chosen):
            cuts += 1
            (tmp_path / "after").mkdir()
            (tmp_path / "after" / "db").write_bytes(tables)
            (tmp_path / "after" / "db-wal").write_bytes(part)
            wrong, found = looked(tmp_path / "after" / "db")
            assert (wrong, found - {id}) == ([], set(range(id)))
            shutil.rmtree(tmp_path / "after")
        synced = written
    await db.close()
    print(f"{cuts} power cuts in the midst of a commit, all survived")
    assert path.stat().st_size > 0 and cuts == 12 * 12


def _part_of(synced: bytes, written: bytes, chosen: random.Random) -> Iterator[bytes]:
    """The write-ahead log as it was, with some sectors of what came after, in any order: what is missing is zeros or cut off."""
    assert written.startswith(synced), "the log only grows until it is written back"
    sectors = range(len(synced), len(written), SECTOR)
    for number in range(12):
        part = bytearray(synced.ljust(len(written), b"\0"))
        for at in sectors:
            if number == 0 or chosen.random() < number / 12:
                part[at : at + SECTOR] = written[at : at + SECTOR]
        yield bytes(part[: chosen.randrange(len(synced), len(written) + 1)] if number % 3 == 1 else part)


@pytest.mark.host
async def test_acknowledged_transactions_survive_power_cuts() -> None:
    await replayed(transactions=160, bytes_each=2000, reorderings=1, at_most=300)


@pytest.mark.scale
@pytest.mark.timeout(1800)
async def test_acknowledged_transactions_survive_every_power_cut() -> None:
    # 20 MB through a write-ahead log that is written back every 4 MB: the cuts fall into checkpoints, too.
    await replayed(transactions=480, bytes_each=20_000, reorderings=3, at_most=None)


@pytest.mark.host
def test_a_commit_that_was_not_synced_is_found_lost() -> None:
    with in_memory() as place:
        with recorded(place) as disk:
            journal = written_without_care(disk)
        found = [wrong for cut in disk.cuts(at_most=60) for wrong in broken(cut, journal)]
    assert any("acknowledged and lost" in wrong for wrong in found)


def written_without_care(disk: Disk) -> Journal:
    """Transactions that SQLite was told not to sync."""
    journal: Journal = []
    with contextlib.closing(sqlite3.connect(disk.folder / "db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE rows (id INTEGER, half INTEGER)")
        connection.execute("CREATE TABLE counter (value INTEGER)")
        connection.execute("INSERT INTO counter VALUES (0)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA synchronous=NORMAL")
        for id in range(8):
            connection.execute("BEGIN")
            connection.execute("INSERT INTO rows VALUES (?1, 1), (?1, 2)", (id,))
            connection.execute("UPDATE counter SET value = value + 1")
            connection.execute("COMMIT")
            journal.append((id, disk.now()))
    return journal
