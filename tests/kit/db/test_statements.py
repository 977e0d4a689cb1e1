"""Statements: what goes in comes out, and what does not fit is refused by name."""

import datetime as dt

import msgspec
import pytest
from sqlalchemy import bindparam, func, insert, not_, select

from pileus.kit.db import Boolean, CheckViolation, ForeignKeyViolation, UniqueViolation, command, query, upsert

from .tables import (
    DISK_CREATE,
    SERVER_COUNT,
    SERVER_CREATE,
    SERVER_DELETE,
    SERVER_FETCH,
    SERVER_LIST,
    SERVER_MOVE,
    SERVER_UPDATE,
    SERVERS,
    Opened,
    Server,
    State,
    Tag,
    create,
)

BORN = dt.datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))


async def test_every_type_survives_the_round_trip(opened: Opened) -> None:
    given = Server("1", "p", "one", State.ACTIVE, BORN, True, (Tag("a", 1), Tag("b", 2)), {"x": [1, None, "é"]}, 7)
    async with opened() as db:
        await db.run(SERVER_CREATE, **msgspec.structs.asdict(given))
        got = await db.one(SERVER_FETCH, id="1")
        assert got == given
        assert got.born is not None
        assert got.born.utcoffset() == dt.timedelta(0)


async def test_columns_left_out_take_their_default_or_null(opened: Opened) -> None:
    async with opened() as db:
        await db.run(SERVER_CREATE, id="1", project="p")
        assert await db.one(SERVER_FETCH, id="1") == Server("1", "p", None, State.BUILD, None, False, (), None, 0)


async def test_an_open_update_sets_only_what_is_named(opened: Opened) -> None:
    async with opened() as db:
        await create(db, "1", born=BORN)
        assert await db.run(SERVER_UPDATE, id="1", state=State.ACTIVE, born=None) == 1
        assert await db.one(SERVER_FETCH, id="1") == Server("1", "p", "1", State.ACTIVE, None, False, (), None, 0)


async def test_a_moved_row_is_not_updated_again(opened: Opened) -> None:
    async with opened() as db:
        await create(db, "1")
        assert await db.run(SERVER_MOVE, id="1", generation=0, state=State.ACTIVE) == 1
        assert await db.run(SERVER_MOVE, id="1", generation=0, state=State.BUILD) == 0


@pytest.mark.parametrize("ids", [[], ["1"], ["1", "3", "none"], ("1", "2", "3")])
async def test_one_statement_serves_lists_of_any_length(opened: Opened, ids: list[str]) -> None:
    async with opened() as db:
        for id in ("1", "2", "3"):
            await create(db, id)
        assert {server.id for server in await db.all(SERVER_LIST, ids=ids)} == set(ids) - {"none"}


async def test_moments_sort_and_compare_as_time(opened: Opened) -> None:
    before = query(select(SERVERS.c.id).where(SERVERS.c.born < bindparam("than")).order_by(SERVERS.c.born), str)
    newest = query(select(func.max(SERVERS.c.born)), dt.datetime)
    async with opened() as db:
        for id, seconds in (("a", 0.5), ("b", -1), ("c", 0), ("d", 0.000001)):
            await create(db, id, born=BORN + dt.timedelta(seconds=seconds))
        assert await db.all(before, than=BORN.astimezone(dt.UTC) + dt.timedelta(seconds=0.5)) == ["b", "c", "d"]
        assert await db.one(newest) == BORN + dt.timedelta(seconds=0.5)


async def test_a_naive_moment_is_refused(opened: Opened) -> None:
    async with opened() as db:
        with pytest.raises(TypeError, match="aware"):
            await create(db, "1", born=dt.datetime(2026, 1, 1))  # noqa: DTZ001


async def test_columns_in_another_order_find_their_fields(opened: Opened) -> None:
    class Pair(msgspec.Struct, frozen=True, kw_only=True):
        state: State
        id: str
        note: str = "none"

    class Swapped(msgspec.Struct, frozen=True):
        state: State
        id: str

    async with opened() as db:
        await create(db, "1")
        assert await db.one(query(select(SERVERS.c.id, SERVERS.c.state), Pair)) == Pair(id="1", state=State.BUILD)
        assert await db.one(query(select(SERVERS.c.id, SERVERS.c.state), Swapped)) == Swapped(State.BUILD, "1")
        assert await db.one(query(select(SERVERS.c.id, SERVERS.c.state), tuple[str, State])) == ("1", State.BUILD)


