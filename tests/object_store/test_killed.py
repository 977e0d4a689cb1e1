"""Killed at each step of a write (FLT-009): what was acknowledged is there, and never a mix of old and new."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.object_store.dying import KINDS, disks
from tests.object_store.world import Said, Service, run

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = b"old" * 1000, "new" * 2000
PLACES = (
    "object.keep@before fsync", "object.keep@after fsync", "object.keep@before rename", "object.keep@after rename",
    "object.keep@after directory fsync", "object.tell@before", "ledger.commit@before", "ledger.commit@after",
)  # fmt: skip
COMMIT = "object.keep@after commit"
MANIFEST = '[{"path": "/c/o"}]'


def dies(folder: Path, place: str, kind: str, method: str, path: str, body: str = "") -> str:
    """What the program printed before it was killed; empty when nothing was acknowledged."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PILEUS_FAULT": f"{place}:kill"}
    argv = [sys.executable, "-m", "tests.object_store.dying", str(folder), method, path, body, kind]
    done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done
    return done.stdout.strip()


@pytest.mark.scale
@pytest.mark.parametrize(("place", "kind"), [*itertools.product(PLACES, KINDS), (COMMIT, "4+2")])
def test_killed_in_the_middle_of_a_write(tmp_path: Path, place: str, kind: str) -> None:
    async def before(service: Service) -> None:
        await service.put("c", b"")
        await service.ask("PUT", "v", headers={"x-versions-enabled": "true"})
        for name in ("c/o", "c/gone", "v/o"):
            await service.put(name, OLD)

    options = disks(tmp_path, kind)
    run(tmp_path, before, **options)
    answers = [
        dies(tmp_path, place, kind, "PUT", "c/o", NEW),
        dies(tmp_path, place, kind, "PUT", "c/fresh", NEW),
        dies(tmp_path, place, kind, "PUT", "c/large", MANIFEST),
        dies(tmp_path, place, kind, "PUT", "v/o", NEW),
    ]
    if place != COMMIT:
        answers.append(dies(tmp_path, place, kind, "DELETE", "c/gone"))
    assert not any(answers)

    run(tmp_path, all_as_it_should_be, **options)


async def all_as_it_should_be(service: Service) -> None:
    """What was there before is there, or what was tried; it is listed so, whole, and in all its copies."""
    service.clock.move(3600)
    workers = service.app.workers
    await possible(service)
    version = await service.ask("GET", "v/o")
    assert (200, True) == (version.status, version.body in {OLD, NEW.encode()})
    assert OLD in {(await service.ask("GET", path, query=f"version-id={id}")).body for path, id in await kept(service)}
    for _ in range(3):
        for worker in (workers.updater, workers.auditor, workers.replicator, workers.reconstructor, workers.ledgers):
            await worker.run()
    got = await possible(service)  # again: any one copy may have had what was tried, and by now all have it
    listed = {one["name"]: one for one in (await service.ask("GET", "c", query="format=json")).json}
    for name, said in got.items():
        assert (said.status == 200 or (said.status == 409 and name == "large")) == (name in listed), (name, listed)
        if name in listed and name != "large":
            assert said.headers["etag"] == listed[name]["hash"]
    assert [] == [one for one in service.files() if "/tmp/" in one]


async def possible(service: Service) -> dict[str, Said]:
    """What the objects answer: what was there before, or what was tried."""
    got = {name: await service.ask("GET", f"c/{name}") for name in ("o", "fresh", "gone", "large")}
    assert got["o"].body in {OLD, NEW.encode()}
    assert (got["fresh"].status, got["fresh"].body) in {(200, NEW.encode()), (404, got["fresh"].body)}
    assert got["gone"].status in {200, 404}
    return got


async def kept(service: Service) -> list[tuple[str, str]]:
    """Every version of the object in the container with versions."""
    found = (await service.ask("GET", "v", query="versions&format=json")).json
    return [(f"v/{one['name']}", one["version_id"]) for one in found]
