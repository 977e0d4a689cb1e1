"""What is done to images while the process is killed, each in a process of its own that is forked from one that has read the code.

    python -c "from tests.image.kill_scenes import nursery; nursery()" FOLDER SCENE

It prints, as JSON, how each ended: killed at which point, or not at all. The first one is let be, and tells the points.
"""

import asyncio
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
from tests.image.harness import OCTETS, RAW, Service, over
from tests.image.test_crash import ID
from tests.image.test_import_crash import COPIED, DIRECT, FETCHED, Address
from tests.image.test_regions import download, near, served

from pileus.image.app import ImageApp
from pileus.image.config import ImageConfig, PluginsConfig, StoreConfig
from pileus.image.manifest import METADATA
from pileus.kit.clock import FakeClock
from pileus.kit.db import Database, create_all
from pileus.kit.flow import failpoint
from pileus.kit.tables import metadata

STORES = {name: StoreConfig(path=name) for name in ("images", "cold", "deep", "far")}
TWO = {name: StoreConfig(path=path) for name, path in (("file", "images"), ("cold", "cold"))}
METHODS = ("glance-direct", "web-download", "copy-image", "glance-download")
CONFIG = ImageConfig(
    stores=TWO,
    import_methods=METHODS,
    cache_size=1 << 30,
    plugins=PluginsConfig(enabled=("image_decompression", "inject_image_metadata")),
)
CONVERTING = ImageConfig(stores=TWO, plugins=PluginsConfig(enabled=("image_decompression", "image_conversion")))
FOUR = msgspec.structs.replace(CONFIG, stores=STORES, default_store="images")
CONFIGS = {"convert": CONVERTING, "delete": FOUR, "leave": FOUR, "copy-image to three": FOUR}
Act = Callable[[Service], Awaitable[None]]


async def opened(folder: Path, scene: str) -> ImageApp:
    """The service over what is in the folder."""
    fresh = not (folder / "db.sqlite").exists()
    db = await Database.open(folder / "db.sqlite")
    if fresh:
        await create_all(db, METADATA, metadata)
    return over(db, folder, FakeClock(), CONFIGS.get(scene, CONFIG), web=Address())


async def everywhere(cloud: Service) -> None:
    """The image is in every store."""
    assert 204 == (await cloud.ask("PUT", f"/v2/images/{ID}/stage", RAW, headers=OCTETS))[0]
    assert 202 == (await cloud.ask("POST", f"/v2/images/{ID}/import", DIRECT))[0]
    await cloud.settle()
    assert "active" == (await cloud.show(ID))["status"]


async def make(cloud: Service, scene: str) -> None:
    """What there is before: an image that waits for its bytes, or has them."""
    packed = {"disk_format": "qcow2", "container_format": "compressed"} if scene == "convert" else {}
    await cloud.create(id=ID, **packed)
    match scene:
        case "glance-direct":
            await cloud.ask("PUT", f"/v2/images/{ID}/stage", RAW, headers=OCTETS)
        case "convert":
            await cloud.ask("PUT", f"/v2/images/{ID}/stage", gzip.compress(await _qcow2(cloud.state)), headers=OCTETS)
        case "copy-image" | "copy-image to three" | "cache":
            await cloud.upload(ID)
        case "delete" | "leave":
            await everywhere(cloud)


async def _qcow2(state: Path) -> bytes:
    raw, made = state / "raw", state / "qcow2"
    raw.write_bytes(RAW)
    words = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, made)
    await asyncio.to_thread(subprocess.run, words, check=True)
    content = made.read_bytes()
    raw.unlink()
    made.unlink()
    return content


async def put(cloud: Service, path: str) -> None:
    """The bytes, in three pieces."""
    parts = [{"type": "http.request", "body": RAW[at::3], "more_body": at < 2} for at in range(3)]
    assert 204 == (await cloud.ask("PUT", f"/v2/images/{ID}/{path}", messages=parts, headers=OCTETS))[0]


async def imports(cloud: Service, body: Mapping[str, object]) -> None:
    """An import, to its end."""
    assert 202 == (await cloud.ask("POST", f"/v2/images/{ID}/import", body, token="root"))[0]
    await cloud.settle()


async def brought(cloud: Service) -> None:
    """The image is in the cache."""
    assert 202 == (await cloud.ask("PUT", f"/v2/cache/{ID}", token="root"))[0]
    await cloud.settle()


async def ask(cloud: Service, method: str, path: str) -> None:
    """A request that has no answer but 204."""
    assert 204 == (await cloud.ask(method, path, token="root"))[0]


async def left(cloud: Service) -> None:
    """The image is in one store only."""
    for store in ("deep", "far", "cold"):
        await ask(cloud, "DELETE", f"/v2/stores/{store}/{ID}")


SCENES: Mapping[str, Act] = {
    "upload": lambda cloud: put(cloud, "file"),
    "stage": lambda cloud: put(cloud, "stage"),
    "glance-direct": lambda cloud: imports(cloud, DIRECT),
    "web-download": lambda cloud: imports(cloud, FETCHED),
    "convert": lambda cloud: imports(cloud, DIRECT),
    "copy-image": lambda cloud: imports(cloud, COPIED),
    "copy-image to three": lambda cloud: imports(cloud, {"method": {"name": "copy-image"}, "all_stores": True}),
    "glance-download": lambda cloud: imports(cloud, {**download(FAR), "all_stores": True}),
    "delete": lambda cloud: ask(cloud, "DELETE", f"/v2/images/{ID}"),
    "leave": left,
    "cache": brought,
}
FAR = "99999999-1234-1234-1234-123456789012"


async def play(folder: Path, scene: str, at: int | None) -> list[str]:
    """The scene is played, and this process killed at the point with that number; returns the points it passed."""
    cloud = Service(await opened(folder, scene), folder)
    await make(cloud, scene)
    if scene != "glance-download":
        return await _passed(cloud, SCENES[scene], at)
    (folder / "east").mkdir()
    far = Service(await opened(folder / "east", scene), folder / "east")
    await far.create(id=FAR)
    await far.upload(FAR)
    async with served(far) as url:
        return await _passed(near(cloud, east=url), SCENES[scene], at)


async def _passed(cloud: Service, act: Act, at: int | None) -> list[str]:
    points: list[str] = []
    if at is not None:
        failpoint.arm(f"*#{at}:kill")
    with failpoint.watched(lambda name, place: points.append(f"{name}@{place}")):
        await act(cloud)
    await cloud.app.db.close()
    return points


def _forked(folder: Path, scene: str, at: int | None) -> tuple[int, list[str]]:
    """How the child that plays it ended: its signal, or 0; and what it passed, if it lived to say."""
    folder.mkdir()
    told = folder.with_suffix(".json")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            told.write_text(json.dumps(asyncio.run(play(folder, scene, at))))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"{scene} at {at}: the child failed")
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), (
        json.loads(told.read_text()) if told.exists() else []
    )


def nursery() -> None:
    """Every point of the scene has been tried, each in a folder named after its number."""
    folder, scene = Path(sys.argv[1]), sys.argv[2]
    _, points = _forked(folder / "undisturbed", scene, None)
    shutil.rmtree(folder / "undisturbed")
    ended = {str(at): [_forked(folder / str(at), scene, at)[0], point] for at, point in enumerate(points, 1)}
    print(json.dumps(ended))
