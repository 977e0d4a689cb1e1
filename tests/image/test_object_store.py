"""Images in the cloud's own object storage, the real one in a folder: parts, ranges, crashes, deletes under readers."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.image.harness import OCTETS, RAW, Service, run
from tests.image.test_imports import asks, imported
from tests.object_store.world import Service as ObjectStorage

from pileus.image.config import ImageConfig, StoreConfig
from pileus.image.drivers.file import FileStore
from pileus.image.drivers.held import Held
from pileus.image.drivers.interface import ByteStore, Store, Stores, Unreadable
from pileus.image.drivers.objects import ObjectsStore
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import port
from pileus.object_store.port import ObjectsPort

PART = 300_000  # bytes; RAW has a little more than four of these


async def filled(store: ByteStore, name: str, content: bytes) -> None:
    """The store has the content."""
    incoming = await store.create(name)
    for start in range(0, len(content), 100_000):
        await incoming.write([content[start : start + 100_000]])
    await incoming.keep()


async def all_of(store: ByteStore, name: str, start: int = 0, length: int | None = None) -> bytes:
    """What is read."""
    return b"".join([chunk async for chunk in store.read(name, start, length)])


@contextlib.asynccontextmanager
async def storing(tmp_path: Path) -> AsyncIterator[ObjectsPort]:
    """Object storage is there."""
    storage = ObjectStorage(tmp_path / "swift")
    try:
        yield ObjectsPort(storage.app)
    finally:
        await storage.app.server.close()


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, len(RAW)])
async def test_what_is_kept_is_read_whole_and_in_part(tmp_path: Path, size: int) -> None:
    async with storing(tmp_path) as objects:
        store = ObjectsStore(objects, "images", PART)
        content = RAW[:size]
        await filled(store, "one", content)
        assert content == await all_of(store, "one")
        assert await store.exists("one")
        if size > PART:
            assert content[PART - 5 : PART + 1] == await all_of(store, "one", PART - 5, 6)
        await store.copy("one", tmp_path / "copy")
        assert content == (tmp_path / "copy").read_bytes()
        assert {"one"} == set(await store.names())
        await store.remove("one")
        assert [] == list(await objects.names("images"))
        with pytest.raises(Unreadable):
            await all_of(store, "one")


async def test_what_is_not_kept_is_not_seen_and_leaves_nothing(tmp_path: Path) -> None:
    async with storing(tmp_path) as objects:
        store = ObjectsStore(objects, "images", PART)
        incoming = await store.create("one")
        await incoming.write([RAW])
        assert not await store.exists("one")
        await incoming.drop()
        assert [] == list(await objects.names("images"))
        # Of a process that died: its parts are known by the image's name, and go with it.
        await filled(store, "two/00000000", b"a part")
        assert {"two"} == set(await store.names())
        await store.remove("two")
        assert set() == set(await store.names())


def service(cloud: Service, objects: ObjectsPort) -> Service:
    """The image service, with object storage as its default store beside a folder."""
    files = FileStore(cloud.folder / "staging")
    all_ = {
        "objects": Store(id="objects", kind="object_store", description="", weight=5, source=Held(ObjectsStore(objects, "images", PART))),
        "file": Store(id="file", kind="file", description="", weight=0, source=Held(FileStore(cloud.folder))),
    }  # fmt: skip
    return cloud.over(Stores(all=all_, default="objects", staging=files, cache=FileStore(cloud.folder / "cached")))


def stored(tmp_path: Path, test: Any, **config: Any) -> None:
    """Run a test of (image service, object storage)."""

    async def both(cloud: Service) -> None:
        storage = ObjectStorage(tmp_path / "swift")
        try:
            await test(service(cloud, ObjectsPort(storage.app)), ObjectsPort(storage.app))
        finally:
            await storage.app.server.close()

    run(tmp_path, both, **config)


def test_images_live_in_object_storage(tmp_path: Path) -> None:
    async def test(cloud: Service, objects: ObjectsPort) -> None:
        id = (await cloud.create())["id"]
        assert 204 == await cloud.upload(id)
        image = await cloud.show(id)
        assert ("active", "objects") == (image["status"], image["stores"])
        status, part, _ = await cloud.ask("GET", f"/v2/images/{id}/file", headers={"range": "bytes=299990-300009"})
        assert (206, RAW[299990:300010]) == (status, part)
        await port(cloud.app).fetch(id, tmp_path / "disk")
        assert hashlib.sha512((tmp_path / "disk").read_bytes()).hexdigest() == image["os_hash_value"]
        assert 202 == await imported(cloud, id, asks("copy-image", stores=["file"]), "root")
        assert "objects,file" == (await cloud.show(id))["stores"]
        assert await sweep(cloud.app) is None
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        assert [] == list(await objects.names("images"))

    stored(tmp_path, test)


def test_an_upload_that_is_refused_or_breaks_off_leaves_no_object(tmp_path: Path) -> None:
    async def test(cloud: Service, objects: ObjectsPort) -> None:
        id = (await cloud.create(disk_format="iso"))["id"]
        assert 415 == await cloud.upload(id)
        broken = [{"type": "http.request", "body": RAW, "more_body": True}, {"type": "http.disconnect"}]
        id = (await cloud.create())["id"]
        await cloud.ask("PUT", f"/v2/images/{id}/file", messages=broken, headers=OCTETS)
        assert ("queued", []) == ((await cloud.show(id))["status"], list(await objects.names("images")))

    stored(tmp_path, test)


@pytest.mark.parametrize("kind", ["objects", "file"])
def test_a_deleted_image_stays_for_who_reads_it(tmp_path: Path, kind: str) -> None:
    async def test(cloud: Service, objects: ObjectsPort) -> None:
        id = (await cloud.create())["id"]
        headers = {**OCTETS, "x-image-meta-store": kind}
        assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/file", RAW, headers=headers))[0]
        store = cloud.app.stores.all[kind].source
        assert isinstance(store, ByteStore)
        (name,) = [name for name in await store.names() if name.startswith(id)]
        reader = store.read(name, 0)
        got = await anext(reader)
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        assert not await store.exists(name)
        got += b"".join([chunk async for chunk in reader])
        assert RAW == got
        assert [] == [name for name in await store.names() if name.startswith(id)]
        assert [] == list(await objects.names("images"))

    stored(tmp_path, test)


def test_a_cloud_without_object_storage_says_so(tmp_path: Path) -> None:
    from pileus.image.drivers import UnknownStore, stores_of

    config = ImageConfig(stores={"file": StoreConfig(), "o": StoreConfig(kind="object_store")})
    with pytest.raises(UnknownStore, match="this cloud has none"):
        stores_of(config, tmp_path)
