"""The engine with several devices: what was acknowledged survives what happens to some of them."""

import os
import shutil
from pathlib import Path

import pytest
from tests.object_store.world import Service, run

from pileus.object_store.models.listings import ObjectRow, Wanted
from pileus.object_store.models.paths import Path as Place

BODY = bytes(range(256)) * 400


def cluster(folder: Path, count: int = 4) -> dict[str, object]:
    return {"devices": tuple(str(folder / f"disk{at}") for at in range(count)), "replicas": 3.0}


def copies(folder: Path, kind: str = ".data") -> list[Path]:
    return sorted(one for one in folder.glob("disk*/objects/**/*") if one.name.endswith(kind))


def of(path: str, service: Service) -> list[Path]:
    """The directories of the devices an object belongs on."""
    container, _, name = path.partition("/")
    places = service.app.cluster.rings.places(Place("AUTH_p1", container, name), 0)
    return [Path(service.app.server.devices.of(at).volume.root) for at in places]


def break_device(folder: Path) -> None:
    """The disk is gone: what was a mount point is an empty directory."""
    shutil.rmtree(folder)
    folder.mkdir()


async def settled(service: Service) -> None:
    """All workers have had their say, twice: what one finds another mends."""
    workers = service.app.workers
    for _ in range(2):
        for worker in (workers.updater, workers.replicator, workers.ledgers, workers.auditor):
            await worker.run()


