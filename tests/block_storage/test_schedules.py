"""Volumes of types that say so are backed up of themselves, and only the newest of those backups stay."""

import datetime as dt

import pytest
from tests.block_storage.world import World, a_world

from pileus.block_storage.commands.schedules import keep_schedules
from pileus.block_storage.drivers.interface import Kind
from pileus.block_storage.models.backups import Backup
from pileus.block_storage.models.schedules import MARK, Schedule, is_next_full, schedule_of, surplus
from pileus.kit.flow.settle import settle

HOUR_S = 3600.0


async def a_type(world: World, **specs: str) -> None:
    named = {f"backup:{key}": value for key, value in specs.items()}
    await world.got("POST", "/types", {"volume_type": {"name": "safe", "extra_specs": named}}, by="root")


async def hour(world: World, hours: float = 1.0) -> str | None:
    """So much later the sweep has run, and what it began has ended."""
    world.clock.move(hours * HOUR_S)
    did = await keep_schedules(world.app)
    await settle(world.engine, world.clock, *world.agents.values())
    return did


async def kept(world: World) -> list[dict[str, object]]:
    return list((await world.got("GET", "/backups/detail"))["backups"])


async def test_a_volume_is_backed_up_when_it_is_due_and_not_before() -> None:
    async with a_world() as world:
        await a_type(world, every_hours="4", keep="3")
        volume, other = await world.volume(volume_type="safe"), await world.volume()
        assert "1 backups begun, 0 deleted" == await hour(world, 0)
        assert None is await hour(world, 3.9)
        assert "1 backups begun, 0 deleted" == await hour(world, 0.2)
        found = await kept(world)
        assert {volume} == {each["volume_id"] for each in found}
        assert other not in {each["volume_id"] for each in found}
        assert [True, False] == [each["is_incremental"] for each in found]
        assert [{MARK: "safe"}] * 2 == [each["metadata"] for each in found]


async def test_only_the_newest_stay_and_each_of_them_can_be_restored() -> None:
    async with a_world() as world:
        await a_type(world, every_hours="1", keep="2")
        volume = await world.volume(volume_type="safe")
        for number in range(9):
            world.backends["h1"].write(Kind.VOLUME, volume, b"state %d" % number)
            await hour(world)
        found = await kept(world)
        # Two that are kept, what they are built on, and at most one chain that is about to go.
        assert (True, {"available"}) == (2 <= len(found) <= 4, {each["status"] for each in found})
        for each, state in zip(found, (b"state 8", b"state 7"), strict=False):
            restored = await world.got("POST", f"/backups/{each['id']}/restore", {"restore": {}})
            await world.settle(until_s=1)
            assert state == world.backends["h1"].read(Kind.VOLUME, restored["restore"]["volume_id"])


async def test_a_volume_that_has_moved_begins_anew() -> None:
    async with a_world("h1", "h2") as world:
        await a_type(world, every_hours="1", keep="5")
        volume = await world.volume(volume_type="safe")
        await hour(world)
        await world.act(volume, by="root", os__migrate_volume={"host": "h1@fake"})
        await world.settle(until_s=1)
        await hour(world)
        await hour(world)
        found = await kept(world)
        assert [True, False, False] == [each["is_incremental"] for each in found]
        assert {"available"} == {each["status"] for each in found}


async def test_backups_made_by_hand_stay() -> None:
    async with a_world() as world:
        await a_type(world, every_hours="1", keep="1")
        volume = await world.volume(volume_type="safe")
        made = await world.got("POST", "/backups", {"backup": {"volume_id": volume, "name": "mine"}})
        await world.settle(until_s=1)
        for _ in range(5):
            await hour(world)
        assert made["backup"]["id"] in {each["id"] for each in await kept(world)}


async def test_a_quota_that_is_used_up_keeps_no_others_from_their_backups() -> None:
    async with a_world() as world:
        await a_type(world, every_hours="1", keep="2")
        await world.volume(volume_type="safe")
        bobs = await world.volume(by="bob", volume_type="safe")
        await world.got("PUT", "/os-quota-sets/p1", {"quota_set": {"backups": 0}}, by="root")
        assert "1 backups begun, 0 deleted" == await hour(world)
        assert [bobs] == [
            each["volume_id"] for each in (await world.got("GET", "/backups/detail", by="bob"))["backups"]
        ]


@pytest.mark.parametrize("specs", [{}, {"backup:every_hours": "0"}, {"backup:every_hours": "often"},
                                   {"backup:every_hours": "1", "backup:keep": "-1"}])  # fmt: skip
def test_a_type_that_says_nothing_that_can_be_done_has_no_schedule(specs: dict[str, str]) -> None:
    assert schedule_of(specs) is None


AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAILY = Schedule(dt.timedelta(days=1), 2)


def a_backup(id: str, parent: str | None = None, status: str = "available") -> Backup:
    return Backup(id=id, volume_id="v", parent_id=parent, project_id="p", user_id="u", name=None, status=status, size=1,
                  host="h", backend="b", created_at=AT)  # fmt: skip


def test_what_is_built_upon_stays_and_what_failed_goes() -> None:
    own = [a_backup("e", "d"), a_backup("d"), a_backup("x", status="error"), a_backup("b", "a"), a_backup("a")]
    assert ["x", "b"] == [each.id for each in surplus(own, DAILY, frozenset({"d", "a"}))]
    assert ["a"] == [each.id for each in surplus([own[0], own[1], own[4]], DAILY, frozenset({"d"}))]
    # The newest tells when the next is due, also one that failed.
    assert [] == surplus([a_backup("x", status="error")], DAILY, frozenset())


def test_a_full_one_follows_as_many_as_are_kept() -> None:
    assert (True, False) == (is_next_full([], DAILY), is_next_full([a_backup("a")], DAILY))
    assert is_next_full([a_backup("b", "a"), a_backup("a")], DAILY)
