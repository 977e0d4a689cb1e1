"""Disks that are lost or come back late, and an expirer that slept: rows FLT-049, 054 and 055, for three copies and for 4+2."""

import shutil
from pathlib import Path

import pytest
from tests.object_store.test_engine import break_device
from tests.object_store.world import Service, run

BODIES = {f"o{number}": f"object {number} ".encode() * 5000 for number in range(6)}
KINDS = ["whole", "coded 4+2"]


def disks(folder: Path, kind: str) -> dict[str, object]:
    devices = tuple(str(folder / f"disk{at}") for at in range(7 if "+" in kind else 3))
    return {"devices": devices, "replicas": 3.0, "part_power": 2, "policies": (kind,)}


async def filled(service: Service) -> None:
    await service.put("c", b"")
    for name, body in BODIES.items():
        await service.put(f"c/{name}", body)


async def settled(service: Service) -> None:
    workers = service.app.workers
    for _ in range(3):
        for worker in (workers.updater, workers.replicator, workers.reconstructor, workers.ledgers, workers.auditor):
            await worker.run()


def lost(service: Service, folder: Path, count: int) -> None:
    """The first disks are new ones."""
    for at in range(count):
        break_device(folder / f"disk{at}")
    service.app.server.devices.prepare()
    for device in service.app.server.devices:
        device.containers.close()
        device.accounts.close()


async def readable(service: Service) -> None:
    for name, body in BODIES.items():
        assert body == (await service.ask("GET", f"c/{name}")).body
    assert sorted(BODIES) == await service.listing("c")


@pytest.mark.parametrize("kind", KINDS)
def test_one_and_two_lost_disks_cost_nothing_and_all_are_no_wrong_data(tmp_path: Path, kind: str) -> None:
    async def story(service: Service) -> None:
        await filled(service)
        for count in (1, 2):
            lost(service, tmp_path, count)
            await readable(service)
            await settled(service)
            await readable(service)
        lost(service, tmp_path, 7 if "+" in kind else 3)
        for name in BODIES:
            assert 404 == (await service.ask("GET", f"c/{name}")).status
        print(f"{kind}: {1 + 2 + (7 if '+' in kind else 3)} disks lost")

    run(tmp_path, story, **disks(tmp_path, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_deleted_while_a_disk_was_away_for_long_does_not_come_back(tmp_path: Path, kind: str) -> None:
    async def story(service: Service) -> None:
        await filled(service)
        folders = [one for one in tmp_path.glob("disk*/objects") if one.is_dir()]
        for folder in folders[:2]:
            shutil.copytree(folder, tmp_path / "aside" / folder.parent.name)
        assert folders
        assert 204 == (await service.ask("DELETE", "c/o0")).status
        service.clock.move(8 * 86_400)
        await settled(service)
        assert [] == list(tmp_path.glob("disk*/objects/*/*/*.ts"))
        for folder in folders[:2]:
            shutil.rmtree(folder)
            shutil.move(tmp_path / "aside" / folder.parent.name, folder)
        await settled(service)
        assert 404 == (await service.ask("GET", "c/o0")).status
        assert sorted(BODIES)[1:] == await service.listing("c")
        for name in sorted(BODIES)[1:]:
            assert BODIES[name] == (await service.ask("GET", f"c/{name}")).body
        print(f"{kind}: {len(folders[:2])} disks came back after tombstones were forgotten")

    run(tmp_path, story, **disks(tmp_path, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_expired_is_not_served_though_the_expirer_slept(tmp_path: Path, kind: str) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        for name in ("o", "later"):
            await service.put(f"c/{name}", b"x" * 5000, x_delete_after="10" if name == "o" else "90000")
        service.clock.move(3600)
        for method in ("GET", "HEAD", "POST"):
            assert 404 == (await service.ask(method, "c/o")).status
        assert 200 == (await service.ask("GET", "c/later")).status
        await service.app.workers.expirer.run()
        await settled(service)
        assert ["later"] == await service.listing("c")
        service.clock.move(90_000)
        assert 404 == (await service.ask("GET", "c/later")).status
        await service.app.workers.expirer.run()
        assert [] == await service.listing("c")

    run(tmp_path, story, **disks(tmp_path, kind))
