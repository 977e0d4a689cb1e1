"""Lists: filters by wire name, any order, and pages that show every row once."""

import datetime as dt
import random

import pytest

from pileus.kit.db import (
    Database,
    Ge,
    Gt,
    In,
    IsNull,
    Le,
    Like,
    Lt,
    Matches,
    Not,
    TooManyFilters,
    UnknownFilter,
    UnknownMarker,
    UnknownSortKey,
)

from .tables import DISK_CREATE, SERVERS_LISTED, Opened, Server, State, create

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


async def fill(db: Database) -> list[str]:
    """Twenty servers with equal names, equal moments and missing ones."""
    chance = random.Random(7)
    for n in range(20):
        await create(
            db,
            f"s{n:02d}",
            project=f"p{n}",
            name=chance.choice(["Alpha", "beta_1", "beta%2", None]),
            state=chance.choice(list(State)),
            born=chance.choice([None, START, START + dt.timedelta(seconds=1)]),
            generation=chance.randrange(3),
            locked=chance.random() < 0.5,
        )
    return [f"s{n:02d}" for n in range(20)]


ORDERS: list[list[tuple[str, str]]] = [
    [],
    [("born", "desc")],
    [("born", "asc"), ("name", "desc")],
    [("name", "asc"), ("generation", "desc"), ("born", "desc")],
    [("generation", "desc"), ("id", "asc")],
    [("id", "desc")],
]


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_pages_show_every_row_once_in_the_order_of_the_whole(
    opened: Opened, sort: list[tuple[str, str]], limit: int
) -> None:
    async with opened() as db:
        ids = await fill(db)
        whole = [server.id for server in await db.page(SERVERS_LISTED, sort=sort)]
        assert sorted(whole) == ids
        forward: list[str] = []
        while page := await db.page(SERVERS_LISTED, sort=sort, limit=limit, marker=forward[-1] if forward else None):
            assert len(page) <= limit
            forward += [server.id for server in page]
        assert forward == whole
        back: list[str] = []
        while page := await db.page(
            SERVERS_LISTED, sort=sort, limit=limit, marker=back[0] if back else None, reverse=True
        ):
            back = [server.id for server in page] + back
        assert back == whole


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"state": State.ACTIVE}, lambda s: s.state is State.ACTIVE),
        ({"state": "active", "locked": True}, lambda s: s.state is State.ACTIVE and s.locked),
        ({"name": None}, lambda s: s.name is None),
        ({"name": IsNull()}, lambda s: s.name is None),
        ({"name": Not(IsNull())}, lambda s: s.name is not None),
        ({"name": Not("Alpha")}, lambda s: s.name != "Alpha"),
        ({"name": In(["Alpha", "beta_1"])}, lambda s: s.name in ("Alpha", "beta_1")),
        ({"name": Not(In(["Alpha", "beta_1"]))}, lambda s: s.name not in ("Alpha", "beta_1")),
        ({"name": Like(prefix="al")}, lambda s: s.name == "Alpha"),
        ({"name": Like(contains="a_")}, lambda s: s.name == "beta_1"),
        ({"name": Like(suffix="%2")}, lambda s: s.name == "beta%2"),
        ({"name": Not(Like(prefix="beta"))}, lambda s: s.name in (None, "Alpha")),
        ({"name": Matches("^b.*[12]$")}, lambda s: s.name in ("beta_1", "beta%2")),
        ({"born": Gt(START)}, lambda s: s.born is not None and s.born > START),
        ({"born": (Ge(START), Le(START))}, lambda s: s.born == START),
        ({"born": Lt(START)}, lambda s: False),
        ({"disk": "d3"}, lambda s: s.id == "s03"),
        ({"disk": In(["d3", "d5"])}, lambda s: s.id in ("s03", "s05")),
        ({"disk": Not("d3")}, lambda s: s.id != "s03"),
    ],
)
async def test_filters_let_through_what_they_say(opened: Opened, where: dict[str, object], expected: object) -> None:
    async with opened() as db:
        ids = await fill(db)
        for n in (3, 5):
            await db.run(DISK_CREATE, id=f"d{n}", server=f"s{n:02d}")
        servers = await db.page(SERVERS_LISTED)
        assert [server.id for server in servers] == ids
        wanted = [server.id for server in servers if expected(server)]  # type: ignore[operator]
        assert [server.id for server in await db.page(SERVERS_LISTED, where=where)] == wanted
        assert await db.count(SERVERS_LISTED, where=where) == len(wanted)
        if wanted:
            rest = await db.page(SERVERS_LISTED, where=where, marker=wanted[0], limit=100)
            assert [server.id for server in rest] == wanted[1:]


async def test_what_is_not_there_is_refused(opened: Opened) -> None:
    async with opened() as db:
        await fill(db)
        with pytest.raises(UnknownMarker, match="nobody"):
            await db.page(SERVERS_LISTED, marker="nobody")
        with pytest.raises(UnknownFilter, match="colour"):
            await db.page(SERVERS_LISTED, where={"colour": "red"})
        with pytest.raises(UnknownSortKey, match="colour"):
            await db.page(SERVERS_LISTED, sort=[("colour", "asc")])


async def test_a_marker_among_the_rows_of_others_is_none(opened: Opened) -> None:
    async with opened() as db:
        await fill(db)
        assert [] == await db.page(SERVERS_LISTED, where={"project": "p3"}, marker="s03")
        with pytest.raises(UnknownMarker):
            await db.page(SERVERS_LISTED, where={"project": "p3"}, marker="s04")
        # Other filters say what is wanted, not whose it is: the marker's row may have changed since it was shown.
        assert [] == await db.page(SERVERS_LISTED, where={"name": "nobody"}, marker="s04")


async def test_conditions_beyond_counting_are_refused_and_orders_are_what_is_new_in_them(opened: Opened) -> None:
    async with opened() as db:
        await fill(db)
        with pytest.raises(TooManyFilters):
            await db.page(SERVERS_LISTED, where={"name": tuple(Matches("a") for _ in range(101))})
        often = [("name", "asc"), ("name", "desc")] * 500
        first = await db.page(SERVERS_LISTED, sort=often, limit=5)
        assert await db.page(SERVERS_LISTED, sort=[("name", "asc")], limit=5) == first
        assert 15 == len(await db.page(SERVERS_LISTED, sort=often, marker=first[-1].id))


async def test_one_shape_is_one_statement(opened: Opened) -> None:
    async with opened() as db:
        await fill(db)
        statements = {
            id(SERVERS_LISTED.paging({"name": In(names)}, (), None, limit, reverse=False)[0])
            for names in (["a"], ["b", "c"])
            for limit in (1, 5)
        }
        assert len(statements) == 1
        found = await db.page(SERVERS_LISTED, limit=1)
        assert isinstance(found[0], Server)