def test_every_object_has_as_many_copies_as_there_should_be(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", BODY)
        assert 3 == len(copies(tmp_path))
        assert 3 == len({one.parts[len(tmp_path.parts)] for one in copies(tmp_path)})

    run(tmp_path, story, **cluster(tmp_path))


def test_lost_devices_cost_nothing_and_replicators_bring_all_back(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        names = [f"o{at}" for at in range(20)]
        for name in names:
            await service.put(f"c/{name}", BODY + name.encode())
        break_device(tmp_path / "disk0")
        service.app.server.devices.prepare()
        for device in service.app.server.devices:
            device.containers.close()
            device.accounts.close()
        for name in names:
            assert BODY + name.encode() == (await service.ask("GET", f"c/{name}")).body
        assert sorted(names) == await service.listing("c")
        await settled(service)
        assert 60 == len(copies(tmp_path))
        break_device(tmp_path / "disk1")
        break_device(tmp_path / "disk2")
        service.app.server.devices.prepare()
        for device in service.app.server.devices:
            device.containers.close()
            device.accounts.close()
        for name in names:
            assert BODY + name.encode() == (await service.ask("GET", f"c/{name}")).body
        assert sorted(names) == await service.listing("c")

    run(tmp_path, story, **cluster(tmp_path))


def test_a_device_that_takes_nothing_is_stood_in_for_until_it_does(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        broken = of("c/o", service)[0]
        (broken / "tmp").rename(broken / "tmp.away")  # as when a disk is not mounted
        made = await service.ask("PUT", "c/o", BODY)
        assert 201 == made.status
        assert 3 == len(copies(tmp_path))
        assert not [one for one in copies(tmp_path) if one.is_relative_to(broken)]
        assert BODY == (await service.ask("GET", "c/o")).body
        (broken / "tmp.away").rename(broken / "tmp")
        await settled(service)
        assert 3 == len(copies(tmp_path))
        assert 1 == len([one for one in copies(tmp_path) if one.is_relative_to(broken)])

    run(tmp_path, story, **cluster(tmp_path))


def test_without_a_quorum_nothing_is_acknowledged(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", BODY)
        for at in (0, 1):
            (tmp_path / f"disk{at}" / "tmp").rename(tmp_path / f"disk{at}" / "away")
        assert 503 == (await service.ask("PUT", "c/o", b"new")).status
        assert BODY == (await service.ask("GET", "c/o")).body

    run(tmp_path, story, **cluster(tmp_path, 3))


@pytest.mark.parametrize("harm", ["bytes", "record", "shorter"])
def test_damage_is_found_quarantined_and_mended(tmp_path: Path, harm: str) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", BODY)
        victim = next(one for one in copies(tmp_path) if one.is_relative_to(of("c/o", service)[0]))
        damage(victim, harm)
        if harm == "bytes":
            await service.app.workers.auditor.run()
        assert BODY == (await service.ask("GET", "c/o")).body
        assert 1 == len(list(tmp_path.glob("disk*/quarantined/objects/*")))
        assert BODY == (await service.ask("GET", "c/o")).body
        await settled(service)
        assert 3 == len(copies(tmp_path))
        assert all(one.read_bytes() == BODY for one in copies(tmp_path))

    run(tmp_path, story, **cluster(tmp_path))


def damage(file: Path, harm: str) -> None:
    if harm == "bytes":
        with file.open("r+b") as opened:
            opened.seek(1000)
            opened.write(bytes([BODY[1000] ^ 1]))
    elif harm == "record":
        record = bytearray(os.getxattr(file, "user.pileus.record"))
        record[-3] ^= 1
        os.setxattr(file, "user.pileus.record", bytes(record))
    else:
        os.truncate(file, 1000)


def test_a_deleted_object_does_not_come_back_with_a_device_that_was_away(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", BODY)
        away = of("c/o", service)[0]
        (away / "tmp").rename(away / "tmp.away")
        assert 204 == (await service.ask("DELETE", "c/o")).status
        (away / "tmp.away").rename(away / "tmp")
        await settled(service)
        assert [] == copies(tmp_path)
        assert 404 == (await service.ask("GET", "c/o")).status
        assert [] == await service.listing("c")
        service.clock.move(8 * 86_400)
        await settled(service)
        assert [] == copies(tmp_path, ".ts")

    run(tmp_path, story, **cluster(tmp_path))


def test_what_was_deleted_long_ago_does_not_come_back_with_a_device_that_was_away(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", BODY)
        await service.put("c/kept", BODY)
        away = of("c/o", service)[0]
        shutil.copytree(away / "objects", tmp_path / "aside")
        assert 204 == (await service.ask("DELETE", "c/o")).status
        service.clock.move(8 * 86_400)
        await settled(service)
        assert [] == copies(tmp_path, ".ts")
        shutil.rmtree(away / "objects")
        shutil.move(tmp_path / "aside", away / "objects")
        await settled(service)
        assert 404 == (await service.ask("GET", "c/o")).status
        assert ["kept"] == await service.listing("c")
        assert BODY == (await service.ask("GET", "c/kept")).body
        assert 3 == len(copies(tmp_path))

    run(tmp_path, story, **cluster(tmp_path))


def test_a_container_that_cannot_be_told_is_told_later(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/first")  # the proxy knows the container from now on
        place = service.app.cluster.rings.places(Place("AUTH_p1", "c"))[0]
        ledger = service.app.server.devices.of(place).containers.ledger(
            place.partition, service.app.cluster.rings.hash(Place("AUTH_p1", "c"))
        )
        ledger.ledger.close()
        aside = Path(ledger.ledger.path).with_suffix(".aside")
        Path(ledger.ledger.path).rename(aside)
        assert 201 == (await service.ask("PUT", "c/o", BODY)).status
        assert [one for one in service.files() if "async_pending" in one]
        aside.rename(ledger.ledger.path)
        await service.app.workers.updater.run()
        assert [] == [one for one in service.files() if "async_pending" in one]
        assert ["first", "o"] == await service.listing("c")

    run(tmp_path, story)


def test_an_object_its_container_does_not_know_is_told_by_the_auditor(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", BODY)
        path = Place("AUTH_p1", "c")
        place = service.app.cluster.rings.places(path)[0]
        ledger = service.app.server.devices.of(place).containers.ledger(
            place.partition, service.app.cluster.rings.hash(path)
        )
        with ledger.ledger.writing() as connection:
            connection.execute("DELETE FROM objects")
        assert [] == await service.listing("c")
        await service.app.workers.auditor.run()
        assert ["o"] == await service.listing("c")

    run(tmp_path, story)


def test_what_expires_goes_and_what_was_extended_stays(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/short", x_delete_after="10")
        await service.put("c/long", x_delete_after="10")
        await service.ask("POST", "c/long", headers={"x-delete-after": "1000"})
        await service.put("c/never", x_delete_after="10")
        await service.ask("POST", "c/never", headers={"x-object-meta-a": "b"})
        service.clock.move(20)
        assert ["long", "never", "short"] == await service.listing("c")
        await service.app.workers.expirer.run()
        assert ["long", "never"] == await service.listing("c")
        assert await service.app.workers.expirer.run() is None

    run(tmp_path, story)


def test_a_deleted_account_is_emptied(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        for name in ("a", "b"):
            await service.put(name, b"")
            await service.put(f"{name}/o", BODY)
        assert 403 == (await service.ask("DELETE", "")).status
        assert 204 == (await service.ask("DELETE", "", token="root")).status
        assert 404 == (await service.ask("DELETE", "", token="root")).status  # it is gone already
        await service.app.workers.reaper.run()
        assert 2 == len([one for one in service.files() if one.endswith(".data")])
        service.clock.move(90_000)
        await service.app.workers.reaper.run()
        assert [] == [one for one in service.files() if one.endswith(".data")]
        assert 404 == (await service.ask("GET", "a")).status

    run(tmp_path, story)


def test_a_disk_that_is_added_takes_its_share_and_nothing_is_missed_meanwhile(tmp_path: Path) -> None:
    names = [f"o{at}" for at in range(40)]

    async def before(service: Service) -> None:
        await service.put("c", b"")
        for name in names:
            await service.put(f"c/{name}", name.encode())

    async def after(service: Service) -> None:
        service.clock.move(7200)
        for name in names:
            assert name.encode() == (await service.ask("GET", f"c/{name}")).body
        assert sorted(names) == await service.listing("c")
        for name in names[:10]:
            await service.put(f"c/{name}", b"new")
        await settled(service)
        await settled(service)
        assert [one for one in copies(tmp_path) if "disk2" in one.parts]
        assert 80 == len(copies(tmp_path))
        for at, name in enumerate(names):
            assert (b"new" if at < 10 else name.encode()) == (await service.ask("GET", f"c/{name}")).body

    disks = tuple(str(tmp_path / f"disk{at}") for at in range(3))
    run(tmp_path, before, devices=disks[:2], replicas=2.0)
    run(tmp_path, after, devices=disks, replicas=2.0, min_part_hours=0.0)


def test_a_damaged_block_never_leaves_the_disk_and_another_copy_goes_on(tmp_path: Path) -> None:
    body = bytes(range(251)) * 16_000  # four blocks

    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", body)
        victim = next(one for one in copies(tmp_path) if one.is_relative_to(of("c/o", service)[0]))
        with victim.open("r+b") as opened:
            opened.seek(2_500_000)
            opened.write(bytes([body[2_500_000] ^ 1]))
        got = await service.ask("GET", "c/o")
        assert (200, True) == (got.status, body == got.body)
        assert 1 == len(list(tmp_path.glob("disk*/quarantined/objects/*")))
        assert "block-sums" not in got.headers
        part = await service.ask("GET", "c/o", headers={"range": "bytes=1048570-2097160"})
        assert body[1_048_570:2_097_161] == part.body
        await settled(service)
        assert 3 == len(copies(tmp_path))

    run(tmp_path, story, **cluster(tmp_path))


@pytest.mark.parametrize("harm", ["header", "pages", "cut short"])
@pytest.mark.parametrize("found_by", ["a request", "the auditor"])
def test_a_damaged_listing_is_quarantined_and_copied_from_another_replica(
    tmp_path: Path, harm: str, found_by: str
) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        rings, devices = service.app.cluster.rings, service.app.server.devices
        path = Place("AUTH_p1", "c")
        hash, places = rings.hash(path), rings.places(path)
        names = [f"o{at:04}" for at in range(400)]
        for place in places:
            rows = [ObjectRow(name=name, stamp="1700000000.00000", etag="e" * 32) for name in names]
            await service.app.server.containers.merge(place, path, rows)
        book = devices.of(places[0]).containers.ledger(places[0].partition, hash).ledger
        book.close()  # and what was in the log beside it is in the file
        with open(book.path, "r+b") as file:
            size = file.seek(0, 2)
            assert size > 20_000
            if harm == "cut short":
                file.truncate(size // 2)
            else:
                for at in (0,) if harm == "header" else range(4096, size, 4096):
                    file.seek(at)
                    file.write(b"damaged!" * 8)
        if found_by == "the auditor":
            await service.app.workers.auditor.run()
        assert names == await service.listing("c")
        await service.put("c/o9999", b"x")
        for _ in range(2):
            await service.app.workers.auditor.run()
            await service.app.workers.ledgers.run()
            await service.app.workers.updater.run()
        for place in places:
            _, entries = await service.app.server.containers.listed(place, path, Wanted())
            assert [*names, "o9999"] == [one.name for one in entries], place
        assert 1 == len(list(tmp_path.rglob("quarantined/containers/*/*.db")))

    run(tmp_path, story, devices=tuple(str(tmp_path / f"disk{at}") for at in range(3)), replicas=3.0)


def test_a_listing_that_comes_back_as_it_was_learns_what_it_missed(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/first")
        path = Place("AUTH_p1", "c")
        rings, servers = service.app.cluster.rings, service.app.server
        old = rings.places(path)[1]
        book = servers.devices.of(old).containers.ledger(old.partition, rings.hash(path)).ledger
        await service.app.workers.ledgers.run()
        book.close()
        shutil.copyfile(book.path, tmp_path / "aside")
        for number in range(5):
            await service.put(f"c/o{number}")
        await service.app.workers.ledgers.run()
        book.close()
        shutil.copyfile(tmp_path / "aside", book.path)
        _, entries = await servers.containers.listed(old, path, Wanted())
        assert ["first"] == [one.name for one in entries]
        await service.put("c/late")
        await service.app.workers.ledgers.run()
        for place in rings.places(path):
            _, entries = await servers.containers.listed(place, path, Wanted())
            assert ["first", "late", *(f"o{number}" for number in range(5))] == [one.name for one in entries]

    run(tmp_path, story, devices=tuple(str(tmp_path / f"disk{at}") for at in range(3)), replicas=3.0)
