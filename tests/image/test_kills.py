"""The process killed (kill -9) at every point it passes while something is done to an image (FLT-005).

What is active has the bytes its hash says, in every store that it is said to be in; what was under way goes on, or can be asked for
again; and nothing is left in the staging area, nor in a store, that is no image's.
"""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.image.harness import RAW, Service
from tests.image.kill_scenes import SCENES, opened, put
from tests.image.test_crash import ID

from pileus.image.flows.sweep import sweep
from pileus.kit.clock import FakeClock

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(700)]
GO_ON = frozenset({"glance-direct", "web-download", "convert", "copy-image", "copy-image to three"})
UPLOADS = {"upload": b"".join(RAW[at::3] for at in range(3)), "stage": b"".join(RAW[at::3] for at in range(3))}
CODE = "from tests.image.kill_scenes import nursery; nursery()"


def files(folder: Path) -> list[Path]:
    """Everything that is not the database's, nor the other region's."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("db.sqlite")]
    return sorted(path for path in found if folder / "east" not in path.parents)


async def judged(folder: Path, scene: str) -> str:
    """How the image stands after the next start; what must hold does."""
    app = await opened(folder, scene)
    assert isinstance(app.clock, FakeClock)
    app.clock.move(3600)
    cloud = Service(app, folder)
    try:
        if scene in UPLOADS and (await cloud.show(ID))["status"] in {"saving", "uploading"}:
            await _again(cloud, scene)
        await sweep(app)
        await cloud.settle()
        await sweep(app)
        status = (await cloud.ask("GET", f"/v2/images/{ID}", token="root"))[0]
        if status == 404:
            assert ("delete", []) == (scene, files(folder))
            return "gone"
        return await _whole(cloud, folder, scene)
    finally:
        await app.db.close()


async def _again(cloud: Service, scene: str) -> None:
    """Who uploads it again need not wait for anything: the lease of the upload that died is over. It is killed once more."""
    whole = (await cloud.show(ID))["size"] is not None
    if not whole:
        await put(cloud, "file" if scene == "upload" else "stage")


async def _whole(cloud: Service, folder: Path, scene: str) -> str:
    image = await cloud.show(ID)
    there = image["stores"].split(",") if image.get("stores") else []
    content = UPLOADS.get(scene, RAW)
    if image["status"] == "active":
        assert content == (await cloud.ask("GET", f"/v2/images/{ID}/file"))[1]
        assert hashlib.sha512(content).hexdigest() == image["os_hash_value"]
    else:
        assert [] == there
    cached = (await cloud.ask("GET", "/v2/cache", token="root"))[1]["cached_images"] if scene == "cache" else []
    staged = image["status"] == "uploading"
    assert len(there) + len(cached) + staged == len(files(folder)), files(folder)
    assert all(content == path.read_bytes() for path in files(folder))
    assert image["status"] in {"active", "uploading" if scene == "stage" else "queued"}
    if scene in GO_ON | {"delete", "leave", "cache"}:
        assert "active" == image["status"]
    if scene in GO_ON:
        assert set(cloud.app.stores.all) == set(there)
    if scene in GO_ON | {"glance-download"}:
        (task,) = (await cloud.ask("GET", f"/v2/images/{ID}/tasks", token="root"))[1]["tasks"]
        assert ("success" if image["status"] == "active" else "failure") == task["status"]
    return str(image["status"])


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_active_is_whole_and_nothing_is_left(tmp_path: Path, scene: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path), scene],
        cwd=root, env={"PYTHONPATH": f"{root}/src:{root}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr.decode()
    ended = json.loads(done.stdout)
    ends = []
    for at, (how, point) in ended.items():
        assert how in {0, signal.SIGKILL}
        try:
            ends.append(asyncio.run(judged(tmp_path / at, scene)))
        except AssertionError as wrong:
            raise AssertionError(f"killed at {point}, number {at}: {wrong}") from wrong
    killed = [how for how, _ in ended.values() if how == signal.SIGKILL]
    assert len(killed) >= 8
    print(f"{scene}: {len(killed)} kills; {', '.join(f'{ends.count(one)} {one}' for one in sorted(set(ends)))}")
