"""Large containers: divided into shards, listed and counted as one at every step, whatever dies meanwhile (FLT-053)."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.object_store.world import Service, run

from pileus.kit.flow.failpoint import FaultInjected, arm
from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.models.listings import ObjectRow, Wanted
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.models.shards import Shape, Shard
from pileus.object_store.workers import sharder as sharders
from pileus.object_store.workers.sharder import Sharder

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = Name("AUTH_p1", "c")
ONCE = ("shard.divide@ranges found", "shard.divide@shards made")
OFTEN = ("shard.cleave@pushed", "shard.cleave@removed", "ledger.commit@before", "ledger.commit@after")
STEPS = [*ONCE, *(f"{place}#{count}" for place in OFTEN for count in (1, 3, 6))]
JOINS = ("shard.join@decided", "shard.join@told", "shard.join@joined")


def named(number: int) -> str:
    return f"o{number:03}"


async def ask_for(service: Service, rows: int) -> None:
    """The container shall be divided, with so many rows a shard."""
    await sharders.ask_for(service.app.cluster, CONTAINER, rows)


async def shape(service: Service, path: Name = CONTAINER, replica: int = 0) -> Shape:
    place = service.app.cluster.rings.places(path)[replica]
    return await service.app.cluster.servers.of(place).containers.shape(place, path)


def sharder(service: Service, batch: int = 4) -> Sharder:
    return Sharder(service.app.server.devices, service.app.cluster, batch=batch)


async def agree(service: Service, names: list[str], size: int) -> None:
    """The container is listed and counted so."""
    assert names == await service.listing("c")
    head = await service.ask("HEAD", "c")
    found = (head.headers["x-container-object-count"], head.headers["x-container-bytes-used"])
    assert (str(len(names)), str(size)) == found


async def filled(service: Service, count: int = 30) -> list[str]:
    await service.put("c", b"")
    for number in range(count):
        await service.put(f"c/{named(number)}", b"12345")
    return [named(number) for number in range(count)]


THREE = {"replicas": 3.0, "part_power": 2}


def three(folder: Path) -> dict[str, object]:
    return {**THREE, "devices": tuple(str(folder / f"disk{at}") for at in range(4))}


def test_a_container_that_grew_large_is_divided_and_looks_the_same(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        names = await filled(service)
        assert None is await sharder(service).run()
        for number in range(2):
            await service.put(f"c/{named(100 + number)}", b"12345")
        names += [named(100), named(101)]
        assert "rows moved to shards" in str(await sharder(service).run())
        await sharder(service).run()  # those that were looked at before the first replica decided
        for replica in range(3):
            assert (await shape(service, replica=replica)).whole
        divided = await shape(service)
        assert [("", "o015"), ("o015", "")] == [(one.lower, one.upper) for one in divided.shards]
        await agree(service, names, 5 * len(names))
        await service.put("c/a", b"1")
        await service.put("c/o015a", b"1")
        assert 204 == (await service.ask("DELETE", "c/o000")).status
        assert 202 == (await service.ask("POST", "c/o001", headers={"content-type": "text/x"})).status
        names = sorted({*names, "a", "o015a"} - {"o000"})
        await agree(service, names, 5 * 31 + 2)
        account = (await service.ask("HEAD", "")).headers
        assert ("33", "157", "1") == tuple(
            account[f"x-account-{name}"] for name in ("object-count", "bytes-used", "container-count")
        )
        listed = (await service.ask("GET", "c", query="format=json&limit=3")).json
        assert ["application/octet-stream", "text/x"] == [listed[0]["content_type"], listed[1]["content_type"]]
        assert 409 == (await service.ask("DELETE", "c")).status

    run(tmp_path, story, shard_container_threshold=32, **three(tmp_path))


def test_an_emptied_container_of_shards_can_be_deleted_and_its_shards_go_with_it(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        names = await filled(service, 12)
        await ask_for(service, 5)
        await sharder(service).run()
        for name in names:
            assert 204 == (await service.ask("DELETE", f"c/{name}")).status
        assert 204 == (await service.ask("DELETE", "c")).status
        assert 404 == (await service.ask("GET", "c")).status
        await service.put("c", b"")
        assert [] == await service.listing("c")
        assert 204 == (await service.ask("DELETE", "c")).status
        service.clock.move(700_000)
        await sharder(service).run()
        for shard in (await shape(service)).shards:
            assert (await facts_of(service, shard)).deleted

    run(tmp_path, story)


async def facts_of(service: Service, shard: Shard) -> ContainerFacts:
    place = service.app.cluster.rings.places(shard.path)[0]
    device = service.app.server.devices.of(place)
    ledger = device.containers.ledger(place.partition, service.app.cluster.rings.hash(shard.path))
    return ledger.facts(deleted_too=True)


def test_what_comes_while_rows_are_moved_is_where_it_belongs(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        names = await filled(service)
        await ask_for(service, 10)
        work = sharder(service, batch=1)
        stop = asyncio.Event()
        extra: list[str] = []

        async def write() -> None:
            number = 0
            while not stop.is_set():
                name = f"o{number * 7 % 30:03}-{number:04}"
                await service.put(f"c/{name}", b"12345")
                extra.append(name)
                number += 1
                if number % 5 == 0:
                    assert 204 == (await service.ask("DELETE", f"c/{extra.pop(0)}")).status
                    # Everything that was acknowledged is there, in order, at every moment.
                    assert sorted([*names, *extra]) == await service.listing("c")

        writing = asyncio.create_task(write())
        while not (await shape(service)).whole:
            await work.run()
        stop.set()
        await writing
        await agree(service, sorted([*names, *extra]), 5 * (30 + len(extra)))
        assert (await shape(service)).whole

    run(tmp_path, story)


NAMES = st.lists(
    st.text(st.sampled_from("ab/\u00e9\U0001f600"), min_size=1, max_size=5), min_size=4, max_size=25, unique=True
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["", "/", "a", "b/"]),
        st.sampled_from(["", "a", "b/", "ab", "/"]),
        st.text(st.sampled_from("ab/\u00e9"), max_size=3),
        st.text(st.sampled_from("ab/\u00e9"), max_size=3),
        st.integers(1, 9),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.reuse, Phase.generate))
@given(NAMES, QUERIES, st.integers(1, 6), st.integers(0, 12))
def test_listings_of_shards_are_those_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    queries: list[tuple[str, str, str, str, int, bool]],
    rows: int,
    steps: int,
) -> None:
    async def story(service: Service) -> None:
        place = service.app.cluster.rings.places(CONTAINER)[0]
        for name in ("c", "whole"):
            await service.put(name, b"")
            path = Name("AUTH_p1", name)
            place = service.app.cluster.rings.places(path)[0]
            merged = [ObjectRow(name=one, stamp=service.app.cluster.stamps.next(), size=1) for one in names]
            await service.app.server.containers.merge(place, path, merged)
        await ask_for(service, rows)
        arm(f"shard.cleave@removed#{steps}:raise" if steps else "")  # somewhere in the middle
        try:
            await sharder(service, batch=2).run()
        except FaultInjected:
            pass
        finally:
            arm("")
        for delimiter, prefix, marker, end, limit, backwards in queries:
            query = f"format=json&delimiter={delimiter}&prefix={prefix}&marker={marker}&end_marker={end}&limit={limit}"
            query += "&reverse=1" if backwards else ""
            expected, found = [(await service.ask("GET", name, query=query)).json for name in ("whole", "c")]
            assert [one.get("name", one.get("subdir")) for one in expected] == [
                one.get("name", one.get("subdir")) for one in found
            ], query

    run(tmp_path_factory.mktemp("shards"), story)


def test_small_shards_are_joined(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        names = await filled(service)
        await ask_for(service, 10)
        work = sharder(service)
        await work.run()
        assert 3 == len((await shape(service)).shards)
        for name in names[1:20]:
            assert 204 == (await service.ask("DELETE", f"c/{name}")).status
        names = [names[0], *names[20:]]
        for _ in range(8):
            await work.run()
            await service.app.workers.ledgers.run()
            # What is listed holds at each moment; what is counted, once it is told of everywhere.
            assert names == await service.listing("c")
        await agree(service, names, 5 * len(names))
        for replica in range(3):
            alive = [one for one in (await shape(service, replica=replica)).shards if not one.deleted]
            assert [("", "o019"), ("o019", "")] == [(one.lower, one.upper) for one in alive], replica
        await service.put("c/o005", b"12345")
        await agree(service, sorted([*names, "o005"]), 5 * (len(names) + 1))
        service.clock.move(700_000)
        await work.run()
        gone = next(one for one in (await shape(service)).shards if one.deleted)
        assert (await facts_of(service, gone)).deleted

    run(tmp_path, story, **three(tmp_path))


def test_a_replica_that_was_lost_or_slept_follows(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        names = await filled(service)
        await ask_for(service, 10)
        places = service.app.cluster.rings.places(CONTAINER)
        hash = service.app.cluster.rings.hash(CONTAINER)
        lost = service.app.server.devices.of(places[1])
        lost.containers.ledger(places[1].partition, hash).ledger.remove()
        lost.containers.forget(places[1].partition, hash)
        await sharder(service).run()
        for _ in range(2):
            await service.app.workers.ledgers.run()
            await sharder(service).run()
        for replica in range(3):
            held = await service.app.server.containers.listed(places[replica], CONTAINER, Wanted())
            assert names == [one.name for one in held[1]]
            assert (30, "sharded") == (held[0].count, held[0].sharded)
        row = await service.app.server.containers.row(places[1], CONTAINER, "o003")
        assert row is not None

    run(tmp_path, story, **three(tmp_path))


def test_a_lost_shard_is_made_anew_and_filled_again(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        names = await filled(service)
        await ask_for(service, 10)
        work = sharder(service)
        await work.run()
        shard = (await shape(service)).shards[1]
        place = service.app.cluster.rings.places(shard.path)[0]
        device = service.app.server.devices.of(place)
        hash = service.app.cluster.rings.hash(shard.path)
        device.containers.ledger(place.partition, hash).ledger.remove()
        assert 503 == (await service.ask("GET", "c")).status  # and never a listing with a hole
        assert 201 == (await service.ask("PUT", "c/o010x", b"12345")).status  # a note waits until the shard is back
        for _ in range(20):
            await work.run()
        await service.app.workers.updater.run()
        await service.app.workers.auditor.run()
        await agree(service, sorted([*names, "o010x"]), 5 * 31)

    run(tmp_path, story)


def dies(folder: Path, place: str) -> None:
    """The sharder is killed there, if it comes by."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PILEUS_FAULT": f"{place}:kill"}
    argv = [sys.executable, "-m", "tests.object_store.sharding", str(folder)]
    done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == -9, (place, done)


