"""What is PostgreSQL's own: one writer among programs, faults of the connection, and how values travel."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import bindparam, func, select, update

from pileus.kit.db import (
    BadText,
    CheckViolation,
    Database,
    DatabaseUnavailable,
    Matches,
    UniqueViolation,
    command,
    create_all,
    scalar,
)
from pileus.kit.db.postgres import PostgresEngine, PostgresUnit

from .tables import (
    DISK_CREATE,
    METADATA,
    SERVER_COUNT,
    SERVER_DELETE,
    SERVER_FETCH,
    SERVER_UPDATE,
    SERVERS,
    SERVERS_LISTED,
    State,
    create,
    opened,
)

pytestmark = pytest.mark.postgres

COUNT_OF = scalar(select(func.count()).where(SERVERS.c.project == bindparam("project")), int)
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@contextlib.asynccontextmanager
async def controllers(address: str, count: int) -> AsyncIterator[list[Database]]:
    """Several programs' databases, all the same one."""
    async with contextlib.AsyncExitStack() as opening:
        dbs = []
        for _ in range(count):
            dbs.append(await Database.open(address))
            opening.push_async_callback(dbs[-1].close)
        await create_all(dbs[0], METADATA)
        yield dbs


async def test_what_was_checked_still_holds_when_it_is_acted_upon(postgres: str) -> None:
    async with controllers(postgres, 3) as dbs:

        async def take(n: int) -> bool:
            db = dbs[n % 3]
            async with db.transaction():
                if (await db.one(COUNT_OF, project="p") or 0) >= 5:
                    return False
                await asyncio.sleep(0)
                await create(db, str(n))
            return True

        taken = await asyncio.gather(*(take(n) for n in range(30)))
        assert sum(taken) == 5
        assert await dbs[0].one(SERVER_COUNT) == 5


async def test_a_write_of_its_own_waits_for_the_transactions_of_others(postgres: str) -> None:
    async with controllers(postgres, 2) as (one, other):
        await create(one, "1", generation=1)
        add = command(update(SERVERS).values(generation=SERVERS.c.generation * 10))
        async with one.transaction():
            before = await one.one(SERVER_FETCH, id="1")
            waiting = asyncio.create_task(other.run(add))
            await asyncio.sleep(0.05)
            assert before is not None
            await one.run(SERVER_UPDATE, id="1", generation=before.generation + 1)
        await waiting
        after = await one.one(SERVER_FETCH, id="1")
        assert after is not None
        assert after.generation == 20


async def test_hooks_run_after_commit_when_others_see_it(postgres: str, postgres_server: Any) -> None:
    seen: list[tuple[str, ...]] = []
    async with opened(postgres) as db, db.transaction():
        await create(db, "1")
        db.on_commit(lambda: seen.extend(postgres_server.sql("SELECT id FROM servers", postgres)))
    assert seen == [("1",)]


async def test_refused_statements_undo_themselves_alone_whatever_came_before(postgres: str) -> None:
    async with opened(postgres) as db:
        async with db.transaction():
            for n in range(5):
                await create(db, str(n))
                await db.run(SERVER_UPDATE, id=str(n), state=State.ACTIVE)
                with pytest.raises(UniqueViolation):
                    await create(db, str(n))
                with pytest.raises(UniqueViolation):
                    await db.run_many(DISK_CREATE, [{"id": "d", "server": str(n)}] * 2)
            await db.run(DISK_CREATE, id="d", server="0")
            with pytest.raises(Exception, match="still refers"):
                await db.run(SERVER_DELETE, id="0")
        assert await db.one(SERVER_COUNT) == 5


async def test_a_transaction_that_cannot_go_on_says_so_and_commits_nothing(postgres: str) -> None:
    async with opened(postgres) as db:
        await create(db, "1")
        with pytest.raises(DatabaseUnavailable):
            async with db.transaction():
                await db.run(SERVER_UPDATE, id="1", state=State.ACTIVE)
                with pytest.raises(CheckViolation):  # a plain column: nobody expects it to be refused
                    await db.run(SERVER_UPDATE, id="1", generation=2**70)
                await db.one(SERVER_FETCH, id="1")
        server = await db.one(SERVER_FETCH, id="1")
        assert server is not None
        assert server.state is State.BUILD
        await create(db, "2")


async def test_lost_connections_are_replaced_unnoticed(postgres: str, postgres_server: Any) -> None:
    async with opened(postgres) as db:
        await create(db, "1")
        await asyncio.gather(*(db.one(SERVER_COUNT) for _ in range(5)))
        for _ in range(2):
            postgres_server.sql(END_ALL, postgres)
            assert await db.one(SERVER_COUNT) == 1
        postgres_server.sql(END_ALL, postgres)
        await create(db, "2")
        assert await db.one(SERVER_COUNT) == 2


async def test_a_connection_lost_in_a_transaction_undoes_it_and_frees_the_turn(
    postgres: str, postgres_server: Any
) -> None:
    async with opened(postgres) as db:
        with pytest.raises(DatabaseUnavailable):
            async with db.transaction():
                await create(db, "1")
                postgres_server.sql(END_ALL, postgres)
                await create(db, "2")
        with pytest.raises(DatabaseUnavailable, match="outcome is not known"):
            async with db.transaction():
                await create(db, "3")
                postgres_server.sql(END_ALL, postgres)
        assert await db.one(SERVER_COUNT) == 0
        await create(db, "4")


