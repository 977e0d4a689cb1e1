"""An import whose controller is killed: after the next start it goes on to the same end, and no store keeps a byte too many."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.image.harness import OCTETS, RAW, Service, over
from tests.image.test_crash import ID
from tests.image.test_import_crash import CONFIG, COPIED, DIRECT, FETCHED, Address

from pileus.image.app import ImageApp
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import METADATA
from pileus.kit.clock import FakeClock
from pileus.kit.db import Database, create_all
from pileus.kit.tables import metadata

WAYS = {"glance-direct": DIRECT, "web-download": FETCHED, "copy-image": COPIED}
PLACES = {
    "glance-direct": ("image.import@writing", "image.import@writing#3", "image.import@placed", "image.keep@before rename#2"),
    "web-download": (
        "image.upload@writing", "image.keep@before rename", "image.keep@after rename", "image.import@fetched",
        "image.import@writing", "image.import@placed#2",
    ),
    "copy-image": ("image.import@writing", "image.import@writing#2", "image.keep@after rename", "image.import@placed"),
}  # fmt: skip
STEPS = tuple(f"flow.step.{when}@*#{step}" for when in ("committed",) for step in range(1, 7))
CASES = [(way, place) for way, places in PLACES.items() for place in (*places, *STEPS)]
CHILD = "import asyncio, sys; from tests.image.test_import_kills import child; asyncio.run(child(*sys.argv[1:]))"


async def opened(folder: Path, clock: FakeClock) -> ImageApp:
    fresh = not (folder / "db.sqlite").exists()
    db = await Database.open(folder / "db.sqlite")
    if fresh:
        await create_all(db, METADATA, metadata)
    return over(db, folder, clock, CONFIG, web=Address())


async def child(folder: str, way: str) -> None:
    """Begin the import, and be killed by what the environment says."""
    cloud = Service(await opened(Path(folder), FakeClock()), Path(folder))
    await cloud.create(id=ID)
    if way == "glance-direct":
        await cloud.ask("PUT", f"/v2/images/{ID}/stage", RAW, headers=OCTETS)
    if way == "copy-image":
        await cloud.upload(ID)
    from pileus.kit.flow import failpoint

    failpoint.arm(os.environ["FAULT"])
    assert 202 == (await cloud.ask("POST", f"/v2/images/{ID}/import", WAYS[way], token="root"))[0]
    await cloud.settle()


@pytest.mark.scale
@pytest.mark.parametrize(("way", "place"), CASES)
def test_an_import_goes_on_after_kill_9(tmp_path: Path, way: str, place: str) -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), way],
        cwd=root,
        env={"PYTHONPATH": f"{root}/src:{root}", "FAULT": f"{place}:kill", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert -signal.SIGKILL == ended.returncode, ended.stderr.decode()

    async def after() -> None:
        clock = FakeClock()
        clock.move(3600)
        app = await opened(tmp_path, clock)
        cloud = Service(app, tmp_path)
        try:
            await sweep(app)
            await cloud.settle()
            await sweep(app)
            image = await cloud.show(ID)
            assert ("active", "cold,file", "") == (
                image["status"],
                image["stores"],
                image["os_glance_importing_to_stores"],
            )
            assert RAW == (await cloud.ask("GET", f"/v2/images/{ID}/file"))[1]
            (task,) = (await cloud.ask("GET", f"/v2/images/{ID}/tasks", token="root"))[1]["tasks"]
            assert "success" == task["status"]
            files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("db.sqlite")]
            assert 2 == len(files)
        finally:
            await app.db.close()

    asyncio.run(after())
