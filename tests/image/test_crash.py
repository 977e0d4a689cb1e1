"""A controller killed during an upload: no half image is ever active, and nothing is left of it after the sweep."""

import asyncio
import datetime as dt
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.image.harness import RAW, Service, over

from pileus.image.app import ImageApp
from pileus.image.config import ImageConfig
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import METADATA
from pileus.image.store.images import image_find
from pileus.kit.clock import FakeClock, SystemClock
from pileus.kit.db import Database, create_all
from pileus.kit.tables import metadata

ID = "12345678-1234-1234-1234-123456789012"
PLACES = (
    "image.upload@begun:kill",
    "image.upload@writing:kill",
    "image.upload@writing#2:kill",
    "image.keep@before rename:kill",
    "image.keep@after rename:kill",
    "image.upload@kept:kill",
    "image.upload@ended:kill",
)
CHILD = """
import asyncio, sys
from pathlib import Path
from tests.image.test_crash import child
asyncio.run(child(Path(sys.argv[1])))
"""


async def opened(folder: Path) -> ImageApp:
    db = await Database.open(folder / "db.sqlite")
    if not await _has_tables(db):
        await create_all(db, METADATA, metadata)
    return over(db, folder, SystemClock(), ImageConfig())


async def _has_tables(db: Database) -> bool:
    return bool(await db.engine.fetch("SELECT 1 FROM sqlite_master WHERE name = 'images'", []))


async def child(folder: Path) -> None:
    """Create an image and upload its bytes; what the environment says kills this process on the way."""
    cloud = Service(await opened(folder), folder)
    await cloud.create(id=ID)
    parts = [{"type": "http.request", "body": RAW, "more_body": more} for more in (True, True, False)]
    octets = {"content-type": "application/octet-stream"}
    await cloud.ask("PUT", f"/v2/images/{ID}/file", messages=parts, headers=octets)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_no_half_image_is_ever_active(tmp_path: Path, place: str) -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=root,
        env={"PYTHONPATH": f"{root}/src:{root}", "PILEUS_FAULT": place, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert -signal.SIGKILL == ended.returncode, ended.stderr.decode()

    async def after() -> None:
        app = await opened(tmp_path)
        cloud = Service(app, tmp_path)
        try:
            image = await image_find(app, ID)
            assert image is not None
            if place == PLACES[-1]:
                assert "active" == image.status
                assert 3 * len(RAW) == image.size
            else:
                assert "saving" == image.status
            assert await sweep(app) is None, "an upload that may still live is left alone"
            later = FakeClock(app.clock.now() + dt.timedelta(minutes=2))
            cloud = Service(msgspec.structs.replace(app, clock=later), tmp_path)
            await sweep(cloud.app)
            if place == PLACES[-1]:
                assert RAW * 3 == (await cloud.ask("GET", f"/v2/images/{ID}/file"))[1]
            else:
                assert "queued" == (await cloud.show(ID))["status"]
                assert [] == cloud.stored()
                assert 204 == await cloud.upload(ID)
        finally:
            await app.db.close()

    asyncio.run(after())
