"""Disks of image stores that are full (FLT-019, FLT-023), or cannot be read (FLT-025)."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.image.faulty import MIB, fill, small_disk, unreadable
from tests.image.harness import OCTETS, Service, run
from tests.image.test_imports import asks, imported, tasks
from tests.image.test_quotas import Registered, limited
from tests.image.web import a_web

from pileus.image.config import StoreConfig, WebConfig
from pileus.image.errors import ReadError
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import port
from pileus.kit.http.server import Granian, free_port, until_listening

pytestmark = [pytest.mark.host, pytest.mark.timeout(240)]
DEADLINE_S = 120.0
BYTES = random.Random(19).randbytes(2 * MIB)  # of a disk that has room for half of it
TWO = {"file": StoreConfig(path="images"), "wide": StoreConfig(path="wide")}
FROM_HERE = WebConfig(networks=("127.0.0.0/8",), ports=())
LIMITS = ("image_size_total", "image_stage_total", "image_count_uploading")


async def used(cloud: Service) -> list[int]:
    """What of the project's limits is taken."""
    usage = (await cloud.ask("GET", "/v2/info/usage"))[1]["usage"]
    return [usage[name]["usage"] for name in LIMITS]


def held(folder: Path) -> list[str]:
    """Every file there, whole or not, but for the ballast."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "ballast")


@pytest.mark.parametrize("leave", [MIB, 4096], ids=["half of it", "nothing but a page"])
@pytest.mark.parametrize("path", ["file", "stage"])
def test_an_upload_to_a_full_disk_is_413_and_leaves_nothing(tmp_path: Path, path: str, leave: int) -> None:
    async def test(cloud: Service) -> None:
        cloud = limited(cloud, Registered(**dict.fromkeys(LIMITS, 5)))
        with small_disk(tmp_path / "images") as disk:
            ballast = fill(disk, leave)
            id = (await cloud.create())["id"]
            content = BYTES if leave == MIB else BYTES[: 128 << 10]  # what waits in buffers is written at the end only
            for headers in (OCTETS, {**OCTETS, "content-length": str(len(content))}):
                status, why, _ = await cloud.ask("PUT", f"/v2/images/{id}/{path}", content, headers=headers)
                assert (413, True) == (status, b"Image storage media is full: No space left on device" in why)
                assert ("queued", [], [0, 0, 0]) == ((await cloud.show(id))["status"], held(disk), await used(cloud))
            ballast.unlink()
            assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/{path}", content, headers=OCTETS))[0]

    run(tmp_path, test)


@pytest.mark.parametrize("path", ["file", "stage"])
def test_an_upload_to_a_disk_that_takes_no_more_files_is_413(tmp_path: Path, path: str) -> None:
    async def test(cloud: Service) -> None:
        with small_disk(tmp_path / "images", inodes=32) as disk:
            taken = [disk / f"taken-{number}" for number in range(64)]
            with contextlib.suppress(OSError):
                for one in taken:
                    one.touch()
            id = (await cloud.create())["id"]
            assert 413 == (await cloud.ask("PUT", f"/v2/images/{id}/{path}", BYTES, headers=OCTETS))[0]
            assert "queued" == (await cloud.show(id))["status"]
            for one in taken:
                one.unlink(missing_ok=True)
            assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/{path}", BYTES, headers=OCTETS))[0]

    run(tmp_path, test)


@pytest.mark.parametrize("way", ["web-download", "glance-direct", "copy-image"])
def test_an_import_to_a_full_disk_fails_with_the_cause_and_leaves_nothing(tmp_path: Path, way: str) -> None:
    """The disk is that of the staging area and of one store; the other store has room."""

    async def test(cloud: Service) -> None:
        cloud = limited(cloud, Registered(**dict.fromkeys(LIMITS, 5)))
        status = "active" if way == "copy-image" else "queued"
        with small_disk(tmp_path / "images") as disk:
            async with a_web() as web:
                id = (await cloud.create())["id"]
                asked = asks(way, uri=web.serve("/disk", BYTES)) if way == "web-download" else asks(way)
                if way == "copy-image":
                    to = {**OCTETS, "x-image-meta-store": "wide"}
                    assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/file", BYTES, headers=to))[0]
                    asked["stores"] = ["file"]
                elif way == "glance-direct":
                    assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", BYTES, headers=OCTETS))[0]
                before, there = await used(cloud), held(disk)
                ballast = fill(disk, MIB)
                assert 202 == await imported(cloud, id, asked, token="root" if way == "copy-image" else "alice")
                (task,) = await tasks(cloud, id)
                assert ("failure", True) == (task["status"], "No space left on device" in task["message"])
                assert status == (await cloud.show(id))["status"]
                assert "file" in (await cloud.show(id))["os_glance_failed_import"]
                assert [] == held(disk), there
                assert (before if way == "copy-image" else [0, 0, 0]) == await used(cloud)
                ballast.unlink()
                if way == "glance-direct":
                    assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", BYTES, headers=OCTETS))[0]
                assert 202 == await imported(cloud, id, asked, token="root" if way == "copy-image" else "alice")
                assert BYTES == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]

    run(tmp_path, test, stores=TWO, web=FROM_HERE)


def test_a_full_disk_of_the_cache_lets_images_be_read_from_their_store(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        with small_disk(tmp_path / "images") as disk:
            id = (await cloud.create())["id"]
            to = {**OCTETS, "x-image-meta-store": "wide"}
            assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/file", BYTES, headers=to))[0]
            fill(disk, MIB)
            assert 202 == (await cloud.ask("PUT", f"/v2/cache/{id}", token="root"))[0]
            await cloud.settle()
            cached = (await cloud.ask("GET", "/v2/cache", token="root"))[1]
            assert ([], []) == (cached["cached_images"], cached["queued_images"])
            assert [] == held(disk)
            assert BYTES == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]

    run(tmp_path, test, stores=TWO, cache_size=64 * MIB)


# Disks that cannot be read.

HEAVY = {"file": StoreConfig(path="images", weight=9), "wide": StoreConfig(path="wide", weight=1)}
FAULTS = ("fails", "cut", "gone")


@contextlib.contextmanager
def hurt(file: Path, fault: str) -> Iterator[None]:
    """The file cannot be read from its middle on; or not at all."""
    middle = len(BYTES) // 2
    match fault:
        case "fails":
            with unreadable(file, middle):
                yield
        case "cut":
            os.truncate(file, middle)
            yield
        case _:
            file.unlink()
            yield


@contextlib.asynccontextmanager
async def served(cloud: Service) -> AsyncIterator[int]:
    """The service behind a real listener; its port."""
    number = free_port()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await cloud.kernel.http(scope, receive, send)

    listener = Granian(answer, "127.0.0.1", number)
    serving = asyncio.create_task(listener.serve())
    try:
        await until_listening("127.0.0.1", number, DEADLINE_S)
        yield number
    finally:
        listener.stop()
        await serving


async def downloaded(number: int, path: str) -> tuple[bytes, bytes, bool]:
    """The head and the body of an answer as they came, and whether it was cut off before it was whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    writer.write(f"GET /image{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: alice\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    try:
        body, cut = await reader.readexactly(length), False
    except asyncio.IncompleteReadError as early:
        body, cut = early.partial, True
    except ConnectionError:
        body, cut = b"", True
    writer.close()
    return head, body, cut


@pytest.mark.parametrize("fault", FAULTS)
def test_what_one_store_cannot_read_comes_from_another(tmp_path: Path, fault: str) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", BYTES, headers=OCTETS))[0]
        assert 202 == await imported(cloud, id, {**asks("glance-direct"), "all_stores": True})
        (file,) = (tmp_path / "images").glob(f"{id}.*")
        async with asyncio.timeout(DEADLINE_S), served(cloud) as number:
            with hurt(file, fault):
                _, body, cut = await downloaded(number, f"/v2/images/{id}/file")
                assert (BYTES, False) == (body, cut)
                await port(cloud.app).fetch(id, tmp_path / "disk")
        assert BYTES == (tmp_path / "disk").read_bytes()

    run(tmp_path, test, stores=HEAVY)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_store_can_read_never_looks_whole(tmp_path: Path, fault: str) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 204 == await cloud.upload(id, BYTES)
        (file,) = (tmp_path / "images").glob(f"{id}.*")
        async with asyncio.timeout(DEADLINE_S), served(cloud) as number:
            with hurt(file, fault):
                head, body, cut = await downloaded(number, f"/v2/images/{id}/file")
                if fault == "gone":
                    assert head.startswith(b"HTTP/1.1 404 ")
                else:
                    assert (b"HTTP/1.1 200 ", True) == (head[:13], cut)
                    assert BYTES.startswith(body)
                with pytest.raises(ReadError, match=r"^Image store read error: .* store file") as failed:
                    await port(cloud.app).fetch(id, tmp_path / "disk")
                if fault == "fails":
                    assert "Input/output error" in str(failed.value)
                assert [] == [one for one in tmp_path.iterdir() if "disk" in one.name]
                asked = {**asks("copy-image"), "stores": ["wide"]}
                assert 202 == await imported(cloud, id, asked, token="root")
                assert ("active", "file") == ((await cloud.show(id))["status"], (await cloud.show(id))["stores"])
                assert [] == held(tmp_path / "wide")
            assert await sweep(cloud.app) is None

    run(tmp_path, test, stores=HEAVY)