async def test_one_that_stalls_in_a_transaction_is_ended_by_the_server(postgres: str) -> None:
    async with controllers(postgres, 2) as (stalls, works):
        with pytest.raises(DatabaseUnavailable):
            async with stalls.transaction():
                engine = stalls.engine
                assert isinstance(engine, PostgresEngine)
                await create(stalls, "1")
                unit = next(iter(stalls._ambient.values())).unit
                await unit.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'", [])
                await create(works, "2")  # waits for the writers' lock until then
        assert await works.one(SERVER_COUNT) == 1


async def test_one_that_freezes_between_the_halves_of_a_statement_is_ended_by_who_waits(postgres: str) -> None:
    works = Database(PostgresEngine(postgres, stalled_s=0.2))
    async with controllers(postgres, 1) as (freezes,):
        try:
            with pytest.raises(DatabaseUnavailable):
                async with freezes.transaction():
                    await create(freezes, "1")
                    unit = next(iter(freezes._ambient.values())).unit
                    assert isinstance(unit, PostgresUnit)
                    frozen = unit._connection._transport  # type: ignore[attr-defined]
                    frozen.pause_reading()  # so the server's answer to the first half stays unread
                    halves = asyncio.create_task(unit.fetch("SELECT 1 + $1::int", [1]))
                    await create(works, "2")  # waits for the writers' lock until then
                    frozen.resume_reading()
                    await halves
            assert [server.id for server in await works.page(SERVERS_LISTED)] == ["2"]
            await create(freezes, "3")
        finally:
            await works.close()


async def test_one_that_is_slow_but_at_work_is_not_ended(postgres: str) -> None:
    waits = Database(PostgresEngine(postgres, stalled_s=0.05))
    async with controllers(postgres, 1) as (slow,):
        try:
            async with slow.transaction():
                await create(slow, "1")
                waiting = asyncio.create_task(create(waits, "2"))
                unit = next(iter(slow._ambient.values())).unit
                await unit.fetch("SELECT pg_sleep(0.4)", [])
            await waiting
            assert await slow.one(SERVER_COUNT) == 2
        finally:
            await waits.close()


async def test_cancelling_in_the_midst_of_anything_leaves_the_database_usable(postgres: str) -> None:
    async with opened(postgres) as db:
        for n in range(40):
            tasks = [asyncio.create_task(create(db, f"{n}-{m}")) for m in range(3)]
            tasks += [asyncio.create_task(_read(db)) for _ in range(3)]
            await asyncio.sleep(n / 20_000)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [result for result in results[1::2] if isinstance(result, BaseException)] == []
        await create(db, "after")


async def _read(db: Database) -> None:
    await db.one(SERVER_COUNT)


@pytest.mark.slow
async def test_a_crash_of_the_server_loses_nothing_and_is_recovered_from(own_postgres_server: Any) -> None:
    async with opened(own_postgres_server.address()) as db:
        done: list[str] = []

        async def write(worker: int) -> None:
            for n in range(1000):
                try:
                    await create(db, f"{worker}-{n}")
                except DatabaseUnavailable:
                    return
                done.append(f"{worker}-{n}")

        writers = [asyncio.create_task(write(worker)) for worker in range(8)]
        while not done:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(own_postgres_server.stop, signal.SIGQUIT)
        with pytest.raises(DatabaseUnavailable):
            await db.one(SERVER_COUNT)
        await asyncio.gather(*writers)
        await asyncio.to_thread(own_postgres_server.start)
        found = {server.id for server in await db.page(SERVERS_LISTED)}
        assert done
        assert set(done) <= found
        await create(db, "after")


async def test_text_that_cannot_be_stored_is_the_callers_mistake(postgres: str) -> None:
    async with opened(postgres) as db:
        with pytest.raises(BadText):
            await create(db, "1", name="a\0b")
        with pytest.raises(BadText):
            await db.page(SERVERS_LISTED, where={"name": Matches("(")})


async def test_strings_have_any_length_and_sums_are_whole(postgres: str) -> None:
    total = scalar(select(func.sum(SERVERS.c.generation)), int)
    async with opened(postgres) as db:
        await create(db, "1" * 300, name="n" * 1000, generation=2**40)
        await create(db, "2", generation=1)
        sum_of_all = await db.one(total)
        assert sum_of_all == 2**40 + 1
        assert type(sum_of_all) is int


async def test_strings_sort_byte_by_byte(postgres: str) -> None:
    async with opened(postgres) as db:
        for id in ("b", "B", "a", "_", "é", "10", "9"):
            await create(db, id)
        assert [server.id for server in await db.page(SERVERS_LISTED)] == ["10", "9", "B", "_", "a", "b", "é"]


async def test_more_tasks_than_connections_wait_their_turn(postgres: str) -> None:
    async with opened(postgres) as db:
        assert set(await asyncio.gather(*(db.one(SERVER_COUNT) for _ in range(100)))) == {0}
        engine = db.engine
        assert isinstance(engine, PostgresEngine)
        assert engine.pool._open <= 16
