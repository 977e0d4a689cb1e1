"""Erasure codes: objects are kept as fragments, any four of six give them back, and lost ones are made anew (FLT-051)."""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.object_store.test_engine import break_device
from tests.object_store.world import Service, run

from pileus.object_store.errors import Corrupt
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.proxy import coded

BODIES = {
    "empty": b"",
    "small": b"four plus two",
    "even": bytes(range(256)) * 4096,  # one segment
    "large": bytes(range(251)) * 11_000,  # two and a bit
}


def cluster(folder: Path, count: int = 8) -> dict[str, object]:
    devices = tuple(str(folder / f"disk{at}") for at in range(count))
    return {"devices": devices, "replicas": 3.0, "policies": ("whole", "coded 4+2"), "part_power": 2}


def fragments(folder: Path, end: str = "-d.data") -> list[Path]:
    return sorted(one for one in folder.glob("disk*/objects-1/*/*/*") if one.name.endswith(end))


async def filled(service: Service) -> None:
    await service.put("c", b"", x_storage_policy="coded")
    for name, body in BODIES.items():
        await service.put(f"c/{name}", body, x_object_meta_a="b")


async def read(service: Service) -> None:
    for name, body in BODIES.items():
        got = await service.ask("GET", f"c/{name}")
        assert (200, str(len(body)), "b") == (got.status, got.headers["content-length"], got.headers["x-object-meta-a"])
        assert body == got.body


async def settled(service: Service) -> None:
    workers = service.app.workers
    for _ in range(3):
        for worker in (workers.updater, workers.auditor, workers.reconstructor, workers.replicator, workers.ledgers):
            await worker.run()


def lost(service: Service, folder: Path, *disks: int) -> None:
    """These disks are new ones."""
    for at in disks:
        break_device(folder / f"disk{at}")
    service.app.server.devices.prepare()
    for device in service.app.server.devices:
        device.containers.close()
        device.accounts.close()


