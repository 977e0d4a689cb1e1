"""Images in a pool of Ceph: a real, small one."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.block_storage.drivers.contract import a_disk, until
from tests.block_storage.drivers.files import IMAGE, OneImage
from tests.ceph import Ceph, ceph
from tests.image.harness import CALLERS, OCTETS, RAW, Service, run
from tests.image.test_imports import asks, imported
from tests.image.test_object_store import all_of, filled

from pileus.block_storage.drivers.interface import DiskSeen, Kind, Origin
from pileus.block_storage.drivers.rbd import RbdBackend
from pileus.block_storage.drivers.rbd_commands import Cluster
from pileus.image.config import StoreConfig
from pileus.image.drivers.interface import Unreadable
from pileus.image.drivers.rbd import Pool, RbdStore, last_words
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import port
from pileus.image.store.copies import copy_add

__all__ = ["ceph"]
ONE, TWO = ("11111111-1111-4111-8111-111111111111.0123abcd", "22222222-1111-4111-8111-111111111111.0123abcd")
LARGE = bytes(range(251)) * 40_000  # 10 MB: of three objects


def test_only_what_images_are_called_is_an_images() -> None:
    pool = Pool(pool="p", conf="/c", user="u", beginning="images-a")
    assert (ONE, ONE) == (pool.name_of(f"images-a.{ONE}"), pool.name_of(f"images-a.{ONE}.part"))
    others = ("volume.1", ONE, f"images-b.{ONE}", "images-a.secret", f"images-a.{ONE}.h1", f"images-a.{ONE}.part.part")
    assert [None] * len(others) == [pool.name_of(name) for name in others]
    assert ["rbd", "--conf", "/c", "--id", "u", "rm", f"p/images-a.{ONE}"] == pool.rbd("rm", pool.spec(ONE))


def test_where_an_image_is_is_told_as_everybody_does_who_shares_the_cluster(tmp_path: Path) -> None:
    conf, fsid = tmp_path / "ceph.conf", "7a1d0d48-2b3e-4f5a-9c6d-1234567890ab"
    store = RbdStore(Pool(pool="p", conf=str(conf), user="u", beginning="i"))
    assert f"rbd://p/i.{ONE}/snap" == store.url(ONE)
    conf.write_text(f"[global]\n  fsid = {fsid}\nmon host = x\n")
    assert f"rbd://{fsid}/p/i.{ONE}/snap" == store.url(ONE)


def test_how_far_a_program_had_come_is_not_why_it_failed() -> None:
    assert "rbd: no" == last_words("\rImporting image: 1% complete...\rImporting image: 3% complete...\nrbd: no\n")


async def test_a_cluster_that_is_not_there_gives_nothing_and_says_so(tmp_path: Path) -> None:
    store = RbdStore(Pool(pool="p", conf=str(tmp_path / "none"), user="u", beginning="i"))
    assert not await store.exists(ONE)
    with pytest.raises(Unreadable):
        await all_of(store, ONE)
    with pytest.raises(Unreadable):
        await filled(store, ONE, b"bytes")


def pool_of(ceph: Ceph, beginning: str = "i") -> Pool:
    return Pool(pool=ceph.pool(), conf=ceph.conf, user="admin", beginning=beginning)


def listed(ceph: Ceph, pool: str) -> list[str]:
    return sorted(ceph.rbd("ls", pool).decode().split())


@pytest.mark.scale
@pytest.mark.parametrize("content", [b"", b"1", RAW, LARGE], ids=["nothing", "a byte", "little", "three objects"])
async def test_what_is_kept_is_read_whole_and_in_part(ceph: Ceph, tmp_path: Path, content: bytes) -> None:
    pool = pool_of(ceph)
    store = RbdStore(pool)
    ceph.rbd("create", "--size", "1M", f"{pool.pool}/volume.of.another")
    await filled(store, ONE, content)
    assert await store.exists(ONE)
    assert content == await all_of(store, ONE)
    if len(content) > 5_000_000:
        middle = 4 << 20
        assert content[middle - 5 : middle + 7] == await all_of(store, ONE, middle - 5, 12)
    await store.copy(ONE, tmp_path / "copy")
    assert content == (tmp_path / "copy").read_bytes()
    assert {ONE} == set(await store.names())
    await store.remove(ONE)
    assert ["volume.of.another"] == listed(ceph, pool.pool)
    assert not await store.exists(ONE)
    with pytest.raises(Unreadable):
        await all_of(store, ONE)


@pytest.mark.scale
async def test_what_is_not_kept_is_not_seen_and_leaves_nothing(ceph: Ceph) -> None:
    pool = pool_of(ceph)
    store = RbdStore(pool)
    incoming = await store.create(ONE)
    await incoming.write([LARGE])
    assert not await store.exists(ONE)
    await incoming.drop()
    assert [] == listed(ceph, pool.pool)
    # Of a process that died: it is found by its name, and goes with it; so does one that died between the last two steps.
    ceph.rbd("import", "-", f"{pool.pool}/i.{ONE}.part", stdin=b"half")
    ceph.rbd("import", "-", f"{pool.pool}/i.{TWO}.part", stdin=b"all")
    ceph.rbd("snap", "create", f"{pool.pool}/i.{TWO}.part@snap")
    assert {ONE, TWO} == set(await store.names())
    await store.remove(ONE)
    await filled(store, TWO, RAW)
    assert [f"i.{TWO}"] == listed(ceph, pool.pool)
    assert RAW == await all_of(store, TWO)
    await store.remove(TWO)


@pytest.mark.scale
async def test_a_deletion_waits_for_who_reads_in_another_process(ceph: Ceph) -> None:
    pool = pool_of(ceph)
    store, other = RbdStore(pool), RbdStore(pool)
    content = LARGE * 5
    await filled(store, ONE, content)
    reader = store.read(ONE, 0)
    got = await anext(reader)  # the rest does not fit into a pipe, so it has the image open still
    await other.remove(ONE)
    assert {ONE} == set(await other.names()), "the sweep finds it and tries again"
    got += b"".join([chunk async for chunk in reader])
    assert content == got
    await other.remove(ONE)
    assert [] == listed(ceph, pool.pool)


@pytest.mark.scale
async def test_what_volumes_were_cloned_of_stays_in_the_trash_until_they_are_gone(ceph: Ceph) -> None:
    pool = pool_of(ceph)
    store = RbdStore(pool)
    await filled(store, ONE, RAW)
    ceph.rbd("clone", "--rbd-default-clone-format", "2", f"{pool.pool}/i.{ONE}@snap", f"{pool.pool}/clone")
    await store.remove(ONE)
    assert ["clone"] == listed(ceph, pool.pool)
    assert RAW == ceph.rbd("export", "--no-progress", f"{pool.pool}/clone", "-")
    assert 1 == len(json.loads(ceph.rbd("trash", "ls", "--format", "json", pool.pool)))
    assert set() == set(await store.names())
    ceph.rbd("rm", "--no-progress", f"{pool.pool}/clone")
    assert set() == set(await store.names())
    assert [] == json.loads(ceph.rbd("trash", "ls", "--format", "json", pool.pool))


@pytest.mark.scale
def test_images_live_in_ceph(ceph: Ceph, tmp_path: Path) -> None:
    pool = ceph.pool()
    stores = {
        "ceph": StoreConfig(kind="rbd", pool=pool, conf=ceph.conf, weight=5),
        "file": StoreConfig(path="images"),
    }

    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 204 == await cloud.upload(id)
        image = await cloud.show(id)
        assert ("active", "ceph") == (image["status"], image["stores"])
        (copy,) = image["locations"]
        assert (f"/{pool}/images-ceph.{id}.", "/snap") == (copy["url"][42 : 42 + len(pool) + 51], copy["url"][-5:])
        status, part, _ = await cloud.ask("GET", f"/v2/images/{id}/file", headers={"range": "bytes=299990-300009"})
        assert (206, RAW[299990:300010]) == (status, part)
        await port(cloud.app).fetch(id, tmp_path / "disk")
        assert hashlib.sha512((tmp_path / "disk").read_bytes()).hexdigest() == image["os_hash_value"]
        assert 202 == await imported(cloud, id, asks("copy-image", stores=["file"]), "root")
        assert "ceph,file" == (await cloud.show(id))["stores"]
        assert 204 == (await cloud.ask("DELETE", f"/v2/stores/ceph/{id}", token="root"))[0]
        assert [] == listed(ceph, pool)
        assert 202 == await imported(cloud, id, asks("copy-image", stores=["ceph"]), "root")
        assert await sweep(cloud.app) is None
        broken = [{"type": "http.request", "body": RAW, "more_body": True}, {"type": "http.disconnect"}]
        other = (await cloud.create())["id"]
        await cloud.ask("PUT", f"/v2/images/{other}/file", messages=broken, headers=OCTETS)
        refused = (await cloud.create(disk_format="iso"))["id"]
        assert 415 == await cloud.upload(refused)
        assert ["queued"] * 2 == [(await cloud.show(one))["status"] for one in (other, refused)]
        assert 1 == len(listed(ceph, pool))
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        assert [] == listed(ceph, pool)

    config: dict[str, Any] = {"stores": stores, "default_store": "ceph", "show_locations": True}
    run(tmp_path, test, **config)


@pytest.mark.scale
def test_a_byte_that_changed_in_the_cluster_reaches_no_host(ceph: Ceph, tmp_path: Path) -> None:
    pool = ceph.pool()
    stores = {"ceph": StoreConfig(kind="rbd", pool=pool, conf=ceph.conf)}

    async def test(cloud: Service) -> None:
        from pileus.image.errors import ReadError

        id = (await cloud.create())["id"]
        assert 204 == await cloud.upload(id)
        (name,) = listed(ceph, pool)
        wrong = RAW[:1000] + bytes([RAW[1000] ^ 1]) + RAW[1001:]
        ceph.rbd("snap", "purge", "--no-progress", f"{pool}/{name}")
        ceph.rbd("rm", "--no-progress", f"{pool}/{name}")
        ceph.rbd("import", "--no-progress", "-", f"{pool}/{name}", stdin=wrong)
        ceph.rbd("snap", "create", f"{pool}/{name}@snap")
        with pytest.raises(ReadError, match="should be"):
            await port(cloud.app).fetch(id, tmp_path / "disk")
        assert not (tmp_path / "disk").exists()

    run(tmp_path, test, stores=stores, default_store="ceph")


def test_an_image_leaves_though_its_store_cannot_be_reached(tmp_path: Path) -> None:
    """Neither an upload nor a deletion nor the sweep is a fault of the service's when a cluster is away."""
    stores = {"ceph": StoreConfig(kind="rbd", conf=str(tmp_path / "none")), "file": StoreConfig(path="images")}

    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        status, body, _ = await cloud.ask(
            "PUT", f"/v2/images/{id}/file", RAW, headers={**OCTETS, "x-image-meta-store": "ceph"}
        )
        assert 503 == status
        assert b"Try again later, or name another store" in body
        assert "queued" == (await cloud.show(id))["status"]
        assert 204 == await cloud.upload(id)
        await copy_add(cloud.app, id, "ceph", ONE, whole=True)
        assert await sweep(cloud.app) is None
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        assert [] == cloud.stored()

    run(tmp_path, test, stores=stores)