@pytest.mark.scale
@pytest.mark.parametrize("place", [*STEPS, *JOINS])
def test_a_sharder_killed_at_any_step_loses_no_name(tmp_path: Path, place: str) -> None:
    names: list[str] = []

    async def before(service: Service) -> None:
        names.extend(await filled(service))
        await ask_for(service, 10)
        if place in JOINS:
            await sharder(service).run()
            for name in names[1:20]:
                assert 204 == (await service.ask("DELETE", f"c/{name}")).status
            del names[1:20]

    run(tmp_path, before)
    dies(tmp_path, place)

    async def after(service: Service) -> None:
        service.clock.move(3600)
        await agree(service, names, 5 * len(names))
        await service.put("c/o004x", b"12345")
        for _ in range(6):
            await sharder(service).run()
            await agree(service, sorted([*names, "o004x"]), 5 * (len(names) + 1))
        assert (await shape(service)).whole

    run(tmp_path, after)


def test_a_ledger_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    ledger = ContainerLedger(str(tmp_path / "x.db"))
    facts = ContainerFacts(account="a", container="c", created="1", put_stamp="1")
    ledger.put(facts, {}, "0000000001.00000", None)
    ledger.ledger.close()
    with sqlite3.connect(tmp_path / "x.db") as old:
        old.execute("DROP TABLE shards")
        old.execute("PRAGMA user_version = 1")
    old.close()
    assert "c" == ledger.facts().container
    assert () == tuple(ledger.shards.shape().shards)
    ledger.ledger.close()
