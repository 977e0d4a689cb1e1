"""Killed at every point, an import ends where it ends undisturbed, and leaves no file over."""

import asyncio
import gzip
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.image.harness import OCTETS, RAW, Service, over
from tests.postgres import close_opened, open_with

from pileus.image.config import ImageConfig, PluginsConfig, StoreConfig
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import METADATA
from pileus.kit.clock import FakeClock
from pileus.kit.flow.crash import MakeScene, Reaper, Scene, survives_crashes
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.settle import TakesTurns
from pileus.kit.tables import metadata

STORES = {"file": StoreConfig(path="images"), "cold": StoreConfig(path="cold")}
CONFIG = ImageConfig(stores=STORES, plugins=PluginsConfig(enabled=("image_decompression", "inject_image_metadata")))
PACKED = ("packed", "damaged pack")
DIRECT = {"method": {"name": "glance-direct"}, "all_stores": True}


class ImportScene:
    """A staged image that is imported into two stores; or fails to be, as its bytes are damaged in between."""

    def __init__(self, cloud: Service, verb: str) -> None:
        self.cloud = cloud
        self.verb = verb
        self.id = ""

    async def begin(self, engine: Engine) -> None:
        self.cloud = self._after_death(engine)
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

    async def engine(self) -> Engine:
        app = self.cloud.app
        fresh = over(app.db, self.cloud.state, app.clock, app.config)
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
        tasks = (await self.cloud.ask("GET", "/v2/tasks", token="root"))[1]["tasks"]
        shown = ("status", "stores", "container_format", "size", "os_hash_value")
        about = [image.get(name) for name in shown] if status == 200 else status
        return about, len(files), [task["status"] for task in tasks]


def scene(verb: str, folder: Path) -> MakeScene:
    async def make(reaper: Reaper, clock: FakeClock) -> Scene:
        await close_opened()  # those of the play before: a server has only so many connections
        db = await open_with(METADATA, metadata)
        state = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=folder))
        return ImportScene(Service(over(db, state, clock, CONFIG), state), verb)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["import", "damaged", "deleted", *PACKED])
async def test_killed_at_any_point_it_ends_as_if_undisturbed(verb: str, tmp_path: Path) -> None:
    assert await survives_crashes(scene(verb, tmp_path)) >= 3