def made(seen: object) -> bool:
    return isinstance(seen, DiskSeen) and seen.content == 0 and seen.doing is None


@pytest.mark.scale
async def test_a_volume_of_the_same_cluster_is_a_clone_and_another_is_a_copy(ceph: Ceph, tmp_path: Path) -> None:
    images, volumes = pool_of(ceph), ceph.pool()
    store = RbdStore(images)
    await filled(store, ONE, LARGE)
    cluster = Cluster(pool=volumes, conf=ceph.conf, user="admin")
    fetched = OneImage(LARGE)
    backend = RbdBackend("b", cluster, "h1", tmp_path, fetched)
    shared = store.url(ONE)
    ends = {}
    for where in (shared, shared.replace("rbd://", "rbd://0"), shared.replace("/snap", "/none"), None):
        disk = a_disk(origin=Origin(kind="image", id=IMAGE, shared=where))
        await until(backend, partial(backend.ensure_disk, Kind.VOLUME, disk), made)
        (name,) = [name for name in listed(ceph, volumes) if disk.id in name]
        assert LARGE == ceph.rbd("export", "--no-progress", f"{volumes}/{name}", "-")[: len(LARGE)]
        about = json.loads(ceph.rbd("info", "--format", "json", f"{volumes}/{name}"))
        ends[where] = about["size"], about.get("parent", {}).get("image")
    assert (1 << 30, f"i.{ONE}") == ends.pop(shared)
    assert {(1 << 30, None)} == set(ends.values())
    # The image goes though its clone stays, and the clone keeps its bytes.
    await store.remove(ONE)
    assert [] == listed(ceph, images.pool)
    (clone,) = [
        name
        for name in listed(ceph, volumes)
        if "parent" in json.loads(ceph.rbd("info", "--format", "json", f"{volumes}/{name}"))
    ]
    assert LARGE == ceph.rbd("export", "--no-progress", f"{volumes}/{clone}", "-")[: len(LARGE)]
    await backend.close()


def test_only_a_plain_disk_is_shared_with_its_cluster(tmp_path: Path) -> None:
    conf = tmp_path / "ceph.conf"
    conf.write_text("fsid = 7a1d0d48-2b3e-4f5a-9c6d-1234567890ab\n")
    stores = {"ceph": StoreConfig(kind="rbd", conf=str(conf)), "file": StoreConfig(path="images")}

    async def test(cloud: Service) -> None:
        told = {}
        for format, container in (("raw", "bare"), ("qcow2", "bare"), ("raw", "compressed")):
            id = (await cloud.create(disk_format=format, container_format=container))["id"]
            await copy_add(cloud.app, id, "file", ONE, whole=True)
            await copy_add(cloud.app, id, "ceph", ONE, whole=True)
            facts = await port(cloud.app).get(id, CALLERS["alice"])
            assert facts is not None
            told[format, container] = facts.shared
        assert f"rbd://7a1d0d48-2b3e-4f5a-9c6d-1234567890ab/images/images-ceph.{ONE}/snap" == told.pop(("raw", "bare"))
        assert {None} == set(told.values())

    run(tmp_path, test, stores=stores)
