"""Bytes go in whole and right, or not at all; and come out as they went in."""

import asyncio
import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.image.harness import CALLERS, OCTETS, RAW, Service, Tokens, over, run

from pileus.image.config import StoreConfig
from pileus.image.drivers.file import FileStore
from pileus.image.drivers.interface import Incoming
from pileus.image.errors import NoSuchImage, ReadError
from pileus.image.flows.sweep import sweep
from pileus.image.manifest import API, ensure_image
from pileus.image.port import ImagePort
from pileus.image.store.images import upload_begin
from pileus.kit.clock import FakeClock
from pileus.kit.http import Kernel
from pileus.kit.http.pace import Pace, TooSlow
from pileus.ports.image import NewImage


def qcow2(virtual: int = 1 << 30, *, backing: int = 0, features: int = 0) -> bytes:
    """The beginning of a qcow2 file."""
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, backing, 0, 16, virtual)
    return (head.ljust(72, b"\0") + struct.pack(">Q", features)).ljust(1024, b"\0")


def test_an_uploaded_image_is_active_with_its_hashes(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 204 == await cloud.upload(id)
        image = await cloud.show(id)
        assert ("active", len(RAW), len(RAW)) == (image["status"], image["size"], image["virtual_size"])
        assert hashlib.md5(RAW).hexdigest() == image["checksum"]
        assert ("sha512", hashlib.sha512(RAW).hexdigest()) == (image["os_hash_algo"], image["os_hash_value"])
        status, body, headers = await cloud.ask("GET", f"/v2/images/{id}/file")
        assert (200, RAW) == (status, body)
        assert (str(len(RAW)), image["checksum"]) == (headers["content-length"], headers["content-md5"])
        assert 409 == await cloud.upload(id)

    run(tmp_path, test)


def test_a_stretch_of_bytes_can_be_had(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 204 == (await cloud.ask("GET", f"/v2/images/{id}/file"))[0]
        await cloud.upload(id)
        size = len(RAW)
        for asked, start, end in (
            ("bytes=0-0", 0, 0),
            ("bytes=1000-1999", 1000, 1999),
            (f"bytes={size - 5}-", size - 5, size - 1),
            ("bytes=-7", size - 7, size - 1),
            (f"bytes=10-{size * 2}", 10, size - 1),
            (f"bytes=-{size * 2}", 0, size - 1),
            ("bytes=0-", 0, size - 1),
        ):
            status, body, headers = await cloud.ask("GET", f"/v2/images/{id}/file", headers={"range": asked})
            assert (206, RAW[start : end + 1]) == (status, body)
            assert f"bytes {start}-{end}/{size}" == headers["content-range"]
        for status, asked in (
            (416, f"bytes={size}-"),
            (416, "bytes=5-2"),
            (416, "bytes=-"),
            (416, "lines=1-2"),
            (400, "bytes=0-1,5-6"),
        ):
            assert status == (await cloud.ask("GET", f"/v2/images/{id}/file", headers={"range": asked}))[0], asked
        # What old clients say instead of Range.
        old = {"content-range": "bytes 2-5/*"}
        assert (206, RAW[2:6]) == (await cloud.ask("GET", f"/v2/images/{id}/file", headers=old))[:2]
        old = {"content-range": f"bytes {size}-{size + 5}/*"}
        assert 416 == (await cloud.ask("GET", f"/v2/images/{id}/file", headers=old))[0]

    run(tmp_path, test)


def test_only_who_may_gets_the_bytes(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 404 == await cloud.upload(id, token="bob")
        assert 403 == await cloud.upload(id, token="rita")
        assert 415 == (await cloud.ask("PUT", f"/v2/images/{id}/file", {"a": 1}))[0]
        assert 415 == (await cloud.ask("PUT", f"/v2/images/{id}/file", RAW, headers={"content-type": ""}))[0]
        await cloud.upload(id)
        assert 404 == (await cloud.ask("GET", f"/v2/images/{id}/file", token="bob"))[0]
        assert 403 == (await cloud.ask("GET", f"/v2/images/{id}/file", token="rita"))[0]
        unformed = (await cloud.create(disk_format=None))["id"]
        assert 400 == await cloud.upload(unformed)

    run(tmp_path, test)


def test_an_aborted_upload_leaves_nothing(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        part = {"type": "http.request", "body": RAW, "more_body": True}
        cases: tuple[tuple[list[dict[str, Any]], dict[str, str]], ...] = (
            ([part, part, {"type": "http.disconnect"}], OCTETS),
            ([{**part, "more_body": False}], {**OCTETS, "content-length": "99999999"}),
        )
        for messages, headers in cases:
            status, _, _ = await cloud.ask("PUT", f"/v2/images/{id}/file", messages=messages, headers=headers)
            assert 400 == status
            assert "queued" == (await cloud.show(id))["status"]
            assert [] == cloud.stored()
        assert 204 == await cloud.upload(id)

    run(tmp_path, test)


def test_an_image_over_the_cap_is_413(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 413 == await cloud.upload(id)
        told = {**OCTETS, "content-length": "1001"}
        assert 413 == (await cloud.ask("PUT", f"/v2/images/{id}/file", b"", headers=told))[0]
        assert ("queued", []) == ((await cloud.show(id))["status"], cloud.stored())
        assert 204 == await cloud.upload(id, b"x" * 1000)

    run(tmp_path, test, size_cap=1000)


@pytest.mark.parametrize(
    ("disk_format", "content", "words"),
    [
        ("qcow2", RAW, "qcow2"),
        ("qcow2", b"", "no bytes"),
        ("raw", qcow2(), "is qcow2"),
        ("vmdk", qcow2(), "vmdk"),
        ("iso", RAW, "iso"),
        ("qcow2", qcow2(backing=512), "backing file"),
        ("qcow2", qcow2(features=4), "data_file"),
        ("qcow2", qcow2(features=1 << 20), "features"),
    ],
)
def test_content_that_is_not_what_it_says_or_not_safe_is_refused(
    tmp_path: Path, disk_format: str, content: bytes, words: str
) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(disk_format=disk_format))["id"]
        status, body, _ = await cloud.ask("PUT", f"/v2/images/{id}/file", content, headers=OCTETS)
        assert 415 == status
        assert words in body.decode()
        assert ("queued", []) == ((await cloud.show(id))["status"], cloud.stored())

    run(tmp_path, test)


def test_the_size_of_the_disk_is_read_from_the_image(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(disk_format="qcow2"))["id"]
        assert 204 == await cloud.upload(id, qcow2(5 << 30))
        image = await cloud.show(id)
        assert (1024, 5 << 30) == (image["size"], image["virtual_size"])

    run(tmp_path, test)


def test_a_partitioned_disk_is_raw(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        entry = bytes([0x80, 0, 2, 0, 0x83, 0, 2, 0]) + struct.pack("<II", 1, 2047)
        disk = (b"\0" * 446 + entry).ljust(510, b"\0") + b"\x55\xaa" + b"\0" * (1 << 20)
        id = (await cloud.create())["id"]
        assert 204 == await cloud.upload(id, disk)

    run(tmp_path, test)


def test_an_image_deleted_during_its_upload_is_gone_with_its_bytes(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        going_on = asyncio.Event()
        deleted = asyncio.Event()

        part = {"type": "http.request", "body": RAW, "more_body": True}
        messages: list[Any] = [part, {**part, "more_body": False}]

        class Slow(FileStore):
            """A store that begins a file only once the image is deleted."""

            async def create(self, name: str) -> Incoming:
                incoming = await super().create(name)
                going_on.set()
                await deleted.wait()
                return incoming

        slow = msgspec.structs.replace(cloud.app.stores.all["file"], source=Slow(cloud.folder))
        cloud = cloud.over(msgspec.structs.replace(cloud.app.stores, all={"file": slow}))
        upload = asyncio.create_task(cloud.ask("PUT", f"/v2/images/{id}/file", messages=messages, headers=OCTETS))
        await going_on.wait()
        assert "saving" == (await cloud.show(id))["status"]
        assert 409 == await cloud.upload(id)
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        deleted.set()
        assert 410 == (await upload)[0]
        assert [] == cloud.stored()

    run(tmp_path, test)


def test_the_sweep_removes_what_belongs_to_no_image(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        await cloud.upload(id)
        kept = cloud.stored()
        (cloud.folder / "stranger.1").write_bytes(b"x")
        (cloud.folder / "incoming" / "stranger.2").write_bytes(b"x")
        assert "2 files removed" == await sweep(cloud.app)
        assert kept == cloud.stored()
        assert await sweep(cloud.app) is None

    run(tmp_path, test)


def test_hosts_get_a_verified_copy(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        port = ImagePort(cloud.app)
        id = (await cloud.create())["id"]
        copy = tmp_path / "copy"
        with pytest.raises(NoSuchImage):
            await port.fetch(id, copy)
        await cloud.upload(id)
        await port.fetch(id, copy)
        assert RAW == copy.read_bytes()
        stored = cloud.folder / cloud.stored()[0]
        stored.write_bytes(RAW[:-1] + b"!")
        copy.unlink()
        with pytest.raises(ReadError):
            await port.fetch(id, copy)
        assert ["images"] == [path.name for path in tmp_path.iterdir()]

    run(tmp_path, test)


def test_other_services_learn_what_an_image_is(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        port = ImagePort(cloud.app)
        id = (await cloud.create(visibility="private", hw_disk_bus="virtio"))["id"]
        facts = await port.get(id, CALLERS["alice"])
        assert facts is not None
        assert ("queued", {"hw_disk_bus": "virtio"}, False) == (facts.status, facts.properties, facts.usable)
        assert await port.get(id, CALLERS["bob"]) is None

    run(tmp_path, test)


def test_a_snapshot_is_made_of_a_file(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        port = ImagePort(cloud.app)
        disk = tmp_path / "disk"
        disk.write_bytes(qcow2())
        for _ in range(2):
            await port.create("i-1", NewImage(name="snap", owner="p1", disk_format="qcow2"))
            facts = await port.take("i-1", str(disk))
            assert ("active", 1 << 30) == (facts.status, facts.virtual_size)
        await port.remove("i-1")
        await port.remove("i-1")
        assert [] == cloud.stored()

    run(tmp_path, test)


def test_a_snapshot_whose_upload_died_with_its_process_is_taken_again(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        port = ImagePort(cloud.app)
        disk = tmp_path / "disk"
        disk.write_bytes(qcow2())
        await port.create("i-1", NewImage(name="snap", owner="p1", disk_format="qcow2"))
        assert await upload_begin(cloud.app, "i-1", "i-1.dead", "saving")
        facts = await port.take("i-1", str(disk))
        assert ("active", 1 << 30) == (facts.status, facts.virtual_size)
        assert 1 == len(cloud.stored())

    run(tmp_path, test)


def test_the_built_in_image_is_registered_once(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        disk = tmp_path / "guest.qcow2"
        disk.write_bytes(qcow2())

        async def ensure() -> str:
            return await ensure_image(
                cloud.app, name="guest", path=disk, disk_format="qcow2", properties={"os_distro": "pileus"}
            )

        first = await ensure()
        assert first == await ensure()
        assert ["guest"] == await cloud.names(token="bob")
        disk.write_bytes(qcow2(2 << 30))
        assert first != await ensure()
        assert ("active", "pileus") == ((await cloud.show(first))["status"], (await cloud.show(first))["os_distro"])

    run(tmp_path, test)


def test_a_reader_goes_on_while_the_image_is_deleted(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        await cloud.upload(id, os.urandom(3 << 20))
        name = cloud.stored()[0]
        got = 0
        async for chunk in cloud.app.stores.all["file"].source.read(name, 0, 3 << 20):
            if not got:
                assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
            got += len(chunk)
        assert 3 << 20 == got

    run(tmp_path, test)


def test_lost_bytes_are_told_before_the_answer_begins(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        await cloud.upload(id)
        (cloud.folder / cloud.stored()[0]).unlink()
        assert 404 == (await cloud.ask("GET", f"/v2/images/{id}/file"))[0]

    run(tmp_path, test)


def test_a_packed_image_is_taken_as_it_is(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(disk_format="vmdk", container_format="ova"))["id"]
        assert 204 == await cloud.upload(id)

    run(tmp_path, test)


def test_a_staged_image_is_imported(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        direct = {"method": {"name": "glance-direct"}}
        assert 409 == (await cloud.ask("POST", f"/v2/images/{id}/import", direct))[0]
        assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", RAW, headers=OCTETS))[0]
        assert "uploading" == (await cloud.show(id))["status"]
        assert 204 == (await cloud.ask("GET", f"/v2/images/{id}/file"))[0]
        assert 409 == await cloud.upload(id)
        with pytest.raises(NoSuchImage):
            await ImagePort(cloud.app).fetch(id, tmp_path / "copy")
        assert await sweep(cloud.app) is None
        download = {"method": {"name": "web-download", "uri": "http://x/"}}
        assert 409 == (await cloud.ask("POST", f"/v2/images/{id}/import", download))[0]
        assert 202 == (await cloud.ask("POST", f"/v2/images/{id}/import", direct))[0]
        assert "importing" == (await cloud.show(id))["status"]
        await cloud.settle()
        assert ("active", len(RAW)) == ((await cloud.show(id))["status"], (await cloud.show(id))["size"])
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        bad = (await cloud.create(disk_format="qcow2"))["id"]
        assert 415 == (await cloud.ask("PUT", f"/v2/images/{bad}/stage", RAW, headers=OCTETS))[0]
        assert "queued" == (await cloud.show(bad))["status"]

    run(tmp_path, test)


def test_the_sweep_knows_in_which_store_an_image_has_its_file(tmp_path: Path) -> None:
    """Files of one image bear one name in all stores that one import wrote to."""

    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", RAW, headers=OCTETS))[0]
        body = {"method": {"name": "glance-direct"}, "all_stores": True}
        assert 202 == (await cloud.ask("POST", f"/v2/images/{id}/import", body))[0]
        await cloud.settle()
        (there,) = (tmp_path / "cold").glob("*.*")
        left = there.read_bytes()
        assert 204 == (await cloud.ask("DELETE", f"/v2/stores/cold/{id}", token="root"))[0]
        there.write_bytes(left)  # as if the process had died before it was removed
        assert "1 files removed" == await sweep(cloud.app)
        # A store that got another name in the configuration is another store; what it has may be all there is.
        renamed = {"warm": StoreConfig(path="images"), "cold": StoreConfig(path="cold")}
        config = msgspec.structs.replace(cloud.app.config, stores=renamed, default_store="warm")
        assert await sweep(over(cloud.app.db, tmp_path, cloud.app.clock, config)) is None
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]

    run(tmp_path, test, stores={"file": StoreConfig(path="images"), "cold": StoreConfig(path="cold")})


def test_who_uploads_again_need_not_wait_for_the_sweep(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        clock = cloud.app.clock
        assert isinstance(clock, FakeClock)
        for path, becomes in (("file", "active"), ("stage", "uploading")):
            id = (await cloud.create())["id"]
            await upload_begin(cloud.app, id, f"{id}.dead", "saving" if path == "file" else "uploading")
            clock.move(30)
            assert 409 == (await cloud.ask("PUT", f"/v2/images/{id}/{path}", RAW, headers=OCTETS))[0]
            clock.move(31)
            assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/{path}", RAW, headers=OCTETS))[0]
            assert becomes == (await cloud.show(id))["status"]

    run(tmp_path, test)


def test_who_sends_or_takes_bytes_too_slowly_is_given_up(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        ready = (await cloud.create())["id"]
        await cloud.upload(ready, RAW * 4)
        cloud.kernel = Kernel(Tokens(), pace=Pace(idle_s=0.05))
        cloud.kernel.mount("image", API, cloud.app)
        waiting = (await cloud.create())["id"]
        begun = [{"type": "http.request", "body": RAW, "more_body": True}]
        for path in ("file", "stage"):
            answer = await cloud.ask("PUT", f"/v2/images/{waiting}/{path}", headers=OCTETS, messages=begun)
            assert (408, "close") == (answer[0], answer[2]["connection"])
            assert "queued" == (await cloud.show(waiting))["status"]
        assert 1 == len(cloud.stored())  # that of the other one

        async def never(*_: object) -> dict[str, object]:
            await asyncio.Event().wait()
            return {}

        sent: list[object] = []

        async def send(message: dict[str, object]) -> None:
            sent.append(message["type"])
            if len(sent) > 2:
                await never()

        headers = [(b"x-auth-token", b"alice")]
        scope = {"type": "http", "method": "GET", "path": f"/image/v2/images/{ready}/file", "query_string": b"",
                 "scheme": "http", "headers": headers}  # fmt: skip
        told: list[tuple[object, ...]] = []
        cloud.kernel.saw = lambda *about: told.append(about[:3])
        with pytest.raises(TooSlow):
            await cloud.kernel.http(scope, never, send)  # type: ignore[arg-type]
        assert ["http.response.start", "http.response.body", "http.response.body"] == sent
        assert [("image", "GET", 200)] == told
        held = [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.exists()]
        assert not [name for name in held if str(cloud.folder) in name]

    run(tmp_path, test)