async def test_a_struct_that_does_not_fit_is_refused_by_name(opened: Opened) -> None:
    async with opened() as db:
        with pytest.raises(TypeError, match=r"not selected \['project'.*"):
            await db.one(query(select(SERVERS.c.id), Server))


async def test_wrong_parameters_are_refused_by_name(opened: Opened) -> None:
    async with opened() as db:
        with pytest.raises(TypeError, match="parameter id is missing"):
            await db.one(SERVER_FETCH)
        with pytest.raises(TypeError, match="colour"):
            await db.one(SERVER_FETCH, id="1", colour="red")
        with pytest.raises(TypeError, match="colour"):
            await create(db, "1", colour="red")


async def test_a_broken_constraint_is_named(opened: Opened) -> None:
    async with opened() as db:
        await create(db, "1", name="same")
        with pytest.raises(UniqueViolation) as doubled:
            await create(db, "2", name="same")
        assert (doubled.value.table, doubled.value.columns) == ("servers", ("project", "name"))
        with pytest.raises(UniqueViolation) as again:
            await create(db, "1", name="other")
        assert again.value.columns == ("id",)
        with pytest.raises(ForeignKeyViolation):
            await db.run(DISK_CREATE, id="d", server="none")
        await db.run(DISK_CREATE, id="d", server="1")
        with pytest.raises(ForeignKeyViolation):
            await db.run(SERVER_DELETE, id="1")
        with pytest.raises(CheckViolation):
            await create(db, "3", project=None)
        assert await db.one(SERVER_COUNT) == 1


async def test_upsert_updates_or_leaves_alone(opened: Opened) -> None:
    keep, change = command(upsert(SERVERS, ["id"])), command(upsert(SERVERS, ["id"], ["state"]))
    async with opened() as db:
        await create(db, "1")
        assert await db.run(keep, id="1", project="q", state=State.ACTIVE) == 0
        assert await db.run(change, id="1", project="q", state=State.ACTIVE) == 1
        assert await db.one(SERVER_FETCH, id="1") == Server("1", "p", "1", State.ACTIVE, None, False, (), None, 0)


async def test_what_an_insert_returns_is_read_as_a_query(opened: Opened) -> None:
    made = query(insert(SERVERS).returning(SERVERS.c.id, SERVERS.c.generation), tuple[str, int])
    async with opened() as db:
        assert await db.one(made, id="1", project="p") == ("1", 0)
        assert await db.one(SERVER_COUNT) == 1


async def test_many_rows_go_in_together_or_not_at_all(opened: Opened) -> None:
    async with opened() as db:
        rows: list[dict[str, object]] = [{"id": str(n), "project": "p", "name": str(n)} for n in range(50)]
        assert await db.run_many(SERVER_CREATE, rows) == 50
        assert await db.run_many(SERVER_CREATE, []) == 0
        with pytest.raises(UniqueViolation):
            await db.run_many(SERVER_CREATE, [{"id": "new", "project": "p"}, *rows])
        assert await db.one(SERVER_COUNT) == 50


async def test_truth_is_compared_as_values_are(opened: Opened) -> None:
    locked = query(select(SERVERS.c.id).where(SERVERS.c.locked.is_(True)), str)
    other = query(select(SERVERS.c.id).where(SERVERS.c.locked.is_not(bindparam("than", type_=Boolean()))), str)
    negated = query(select(SERVERS.c.id).where(SERVERS.c.locked.is_(not_(bindparam("than", type_=Boolean())))), str)
    async with opened() as db:
        await create(db, "1", locked=True)
        await create(db, "2", locked=False)
        assert await db.all(locked) == ["1"]
        assert await db.all(other, than=True) == ["2"]
        assert await db.all(negated, than=True) == ["2"]


async def test_lists_of_any_length_may_be_in_or_not_in(opened: Opened) -> None:
    others = query(
        select(SERVERS.c.id)
        .where(SERVERS.c.id.not_in(bindparam("ids", expanding=True)), SERVERS.c.project == bindparam("project"))
        .where(SERVERS.c.generation.in_(bindparam("generations", expanding=True)))
        .order_by(SERVERS.c.id),
        str,
    )
    async with opened() as db:
        for id in ("1", "2", "3"):
            await create(db, id, generation=int(id))
        for ids, found in (([], ["1", "2"]), (["1"], ["2"]), (["1", "2", "9"], [])):
            assert await db.all(others, ids=ids, project="p", generations=[1, 2]) == found
        assert await db.all(others, ids=[], project="p", generations=[]) == []
