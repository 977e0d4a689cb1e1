"""Hostile images: each is refused, within a gibibyte of memory and two seconds of processor time, and tells nothing."""

import asyncio
import random
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.image.harness import OCTETS, Service, run
from tests.image.hostile import disks, hostile
from tests.image.test_imports import asks, imported, tasks
from tests.image.web import a_web

from pileus.image.config import PluginsConfig, StoreConfig, WebConfig
from pileus.image.drivers.content import Content, look_at
from pileus.image.errors import UnsafeContent
from pileus.image.manifest import port
from pileus.kit.disk_formats import Mismatch, Unsafe

CANARY = b"the canary sings of the host's files"
MOST_MEMORY, MOST_SECONDS = 1 << 30, 2
CONVERTED = frozenset({"qcow2", "vmdk", "vdi", "vhd", "vhdx"})
ALL = list(hostile("/etc/pileus-canary"))
CHILD = "from tests.image.test_hostile import limited; limited()"


async def judged(format: str, content: bytes) -> str:
    """What comes of the bytes: taken, or the name of what is wrong."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1 << 20):
            yield content[start : start + (1 << 20)]

    try:
        await look_at(Content(format, inspect=True), pieces())
    except (Mismatch, Unsafe) as refused:
        return type(refused).__name__
    return "taken"


@pytest.mark.parametrize("case", ALL, ids=[one.name for one in ALL])
async def test_it_is_refused(case: object) -> None:
    assert isinstance(case, tuple)
    assert "taken" != await judged(case[1], case[2])


@pytest.mark.parametrize("format", disks())
async def test_a_harmless_one_is_taken(format: str) -> None:
    assert "taken" == await judged(format, disks()[format])


@pytest.mark.parametrize("format", disks())
async def test_cut_and_damaged_ones_are_judged_and_no_more(format: str) -> None:
    whole = disks()[format]
    chance = random.Random(format)
    ends = set()
    for cut in range(0, min(len(whole), 64 << 9), 512):
        ends.add(await judged(format, whole[:cut]))
    for _ in range(300 if len(whole) < 1 << 20 else 30):
        damaged = bytearray(whole[: 4 << 20])
        for _ in range(chance.randint(1, 24)):
            damaged[chance.randrange(min(len(damaged), 2048))] = chance.randrange(256)
        ends.add(await judged(format, bytes(damaged)))
    assert ends <= {"taken", "Mismatch", "Unsafe"}
    assert ends > {"taken"}


def limited() -> None:
    """Judge all of them in this process, each within its limits; one that needs more ends the process."""

    async def each() -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, used + MOST_MEMORY))
        for one in ALL:
            spent = resource.getrusage(resource.RUSAGE_SELF)
            till = int(spent.ru_utime + spent.ru_stime) + 1 + MOST_SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (till, resource.RLIM_INFINITY))
            assert "taken" != await judged(one.format, one.content), one.name

    asyncio.run(each())


def test_refusing_takes_little_memory_and_time() -> None:
    root = Path(__file__).parents[2]
    path = {"PYTHONPATH": f"{root}/src:{root}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=root, env=path, capture_output=True, check=False, timeout=110
    )
    assert 0 == done.returncode, done.stderr.decode()[-2000:]


@pytest.mark.parametrize("way", ["upload", "stage", "unlooked"])
def test_no_way_in_takes_it(tmp_path: Path, way: str) -> None:
    async def test(cloud: Service) -> None:
        for one in ALL[:20]:
            id = (await cloud.create(disk_format=one.format))["id"]
            path = "file" if way == "upload" else "stage"
            status = (await cloud.ask("PUT", f"/v2/images/{id}/{path}", one.content, headers=OCTETS))[0]
            assert 415 == status, one.name
            assert "queued" == (await cloud.show(id))["status"]
        assert [] == cloud.stored()

    async def unlooked(cloud: Service) -> None:
        """Where the operator has uploads taken as they come, a conversion looks all the same."""
        for one in ALL:
            if one.format in CONVERTED:
                id = (await cloud.create(disk_format=one.format))["id"]
                status = (await cloud.ask("PUT", f"/v2/images/{id}/stage", one.content, headers=OCTETS))[0]
                assert 204 == status
                assert 202 == await imported(cloud, id, asks("glance-direct"))
                image = await cloud.show(id)
                assert ("queued", None) == (image["status"], image["checksum"]), one.name

    if way == "unlooked":
        run(tmp_path, unlooked, inspect=False, plugins=PluginsConfig(enabled=("image_conversion",)))
    else:
        run(tmp_path, test)


def test_no_host_gets_what_others_keep_unless_it_is_harmless(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:
            for one in ALL[:8]:
                id = (await cloud.create(disk_format=one.format))["id"]
                url = web.serve(f"/{id}", one.content)
                step = {"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}
                assert 200 == (await cloud.patch(id, step))[0]
                with pytest.raises(UnsafeContent):
                    await port(cloud.app).fetch(id, tmp_path / "disk")
                assert not (tmp_path / "disk").exists(), one.name

    stores = {"file": StoreConfig(path="images"), "web": StoreConfig(kind="http")}
    run(tmp_path, test, web=WebConfig(networks=("127.0.0.0/8",), ports=()), stores=stores, show_locations=True)


@pytest.mark.host
async def test_a_converter_that_was_not_warned_tells_nothing_either(tmp_path: Path) -> None:
    """The second line: qemu-img in its jail meets every one of them unjudged, with a canary it could read by its mode."""
    from pileus.image.drivers.convert import NotConverted, converted

    canary = tmp_path / "canary"
    canary.write_bytes(CANARY * 30000)
    canary.chmod(0o644)
    refused = 0
    for at, one in enumerate(hostile(str(canary))):
        if one.format not in CONVERTED:
            continue
        source = tmp_path / f"source-{at}"
        source.write_bytes(one.content)
        try:
            made = await converted(source, tmp_path / f"room-{at}", (one.format, "raw"), 1 << 24)
        except NotConverted:
            refused += 1
        else:
            assert CANARY not in made.read_bytes(), one.name
    assert refused


@pytest.mark.host
def test_a_bomb_of_a_disk_is_refused_by_its_size(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        from tests.image.hostile import qcow2

        for size, l1 in ((8 << 40, 1 << 14), (1 << 62, 1), (1 << 40, (1 << 22) + 1)):
            id = (await cloud.create(disk_format="qcow2"))["id"]
            content = qcow2(size=size, l1=l1)
            status = (await cloud.ask("PUT", f"/v2/images/{id}/stage", content, headers=OCTETS))[0]
            assert 204 == status
            assert 202 == await imported(cloud, id, asks("glance-direct"))
            assert "queued" == (await cloud.show(id))["status"]
            assert (await tasks(cloud, id))[0]["message"].startswith("image_conversion: ")

    run(tmp_path, test, plugins=PluginsConfig(enabled=("image_conversion",)))
