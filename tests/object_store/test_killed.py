"""Killed at each step of a write (FLT-009): what was acknowledged is there, and never a mix of old and new."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.object_store.world import Service, run

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = b"old" * 1000, "new" * 2000
PLACES = (
    "object.keep@before fsync", "object.keep@after fsync", "object.keep@before rename", "object.keep@after rename",
    "object.keep@after directory fsync", "object.tell@before", "ledger.commit@before", "ledger.commit@after",
)  # fmt: skip
MANIFEST = '[{"path": "/c/o"}]'


def dies(folder: Path, place: str, method: str, path: str, body: str = "") -> str:
    """What the program printed before it was killed; empty when nothing was acknowledged."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PILEUS_FAULT": f"{place}:kill"}
    argv = [sys.executable, "-m", "tests.object_store.dying", str(folder), method, path, body]
    done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done
    return done.stdout.strip()


@pytest.mark.scale
@pytest.mark.parametrize("place", PLACES)
def test_killed_in_the_middle_of_a_write(tmp_path: Path, place: str) -> None:
    async def before(service: Service) -> None:
        await service.put("c", b"")
        for name in ("o", "gone"):
            await service.put(f"c/{name}", OLD)

    run(tmp_path, before)
    answers = [
        dies(tmp_path, place, "PUT", "c/o", NEW),
        dies(tmp_path, place, "PUT", "c/fresh", NEW),
        dies(tmp_path, place, "DELETE", "c/gone"),
        dies(tmp_path, place, "PUT", "c/large", MANIFEST),
    ]
    assert ["", "", "", ""] == answers

    async def after(service: Service) -> None:
        service.clock.move(3600)
        got = {name: await service.ask("GET", f"c/{name}") for name in ("o", "fresh", "gone", "large")}
        assert got["o"].body in {OLD, NEW.encode()}
        assert (got["fresh"].status, got["fresh"].body) in {(200, NEW.encode()), (404, got["fresh"].body)}
        assert got["gone"].status in {200, 404}
        for _ in range(2):
            await service.app.workers.updater.run()
            await service.app.workers.auditor.run()
        listed = {one["name"]: one for one in (await service.ask("GET", "c", query="format=json")).json}
        for name, said in got.items():
            assert (said.status == 200 or (said.status == 409 and name == "large")) == (name in listed), (name, listed)
            if name in listed and name != "large":
                assert said.headers["etag"] == listed[name]["hash"]
        assert [] == [one for one in service.files() if "/tmp/" in one]

    run(tmp_path, after)