def test_an_object_is_six_fragments_and_reads_as_any_other(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await filled(service)
        assert 6 * len(BODIES) == len(fragments(tmp_path))
        assert [] == [one for one in fragments(tmp_path, ".data") if not one.name.endswith("-d.data")]
        await read(service)
        part = await service.ask("GET", "c/large", headers={"range": "bytes=1048570-2097160"})
        assert BODIES["large"][1_048_570:2_097_161] == part.body
        several = await service.ask("GET", "c/large", headers={"range": "bytes=0-4,2500000-2500009"})
        assert BODIES["large"][2_500_000:2_500_010] in several.body
        assert sorted(BODIES) == await service.listing("c")
        assert (
            202
            == (await service.ask("POST", "c/large", headers={"x-object-meta-a": "b", "x-object-meta-c": "d"})).status
        )
        head = await service.ask("HEAD", "c/large")
        assert ("d", str(len(BODIES["large"]))) == (head.headers["x-object-meta-c"], head.headers["content-length"])
        await service.put("c/large", b"other")
        assert b"other" == (await service.ask("GET", "c/large", headers={"x-newest": "true"})).body
        assert 6 * len(BODIES) == len(fragments(tmp_path))
        assert 204 == (await service.ask("DELETE", "c/large")).status
        assert 404 == (await service.ask("GET", "c/large")).status
        assert 6 * (len(BODIES) - 1) == len(fragments(tmp_path))

    run(tmp_path, story, **cluster(tmp_path))


def test_two_lost_disks_cost_nothing_and_their_fragments_are_made_anew(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await filled(service)
        before = {one.relative_to(tmp_path): one.read_bytes() for one in fragments(tmp_path)}
        lost(service, tmp_path, 0, 1)
        await read(service)
        await settled(service)
        assert before == {one.relative_to(tmp_path): one.read_bytes() for one in fragments(tmp_path)}
        lost(service, tmp_path, 2, 3)
        await read(service)

    run(tmp_path, story, **cluster(tmp_path))


def test_three_lost_fragments_are_an_error_and_never_wrong_bytes(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await filled(service)
        for one in fragments(tmp_path):
            if int(one.name.split("-")[2]) < 3:
                one.unlink()
        for name in BODIES:
            assert (await service.ask("GET", f"c/{name}")).status in {404, 503}

    run(tmp_path, story, **cluster(tmp_path))


@pytest.mark.parametrize("harm", ["bytes", "shorter", "record"])
def test_a_damaged_fragment_is_found_and_made_anew(tmp_path: Path, harm: str) -> None:
    async def story(service: Service) -> None:
        await filled(service)
        whole = {one: one.read_bytes() for one in fragments(tmp_path)}
        victims = [one for one in fragments(tmp_path) if one.stat().st_size > 300_000 and "-1-d" in one.name]
        assert victims
        for one in victims:
            with one.open("r+b") as opened:
                if harm == "shorter":
                    opened.truncate(100_000)
                elif harm == "bytes":
                    opened.seek(1000)
                    opened.write(b"\0\0\0\0" if whole[one][1000:1004] != b"\0\0\0\0" else b"1111")
            if harm == "record":
                shutil.copyfile(one, one.with_suffix(".copy"))  # without attributes
                one.with_suffix(".copy").rename(one)
        await read(service)
        await settled(service)
        assert whole == {one: one.read_bytes() for one in fragments(tmp_path)}

    run(tmp_path, story, **cluster(tmp_path))


def test_a_fragment_that_missed_its_commit_counts_once_another_does(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await filled(service)
        for one in fragments(tmp_path):
            if "-0-d" not in one.name:
                one.rename(one.with_name(one.name.replace("-d.data", ".data")))
        await read(service)
        await settled(service)
        assert 6 * len(BODIES) == len(fragments(tmp_path))
        for one in fragments(tmp_path):
            one.rename(one.with_name(one.name.replace("-d.data", ".data")))
        assert {404} == {(await service.ask("GET", f"c/{name}")).status for name in BODIES}

    run(tmp_path, story, **cluster(tmp_path))


def test_fragments_that_stand_elsewhere_go_where_they_belong(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_storage_policy="coded")
        for at in (0, 1):
            (tmp_path / f"disk{at}" / "tmp").rename(tmp_path / f"disk{at}" / "away")
        for name, body in BODIES.items():
            await service.put(f"c/{name}", body, x_object_meta_a="b")
        assert not [one for one in fragments(tmp_path) if "disk0" in one.parts or "disk1" in one.parts]
        await read(service)
        for at in (0, 1):
            (tmp_path / f"disk{at}" / "away").rename(tmp_path / f"disk{at}" / "tmp")
        await settled(service)
        assert 6 * len(BODIES) == len(fragments(tmp_path))
        for name in BODIES:
            path = Name("AUTH_p1", "c", name)
            for number, place in enumerate(service.app.cluster.rings.places(path, 1)):
                held = Path(service.app.server.devices.of(place).volume.root).glob("objects-1/*/*/*-d.data")
                hash = service.app.cluster.rings.hash(path)
                assert [str(number)] == [one.name.split("-")[2] for one in held if one.name.startswith(hash)]
        await read(service)

    run(tmp_path, story, **cluster(tmp_path))


def test_what_only_stood_in_goes_even_if_it_is_old_or_never_counted(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_storage_policy="coded")
        for at in (0, 1):
            (tmp_path / f"disk{at}" / "tmp").rename(tmp_path / f"disk{at}" / "away")
        for name in ("old", "gone", "kept", "half"):
            await service.put(f"c/{name}", BODIES["small"])
        assert 202 == (await service.ask("POST", "c/kept", headers={"x-object-meta-a": "b"})).status
        aside = {one: one.read_bytes() for one in fragments(tmp_path, ".data") if not belongs(service, one)}
        assert aside
        half = [
            one for one in aside if one.name.startswith(service.app.cluster.rings.hash(Name("AUTH_p1", "c", "half")))
        ]
        for one in half:
            one.rename(one.with_name(one.name.replace("-d.data", ".data")))
        for at in (0, 1):
            (tmp_path / f"disk{at}" / "away").rename(tmp_path / f"disk{at}" / "tmp")
        service.clock.move(1)
        await service.put("c/old", BODIES["even"])
        assert 204 == (await service.ask("DELETE", "c/gone")).status
        for _ in range(3):
            await service.app.workers.reconstructor.run()
        assert [] == [one for one in fragments(tmp_path, "") if not belongs(service, one)]
        assert BODIES["even"] == (await service.ask("GET", "c/old")).body
        assert 404 == (await service.ask("GET", "c/gone")).status
        kept = await service.ask("GET", "c/kept")
        assert (BODIES["small"], "b") == (kept.body, kept.headers["x-object-meta-a"])
        assert BODIES["small"] == (await service.ask("GET", "c/half")).body

    run(tmp_path, story, **cluster(tmp_path))


def belongs(service: Service, file: Path) -> bool:
    """Whether the file is on a device of its partition."""
    places = service.app.cluster.rings.objects[1].places(int(file.parts[-3]))
    return any(file.is_relative_to(place.device.name) for place in places)


def test_damage_does_not_travel_with_a_fragment_that_is_handed_over(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_storage_policy="coded")
        # One that a fragment with bytes in it belongs on, wherever the cluster's salt puts that.
        belongs = service.app.cluster.rings.places(Name("AUTH_p1", "c", "large"), 1)[0]
        broken = Path(service.app.server.devices.of(belongs).volume.root)
        (broken / "tmp").rename(broken / "away")
        for name, body in BODIES.items():
            await service.put(f"c/{name}", body, x_object_meta_a="b")
        (broken / "away").rename(broken / "tmp")
        places = service.app.cluster.rings.objects[1].places
        stand_ins = [
            one
            for one in fragments(tmp_path)
            if one.stat().st_size
            and str(tmp_path / one.relative_to(tmp_path).parts[0])
            not in {place.device.name for place in places(int(one.parts[-3]))}
        ]
        assert stand_ins
        for one in stand_ins:
            with one.open("r+b") as opened:
                opened.seek(one.stat().st_size - 2)
                was = opened.read(1)
                opened.seek(-1, 1)
                opened.write(bytes([was[0] ^ 1]))
        for _ in range(3):  # no auditor comes by before they are handed over
            await service.app.workers.reconstructor.run()
        assert 6 * len(BODIES) == len(fragments(tmp_path))
        await read(service)
        for at in (4, 5, 6, 7):
            if (tmp_path / f"disk{at}" / "objects-1").exists():
                (tmp_path / f"disk{at}" / "objects-1").rename(tmp_path / f"disk{at}" / "lost")
        for name, body in BODIES.items():
            said = await service.ask("GET", f"c/{name}")
            assert said.status in {404, 503} or body == said.body

    run(tmp_path, story, **cluster(tmp_path))


def test_too_few_disks_acknowledge_nothing(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_storage_policy="coded")
        assert 503 == (await service.ask("PUT", "c/o", b"x")).status

    run(tmp_path, story, **cluster(tmp_path, 5))


def test_a_damaged_fragment_waits_for_those_that_are_still_being_read() -> None:
    async def story() -> None:
        ended: list[str] = []

        async def damaged() -> bytes:
            raise Corrupt(path="/a/c/o", why="as the test wants")

        async def slow() -> bytes:
            for _ in range(5):
                await asyncio.sleep(0)
            ended.append("slow")
            return b"x"

        with pytest.raises(Corrupt):
            await coded._all([damaged(), slow()])
        assert ["slow"] == ended

    asyncio.run(story())
