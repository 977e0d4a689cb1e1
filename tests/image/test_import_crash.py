"""Killed at every point, an import ends where it ends undisturbed, and leaves no file over."""

import asyncio
import gzip
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.image.harness import OCTETS, RAW, Service, over
from tests.postgres import close_opened, open_with

from pileus.image import manifest
from pileus.image.config import ImageConfig, PluginsConfig, StoreConfig
from pileus.image.drivers.interface import Unreadable
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import METADATA
from pileus.kit.clock import FakeClock
from pileus.kit.flow.crash import MakeScene, Reaper, Scene, play, survives_crashes
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.settle import TakesTurns
from pileus.kit.tables import metadata

STORES = {"file": StoreConfig(path="images"), "cold": StoreConfig(path="cold"), "web": StoreConfig(kind="http")}
CONFIG = ImageConfig(
    stores=STORES,
    cache_size=3 * len(RAW),
    plugins=PluginsConfig(enabled=("image_decompression", "inject_image_metadata")),
)
PACKED = ("packed", "damaged pack")
DIRECT = {"method": {"name": "glance-direct"}, "all_stores": True}
FETCHED = {"method": {"name": "web-download", "uri": "https://images.example/disk"}, "all_stores": True}
COPIED = {"method": {"name": "copy-image"}, "stores": ["cold"]}


