"""Objects and listings after the power went (FLT-030): what was acknowledged is there, and nothing is half there."""

import random
from hashlib import md5
from pathlib import Path

import pytest
from tests.object_store.dying import disks
from tests.object_store.world import Service
from tests.power_cut import Cut, Disk, in_memory, recorded

SIZES = (0, 1, 4096, 70_000, 300_000)
NAMES = ("a", "b", "c")
Journal = list[tuple[str, str | None, int]]  # name, MD5 (None: deleted), and when it was acknowledged


async def written(disk: Disk, kind: str) -> Journal:
    """Objects put, overwritten and deleted, one after another."""
    service = Service(disk.folder, **{"part_power": 2, **disks(disk.folder, kind)})
    journal: Journal = []
    chosen = random.Random(1)
    try:
        await service.put("c", b"")
        for number in range(24):
            name = chosen.choice(NAMES)
            if number % 5 == 4:
                said = await service.ask("DELETE", f"c/{name}")
                assert said.status in {204, 404}
                journal.append((name, None, disk.now()))
                continue
            body = random.Random(number).randbytes(chosen.choice(SIZES))
            await service.put(f"c/{name}", body)
            journal.append((name, md5(body, usedforsecurity=False).hexdigest(), disk.now()))
    finally:
        await service.close()
    return journal


async def broken(folder: Path, cut: Cut, journal: Journal, kind: str) -> list[str]:
    """What does not hold after the cut."""
    acknowledged = [entry for entry in journal if entry[2] <= cut.at]
    if not acknowledged:
        return []
    service = Service(folder, **{"part_power": 2, **disks(folder, kind)})
    service.clock.move(3600)
    wrong = []
    try:
        for name in NAMES:
            possible = [etag for one, etag, at in journal if one == name and at > cut.at]
            possible += [etag for one, etag, _ in acknowledged if one == name][-1:] or [None]
            said = await service.ask("GET", f"c/{name}")
            found = md5(said.body, usedforsecurity=False).hexdigest() if said.status == 200 else None
            if said.status not in {200, 404} or found not in possible:
                wrong.append(f"{name} answers {said.status}, {found}")
        for _ in range(2):
            await service.app.workers.reconstructor.run()
            await service.app.workers.replicator.run()
            await service.app.workers.updater.run()
            await service.app.workers.auditor.run()
            await service.app.workers.ledgers.run()
        listed = {one["name"]: one["hash"] for one in (await service.ask("GET", "c", query="format=json")).json}
        for name in NAMES:
            said = await service.ask("HEAD", f"c/{name}")
            if listed.get(name) != (said.headers["etag"] if said.status == 200 else None):
                wrong.append(f"{name} is not listed as it is")
    finally:
        await service.close()
    return wrong


async def replayed(kind: str, at_most: int) -> None:
    """The power was cut that often, and nothing that was acknowledged is lost or wrong."""
    wrong: list[str] = []
    cuts = 0
    with in_memory() as place:
        with recorded(place) as disk:
            journal = await written(disk, kind)
        for cut in disk.cuts(reorderings=1, at_most=at_most):
            cuts += 1
            with cut.mounted() as folder:
                wrong += [f"{cut.at} ({cut.why}): {what}" for what in await broken(folder, cut, journal, kind)]
    print(f"{kind}: {cuts} power cuts replayed over {len(disk.entries)} writes and flushes of {len(journal)} requests")
    assert not wrong, wrong[:5]


@pytest.mark.host
@pytest.mark.timeout(600)
async def test_acknowledged_objects_survive_power_cuts() -> None:
    await replayed("one copy", 120)


@pytest.mark.scale
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("kind", ["3 copies", "4+2"])
async def test_acknowledged_objects_survive_power_cuts_of_all_their_disks(kind: str) -> None:
    await replayed(kind, 60)
