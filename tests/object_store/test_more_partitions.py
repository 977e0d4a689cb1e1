"""Twice as many partitions: objects are found throughout, whatever dies meanwhile (FLT-052)."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.object_store.machines import Machines
from tests.object_store.world import Service, run

from pileus.object_store.disk.layout import marked, partition_of

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"o{number}" for number in range(8)]
PLACES = (
    "relink@one linked#1", "relink@one linked#7", "relink@linked", "relink@one unlinked#1", "relink@one unlinked#7",
    "relink@swept",
)  # fmt: skip


def body(name: str, turn: int) -> bytes:
    return f"{name} {turn} ".encode() * 300


class Model:
    """What was written, and is there."""

    def __init__(self) -> None:
        self.turn = 0
        self.there: dict[str, bytes] = {}

    async def change(self, service: Service) -> None:
        """Some objects are written, overwritten, described anew and deleted."""
        self.turn += 1
        for at, name in enumerate(NAMES):
            if at % 4 == self.turn % 4:
                self.there.pop(name, None)
                assert (await service.ask("DELETE", f"c/{name}")).status in {204, 404}
            elif (at + self.turn) % 3:
                self.there[name] = body(name, self.turn)
                await service.put(f"c/{name}", self.there[name])
        for name in sorted(self.there)[:2]:
            said = await service.ask("POST", f"c/{name}", headers={"x-object-meta-turn": str(self.turn)})
            assert 202 == said.status
            assert str(self.turn) == (await service.ask("HEAD", f"c/{name}")).headers["x-object-meta-turn"]

    async def check(self, service: Service) -> None:
        """All is there, and nothing else."""
        for name in NAMES:
            said = await service.ask("GET", f"c/{name}")
            assert (200, self.there[name]) == (said.status, said.body) if name in self.there else 404 == said.status
        assert sorted(self.there) == await service.listing("c")


def misplaced(folder: Path, power: int) -> list[str]:
    """Files in directories where nobody looks."""
    files = [one for one in folder.rglob("objects*/*/*/*") if one.is_file() and "quarantined" not in one.parts]
    return [str(one) for one in files if partition_of(one.name[:32], power) != int(one.parts[-3])]


async def workers(service: Service) -> None:
    found = service.app.workers
    for worker in (found.updater, found.replicator, found.reconstructor, found.ledgers, found.auditor):
        await worker.run()


@pytest.mark.parametrize("policy", [0, 1])
def test_objects_are_found_while_partitions_are_doubled(tmp_path: Path, policy: int) -> None:
    async def story(service: Service) -> None:
        keeper, model = service.app.keeper, Model()
        assert keeper is not None
        await service.put("c", b"", x_storage_policy=("whole", "coded")[policy])
        await model.change(service)
        for power in (3,) if policy else (3, 4):
            keeper.double(policy)
            for _ in range(2):  # linked, then swept
                await model.change(service)
                await workers(service)
                await model.check(service)
                await service.app.workers.relinker.run()
                await model.change(service)
                await model.check(service)
                assert "partitions" in str(await service.app.workers.follower.run())
                await model.check(service)
                await workers(service)
                await model.check(service)
            assert ([], power) == (keeper.doubling(), service.app.cluster.rings.objects[policy].part_power)
            assert 2 == service.app.cluster.rings.containers.part_power
            await service.app.workers.relinker.run()
            assert [] == misplaced(tmp_path, power)
        found = await service.app.workers.follower.run()
        assert found is None or "belong elsewhere" in found

    devices = tuple(str(tmp_path / f"disk{at}") for at in range(6))
    run(
        tmp_path,
        story,
        devices=devices,
        replicas=3.0,
        part_power=2,
        policies=("whole", "coded 4+2"),
        min_part_hours=0.0,
    )


def test_nothing_goes_on_while_a_disk_is_away_and_it_makes_up_for_it(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        keeper, model, done = service.app.keeper, Model(), service.app.workers
        assert keeper is not None
        await service.put("c", b"")
        await model.change(service)
        keeper.double(0)
        (tmp_path / "disk1" / "tmp").rename(tmp_path / "disk1" / "away")
        await done.relinker.run()
        await done.follower.run()
        assert [0] == keeper.doubling()
        assert 2 == service.app.cluster.rings.objects[0].part_power
        (tmp_path / "disk1" / "away").rename(tmp_path / "disk1" / "tmp")
        for _ in range(3):
            await done.relinker.run()
            await done.follower.run()
        assert [] == keeper.doubling()
        await workers(service)
        await model.check(service)
        assert [] == misplaced(tmp_path, 3)
        # One that comes back from before has its files where they were then.
        for one in sorted((tmp_path / "disk0" / "objects").glob("*/*/*")):
            old = tmp_path / "disk0" / "objects" / str(int(one.parts[-3]) // 2) / one.parts[-2]
            old.mkdir(parents=True, exist_ok=True)
            if old != one.parent:
                one.rename(old / one.name)
        (tmp_path / "disk0" / "objects.layout").write_text('{"version": 1, "power": 2, "linked": 0}')
        again = Service(tmp_path, **OPTIONS, devices=tuple(str(tmp_path / f"disk{at}") for at in range(3)))
        again.clock.move(3600)
        try:
            assert "linked or unlinked" in str(await again.app.workers.relinker.run())
            await model.check(again)
            assert [] == misplaced(tmp_path, 3)
            known = marked(str(tmp_path / "disk0" / "objects"))
            assert known is not None
            assert (3, 3) == (known.power, known.linked)
        finally:
            await again.close()

    run(tmp_path, story, **OPTIONS, devices=tuple(str(tmp_path / f"disk{at}") for at in range(3)))


OPTIONS = {"replicas": 3.0, "part_power": 2, "min_part_hours": 0.0}


@pytest.mark.scale
def test_machines_double_together(tmp_path: Path) -> None:
    async def story() -> None:
        machines = Machines(tmp_path, **OPTIONS)
        try:
            first = await machines.open()
            for name in ("h1", "h2"):
                await machines.join(name, first)
            model, keeper = Model(), machines.app.keeper
            assert keeper is not None
            await machines.put("c", b"")
            await model.change(machines)
            keeper.double(0)
            assert None is await machines.app.workers.follower.run()  # nobody has linked anything
            for _ in range(4):
                for app in (machines.app, *machines.hosts.values()):
                    await model.change(machines)  # some know the newest rings, some those before
                    await model.check(machines)
                    await app.workers.relinker.run()
                    await app.workers.replicator.run()
                await machines.app.workers.follower.run()
                await model.change(machines)
                await model.check(machines)
                for app in machines.hosts.values():
                    app.atlas.take(machines.app.atlas.cluster)
                    await model.change(machines)
                    await model.check(machines)
            assert [] == keeper.doubling()
            assert 3 == machines.app.cluster.rings.objects[0].part_power
            assert [] == misplaced(tmp_path, 3)
        finally:
            await machines.close()

    asyncio.run(story())


def dies(folder: Path, place: str) -> None:
    """The relinker is killed there."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PILEUS_FAULT": f"{place}:kill"}
    argv = [sys.executable, "-m", "tests.object_store.doubling", str(folder)]
    done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == -9, (place, done)


@pytest.mark.scale
@pytest.mark.parametrize("place", PLACES)
def test_a_relinker_killed_at_any_step_hides_nothing(tmp_path: Path, place: str) -> None:
    model = Model()

    async def before(service: Service) -> None:
        await service.put("c", b"")
        await model.change(service)

    run(tmp_path, before, part_power=2)
    dies(tmp_path, place)

    async def after(service: Service) -> None:
        service.clock.move(7200)
        await model.check(service)
        await model.change(service)
        for _ in range(3):
            await service.app.workers.relinker.run()
            await model.check(service)
            await service.app.workers.follower.run()
            await model.check(service)
        await model.change(service)
        await model.check(service)
        await service.app.workers.relinker.run()
        assert service.app.keeper is not None
        assert [] == service.app.keeper.doubling()
        assert [] == misplaced(tmp_path / "objects", 3)

    run(tmp_path, after, part_power=2)
