"""Two controllers, each with a host that listens to it: servers go from one host to the other, whichever controller is asked."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port
from tests.scale.controllers import SOURCE, Controller

from pileus.main.state import State

pytestmark = [pytest.mark.scale, pytest.mark.postgres, pytest.mark.timeout(600)]

SOON_S = 120.0


class Far:
    """A host that joined at a controller, beside it on loopback."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "far"
        self.path.mkdir(mode=0o755)
        self.state = State(self.path)

    def join(self, controller: Controller) -> None:
        """It is a host of the cloud, and listens to that controller."""
        said = _command("host", "token", "--state", str(controller.state.path))
        words = said[said.index("pileus join") :].split()
        _command("join", words[2], "--token", words[4], "--name", "far", "--state", str(self.path))

    def kill(self) -> None:
        """Its agent is gone."""
        pid = self.state.pid()
        assert pid is not None
        os.kill(pid, 9)

    def rejoin(self) -> None:
        """Its agent runs again."""
        _command("join", "--state", str(self.path))

    def destroy(self) -> None:
        """Nothing of it is left."""
        if self.state.exists():
            _command("destroy", "--yes", "--state", str(self.path))


def _command(*words: str) -> str:
    argv = [sys.executable, "-m", "pileus.main.cli", *words]
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def until(what: Callable[[], Awaitable[Any]], name: str) -> Any:
    """What it gives as soon as that is true."""
    end = time.monotonic() + SOON_S
    while not (found := await what()):
        assert time.monotonic() < end, f"{name}: not in {SOON_S:g} s"
        await asyncio.sleep(0.1)
    return found


class Scene:
    """The two controllers and the two hosts."""

    def __init__(self, folder: Path, address: str) -> None:
        self.one = Controller(folder, "one", address, agent=True, listens=f"127.0.0.1:{free_port()}")
        self.two = Controller(folder, "two", address, agent=False, listens=f"127.0.0.1:{free_port()}")
        self.far = Far(folder)

    async def start(self) -> None:
        """Both hosts are up; the image store is the same for both controllers, as it has to be."""
        await self.one.start()
        (self.two.state / "images").rmdir()
        (self.two.state / "images").symlink_to(self.one.state / "images")
        await self.two.start()
        await asyncio.to_thread(self.far.join, self.two)
        await until(lambda: self.is_up("far"), "the host is up")

    async def is_up(self, host: str) -> bool:
        found = (await self.one.made("/compute/v2.1/os-services", None, "GET"))["services"]
        return any(each["host"] == host and each["state"] == "up" for each in found)

    async def furnish(self) -> str:
        """The id of a server on the first controller's own machine."""
        flavor = {"name": "small", "vcpus": 1, "ram": 64, "disk": 1}
        made = (await self.one.made("/compute/v2.1/flavors", {"flavor": flavor}))["flavor"]["id"]
        image = {"name": "tiny", "disk_format": "raw", "container_format": "bare"}
        id = (await self.one.made("/image/v2/images", image))["id"]
        assert 204 == (await self.one.ask("PUT", f"/image/v2/images/{id}/file", bytes(4096))).status
        server = {"name": "mover", "flavorRef": made, "imageRef": id, "networks": "none", "host": "h1"}
        found = (await self.one.made("/compute/v2.1/servers", {"server": server}))["server"]["id"]
        await self.settled(found, "ACTIVE", "h1")
        return str(found)

    async def shown(self, id: str, by: Controller | None = None) -> Any:
        return (await (by or self.one).made(f"/compute/v2.1/servers/{id}", None, "GET"))["server"]

    async def settled(self, id: str, status: str, host: str) -> None:
        async def is_so() -> bool:
            shown = await self.shown(id)
            assert shown["status"] != "ERROR", shown["fault"]
            return (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == (status, host)

        await until(is_so, f"it is {status} on {host}")

    async def act(self, by: Controller, id: str, **action: Any) -> Any:
        return await by.made(f"/compute/v2.1/servers/{id}/action", action)

    def end(self) -> None:
        self.far.destroy()
        for controller in (self.one, self.two):
            controller.end()


@contextlib.asynccontextmanager
async def a_scene(folder: Path, address: str) -> AsyncIterator[Scene]:
    """Two controllers and their hosts, of which nothing is left afterwards."""
    made = Scene(folder, address)
    try:
        await made.start()
        yield made
    finally:
        made.end()


async def test_servers_go_from_host_to_host_whichever_controller_is_asked(tmp_path: Path, postgres: str) -> None:
    async with a_scene(tmp_path, postgres) as scene:
        await _go_to_and_fro(scene)


async def _go_to_and_fro(scene: Scene) -> None:
    id = await scene.furnish()
    one, two = scene.one, scene.two
    here = "h1"
    for by in (one, two):
        for there in ("far", "h1"):
            assert here != there
            await scene.act(by, id, **{"os-migrateLive": {"host": there, "block_migration": "auto"}})
            await scene.settled(id, "ACTIVE", there)
            for each in (one, two):
                said = await scene.act(each, id, **{"os-getConsoleOutput": {"length": 5}})
                assert "mover login:" in said["output"], (each.name, there)
            await scene.act(by, id, migrate={"host": "far" if there == "h1" else "h1"})
            await scene.settled(id, "VERIFY_RESIZE", "far" if there == "h1" else "h1")
            await scene.act(by, id, revertResize=None)
            await scene.settled(id, "ACTIVE", there)
            here = there
    listed = (await one.made("/compute/v2.1/os-migrations", None, "GET"))["migrations"]
    print(f"{len(listed)} moves between hosts of two controllers: {sorted({each['status'] for each in listed})}")
    assert {"completed", "reverted"} == {each["status"] for each in listed}


async def test_images_are_made_and_hosts_evacuated_across_them(tmp_path: Path, postgres: str) -> None:
    async with a_scene(tmp_path, postgres) as scene:
        await _copy_and_evacuate(scene)


async def _copy_and_evacuate(scene: Scene) -> None:
    id = await scene.furnish()
    await scene.act(scene.two, id, **{"os-migrateLive": {"host": "far", "block_migration": "auto"}})
    await scene.settled(id, "ACTIVE", "far")
    made = (await scene.act(scene.one, id, createImage={"name": "copied"}))["image_id"]

    async def active() -> bool:
        return bool((await scene.one.made(f"/image/v2/images/{made}", None, "GET"))["status"] == "active")

    await until(active, "the image is there")
    scene.far.kill()

    async def down() -> bool:
        return not await scene.is_up("far")

    await until(down, "the host is down")
    await scene.act(scene.one, id, evacuate={"host": "h1"})
    await scene.settled(id, "ACTIVE", "h1")
