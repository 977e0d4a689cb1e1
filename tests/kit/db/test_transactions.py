"""Transactions: whose they are, what they undo, and when they are durable."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from pileus.kit.db import Database, DatabaseBusy, DatabaseUnavailable, UniqueViolation
from pileus.kit.db.sqlite import SqliteEngine

from .tables import SERVER_COUNT, SERVER_FETCH, Opened, create
from .tables import opened as in_file


def commits(db: Database) -> int:
    assert isinstance(db.engine, SqliteEngine)
    return db.engine.commits


async def test_concurrent_transactions_share_a_commit(tmp_path: Path) -> None:
    async with in_file(tmp_path / "db") as db:
        before = commits(db)

        async def write(n: int) -> None:
            async with db.transaction():
                await create(db, str(n))

        await asyncio.gather(*(write(n) for n in range(32)))
        assert commits(db) - before <= 2
        assert await db.one(SERVER_COUNT) == 32


async def test_a_batch_is_bounded(tmp_path: Path) -> None:
    async with in_file(tmp_path / "db") as db:
        before = commits(db)
        await asyncio.gather(*(create(db, str(n)) for n in range(200)))
        assert commits(db) - before >= 4


async def test_a_failing_transaction_undoes_only_itself(opened: Opened) -> None:
    async with opened() as db:

        async def write(n: int) -> None:
            async with db.transaction():
                await create(db, str(n))
                await asyncio.sleep(0)
                if n % 3 == 0:
                    raise LookupError(n)

        results = await asyncio.gather(*(write(n) for n in range(12)), return_exceptions=True)
        assert [n for n, result in enumerate(results) if isinstance(result, LookupError)] == [0, 3, 6, 9]
        assert await db.one(SERVER_COUNT) == 8


async def test_transactions_take_turns_in_order(opened: Opened) -> None:
    order: list[int] = []
    async with opened() as db:

        async def write(n: int) -> None:
            async with db.transaction():
                order.append(n)
                await asyncio.sleep(0)
                order.append(n)

        await asyncio.gather(*(write(n) for n in range(5)))
    assert order == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


async def test_a_nested_transaction_joins_the_outer_one(opened: Opened) -> None:
    async with opened() as db:
        with pytest.raises(LookupError):
            async with db.transaction():
                async with db.transaction():
                    await create(db, "1")
                assert await db.one(SERVER_FETCH, id="1") is not None
                raise LookupError
        assert await db.one(SERVER_COUNT) == 0


async def test_others_see_only_what_is_committed(opened: Opened) -> None:
    async with opened() as db:

        async def outside() -> int | None:
            assert not db.in_transaction
            return await db.one(SERVER_COUNT)

        async with db.transaction():
            await create(db, "1")
            assert await asyncio.create_task(outside()) == 0
            assert await db.one(SERVER_COUNT) == 1
        assert await outside() == 1


async def test_a_task_started_inside_writes_on_its_own(opened: Opened) -> None:
    async with opened() as db:
        with pytest.raises(LookupError):
            async with db.transaction():
                child = asyncio.create_task(create(db, "child"))
                await create(db, "parent")
                await asyncio.sleep(0)
                raise LookupError
        await child
        assert await db.one(SERVER_FETCH, id="child") is not None
        assert await db.one(SERVER_FETCH, id="parent") is None


async def test_hooks_run_after_commit_and_never_after_rollback(tmp_path: Path) -> None:
    seen: list[str] = []
    async with in_file(tmp_path / "db") as db:

        def note(what: str) -> None:
            with sqlite3.connect(tmp_path / "db") as other:
                count = other.execute("SELECT count(*) FROM servers").fetchone()[0]
            other.close()
            seen.append(f"{what} {count}")

        db.on_commit(lambda: note("at once"))
        async with db.transaction():
            await create(db, "1")
            db.on_commit(lambda: note("committed"))
            assert seen == ["at once 0"]
        assert seen == ["at once 0", "committed 1"]
        with pytest.raises(LookupError):
            async with db.transaction():
                db.on_commit(lambda: note("never"))
                raise LookupError
    assert seen == ["at once 0", "committed 1"]


async def test_a_hook_that_fails_spoils_nothing(opened: Opened) -> None:
    seen: list[int] = []

    def fail() -> None:
        raise LookupError

    async with opened() as db:
        async with db.transaction():
            await create(db, "1")
            db.on_commit(fail)
            db.on_commit(lambda: seen.append(1))
        assert await db.one(SERVER_COUNT) == 1
    assert seen == [1]


async def test_a_cancelled_task_undoes_its_own_and_lets_the_next_in(opened: Opened) -> None:
    async with opened() as db:
        inside, never = asyncio.Event(), asyncio.Event()

        async def stuck() -> None:
            async with db.transaction():
                await create(db, "stuck")
                inside.set()
                await never.wait()

        first = asyncio.create_task(stuck())
        await inside.wait()
        waiting = [asyncio.create_task(create(db, str(n))) for n in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        first.cancel()
        results = await asyncio.gather(first, *waiting, return_exceptions=True)
        assert [type(result) for result in results[:2]] == [asyncio.CancelledError] * 2
        assert await db.one(SERVER_FETCH, id="stuck") is None
        assert await db.one(SERVER_COUNT) == 2
        await create(db, "after")


async def test_cancelling_at_every_point_never_blocks_the_next(opened: Opened) -> None:
    async with opened() as db:
        for turns in range(12):
            tasks = [asyncio.create_task(create(db, f"{turns}-{n}")) for n in range(6)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [result for result in results[1::2] if result is not None] == []
        await create(db, "after")
        assert (await db.one(SERVER_COUNT) or 0) >= 37


async def test_a_refused_statement_does_not_end_the_transaction(opened: Opened) -> None:
    async with opened() as db:
        async with db.transaction():
            await create(db, "1")
            with pytest.raises(UniqueViolation):
                await create(db, "1")
            await create(db, "2")
        assert await db.one(SERVER_COUNT) == 2


async def test_a_commit_that_fails_fails_the_whole_batch(tmp_path: Path) -> None:
    seen: list[str] = []
    async with in_file(tmp_path / "db") as db:
        engine = db.engine
        assert isinstance(engine, SqliteEngine)

        def full() -> None:
            raise sqlite3.OperationalError("database or disk is full")

        async def write(n: int) -> None:
            async with db.transaction():
                await create(db, str(n))
                db.on_commit(lambda: seen.append("never"))

        works, engine.write_commit = engine.write_commit, full  # type: ignore[method-assign]
        results = await asyncio.gather(*(write(n) for n in range(4)), return_exceptions=True)
        assert [type(result) for result in results] == [DatabaseUnavailable] * 4
        assert seen == []
        engine.write_commit = works  # type: ignore[method-assign]
        await write(9)
        assert await db.one(SERVER_COUNT) == 1


async def test_another_program_that_writes_is_waited_for(tmp_path: Path) -> None:
    async with in_file(tmp_path / "db") as db:
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(create(db, "1"))
        await asyncio.sleep(0)
        assert await db.one(SERVER_COUNT) == 0  # reads and the loop go on
        other.execute("COMMIT")
        other.close()
        await waiting
        assert await db.one(SERVER_COUNT) == 1


async def test_a_database_that_stays_locked_is_unavailable(tmp_path: Path) -> None:
    async with in_file(tmp_path / "db") as db:
        assert isinstance(db.engine, SqliteEngine)
        db.engine.busy_ms = 10
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy):
            await create(db, "1")
        other.close()
        await create(db, "1")


async def test_closing_ends_what_is_under_way_and_refuses_the_rest(opened: Opened) -> None:
    async with opened() as db:
        tasks = [asyncio.create_task(create(db, str(n))) for n in range(4)]
        await asyncio.sleep(0)
        await db.close()
        assert await asyncio.gather(*tasks) == [None] * 4
        with pytest.raises(DatabaseUnavailable):
            await create(db, "late")


async def test_two_databases_do_not_share_a_transaction(opened: Opened) -> None:
    async with opened() as one, opened() as other:
        with pytest.raises(LookupError):
            async with one.transaction():
                await create(one, "1")
                await create(other, "1")
                raise LookupError
        assert await one.one(SERVER_COUNT) == 0
        assert await other.one(SERVER_COUNT) == 1