WAYS: dict[str, Any] = {
    "fetch": FETCHED, "broken fetch": FETCHED, "copy": COPIED, "copy of damage": COPIED,
}  # fmt: skip
ADDRESS = "https://images.example/disk"
SAID = {"os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(RAW).hexdigest()}
LOCATED: dict[str, Any] = {
    "locate": {"url": ADDRESS, "validation_data": SAID},
    "locate other bytes": {"url": ADDRESS, "validation_data": {**SAID, "os_hash_value": "0" * 64}},
}
CACHED = ("cache", "cache of damage")
UPLOADED = ("copy", "copy of damage", *CACHED)
DAMAGED = ("copy of damage", "cache of damage")
VERBS = ("import", "damaged", "deleted", *PACKED, *WAYS, *LOCATED, *CACHED)
# The flow of which every step is passed; what is not named here goes wrong on the way, or is another way to the same.
PASSES = {"import": "image.import", "locate": "image.locate", "cache": "image.cache"}
FLOWS = {flow.name: flow for flow in manifest.FLOWS}


class Address:
    """A web of one address, which breaks off where it is told to; keeps pileus.image.drivers.interface.Web."""

    def __init__(self, end: int | None = None) -> None:
        self._end = end

    async def read(
        self, name: str, start: int, length: int | None = None, told: Callable[[int], None] | None = None
    ) -> AsyncIterator[bytes]:
        whole = RAW[start : self._end]
        for at in range(0, len(whole), 1 << 19):
            yield whole[at : at + (1 << 19)]
        if self._end is not None:
            raise Unreadable("it breaks off")

    async def copy(self, name: str, destination: Path) -> None:
        raise Unreadable("nobody copies it")

    async def exists(self, name: str) -> bool:
        return True

    def url(self, name: str) -> str:
        return name

    async def size(self, name: str) -> int:
        return len(RAW)


class ImportScene:
    """An image that comes into two stores, by any way there is; or does not, as its bytes are damaged in between."""

    def __init__(self, cloud: Service, verb: str) -> None:
        self.cloud = cloud
        self.verb = verb
        self.id = ""

    async def begin(self, engine: Engine) -> None:
        self.cloud = self._after_death(engine)
        if self.verb in (*WAYS, *LOCATED, *CACHED):
            await self._by_another_way()
            return
        packed = self.verb in PACKED
        self.id = (await self.cloud.create(container_format="compressed" if packed else "bare"))["id"]
        content = gzip.compress(RAW, mtime=0) if packed else RAW
        content = content[:-9] if self.verb == "damaged pack" else content
        await self.cloud.ask("PUT", f"/v2/images/{self.id}/stage", content, headers=OCTETS)
        if self.verb == "damaged":
            (staged,) = (self.cloud.state / "images" / "staging").glob("*.*")
            staged.write_bytes(RAW[::-1])
        body: dict[str, Any] = DIRECT
        assert 202 == (await self.cloud.ask("POST", f"/v2/images/{self.id}/import", body))[0]
        if self.verb == "deleted":
            assert 204 == (await self.cloud.ask("DELETE", f"/v2/images/{self.id}"))[0]

    async def _by_another_way(self) -> None:
        self.id = (await self.cloud.create())["id"]
        if self.verb in UPLOADED:
            assert 204 == await self.cloud.upload(self.id)
        if self.verb in DAMAGED:
            (stored,) = (self.cloud.state / "images").glob("*.*")
            stored.write_bytes(RAW[::-1])
        if self.verb in CACHED:
            asked = await self.cloud.ask("PUT", f"/v2/cache/{self.id}", token="root")
        elif self.verb in LOCATED:
            asked = await self.cloud.ask("POST", f"/v2/images/{self.id}/locations", LOCATED[self.verb])
        else:
            asked = await self.cloud.ask("POST", f"/v2/images/{self.id}/import", WAYS[self.verb], token="root")
        assert 202 == asked[0], asked[1]

    async def engine(self) -> Engine:
        app = self.cloud.app
        web = Address(900_000 if self.verb == "broken fetch" else None)
        fresh = over(app.db, self.cloud.state, app.clock, app.config, web=web)
        self.cloud = Service(fresh, self.cloud.state)
        assert isinstance(fresh.operations, Engine)
        return fresh.operations

    def _after_death(self, engine: Engine) -> Service:
        assert engine is self.cloud.app.operations
        return self.cloud

    async def others(self) -> tuple[TakesTurns, ...]:
        return ()

    async def world(self) -> object:
        await sweep(self.cloud.app)
        status, image, _ = await self.cloud.ask("GET", f"/v2/images/{self.id}", token="root")
        files = [path for path in self.cloud.state.rglob("*") if path.is_file() and path.suffix != ".sqlite"]
        if status == 200 and image["status"] == "active" and self.verb not in (*DAMAGED, *LOCATED):
            assert RAW == (await self.cloud.ask("GET", f"/v2/images/{self.id}/file", token="root"))[1]
        tasks = (await self.cloud.ask("GET", "/v2/tasks", token="root"))[1]["tasks"]
        shown = ("status", "stores", "container_format", "size", "os_hash_value")
        about = [image.get(name) for name in shown] if status == 200 else status
        cached = (await self.cloud.ask("GET", "/v2/cache", token="root"))[1]
        here = [(each["size"], each["image_id"] == self.id) for each in cached["cached_images"]]
        return about, len(files), [task["status"] for task in tasks], here, len(cached["queued_images"])


def scene(verb: str, folder: Path) -> MakeScene:
    async def make(reaper: Reaper, clock: FakeClock) -> Scene:
        await close_opened()  # those of the play before: a server has only so many connections
        db = await open_with(METADATA, metadata)
        state = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=folder))
        return ImportScene(Service(over(db, state, clock, CONFIG), state), verb)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
async def test_killed_at_any_point_it_ends_as_if_undisturbed(verb: str, tmp_path: Path, every: int) -> None:
    passes = FLOWS[PASSES[verb]] if verb in PASSES else None
    assert await survives_crashes(scene(verb, tmp_path), passes, every=every) >= 3


async def test_the_undisturbed_ends_are_the_right_ones(tmp_path: Path) -> None:
    async def end(verb: str) -> Any:
        return (await play(scene(verb, tmp_path), None)).world

    about, *_ = await end("locate")
    assert ["active", "web", "bare", len(RAW), SAID["os_hash_value"]] == about
    about, files, tasks, *_ = await end("locate other bytes")
    assert ("queued", None, 0, ["failure"]) == (about[0], about[4], files, tasks)
    *_, here, queued = await end("cache")
    assert ([(len(RAW), True)], 0) == (here, queued)
    *_, here, queued = await end("cache of damage")
    assert ([], 0) == (here, queued)
