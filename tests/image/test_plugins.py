"""What happens to images at their import: unpacked, converted, given properties, as the operator set it up."""

import bz2
import gzip
import hashlib
import io
import lzma
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from tests.image.harness import OCTETS, RAW, Service, run
from tests.image.test_imports import asks, imported, tasks

from pileus.image.config import PluginsConfig
from pileus.image.flows.sweep import sweep

UNPACK = PluginsConfig(enabled=("image_decompression",))
CONVERT = PluginsConfig(enabled=("image_conversion",))
DISK = random.Random(1).randbytes(3 << 20) + bytes(1 << 20)


def zipped(data: bytes, *, method: int = zipfile.ZIP_DEFLATED, names: tuple[str, ...] = ("../../etc/passwd",)) -> bytes:
    """An archive with these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name in names:
            archive.writestr(name, data)
    return out.getvalue()


async def staged(cloud: Service, content: bytes, **about: Any) -> tuple[str, str]:
    """A staged image, imported; its id and what its task says if that failed."""
    id = (await cloud.create(**about))["id"]
    assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", content, headers=OCTETS))[0]
    assert 202 == await imported(cloud, id, asks("glance-direct"))
    return id, (await tasks(cloud, id))[0]["message"]


def left(cloud: Service) -> list[str]:
    """Whatever lies in the staging area."""
    return sorted(str(path) for path in (cloud.folder / "staging").rglob("*") if not path.is_dir())


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress, bz2.compress, lzma.compress, zipped, lambda data: zipped(data, method=zipfile.ZIP_STORED),
        lambda data: zipped(data, method=zipfile.ZIP_BZIP2),
        lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:]) + bytes(700), zstd.compress,
        lambda data: zstd.compress(data[:99], 19) + b"\x5a\x2a\x4d\x18\3\0\0\0abc" + zstd.compress(data[99:]),
    ],
    ids=["gzip", "bzip2", "xz", "zip", "stored", "zip of bzip2", "two streams and padding", "zstd", "zstd with notes"],
)  # fmt: skip
def test_a_packed_image_is_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    async def test(cloud: Service) -> None:
        id, why = await staged(cloud, pack(RAW), container_format="compressed")
        image = await cloud.show(id)
        assert ("active", "bare", len(RAW), "") == (image["status"], image["container_format"], image["size"], why)
        assert hashlib.sha512(RAW).hexdigest() == image["os_hash_value"]
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        assert [] == left(cloud)

    run(tmp_path, test, plugins=UNPACK)


@pytest.mark.parametrize(
    "content",
    [
        b"no archive at all", gzip.compress(RAW)[:-9], gzip.compress(RAW)[:50] + b"?" * 99, lzma.compress(RAW)[:-20],
        bz2.compress(RAW)[:-5], zipped(RAW, names=("a", "b")), zipped(RAW)[:-300], zipped(RAW)[:40], b"PK\3\4",
        zipped(RAW).replace(b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0", 1),
        lzma.compress(RAW[:99], format=lzma.FORMAT_ALONE), zstd.compress(RAW)[:-9], zstd.compress(RAW)[:20] + b"?" * 99,
        b"\x28\xb5\x2f\xfd\0\xa8" + b"\0" * 99,
    ],
    ids=["text", "cut gzip", "bad gzip", "cut xz", "cut bzip2", "two files", "cut zip", "cut header", "magic", "secret", "lzma", "cut zstd", "bad zstd", "wide zstd"],
)  # fmt: skip
def test_what_cannot_be_unpacked_leaves_the_image_as_it_was(tmp_path: Path, content: bytes) -> None:
    async def test(cloud: Service) -> None:
        id, why = await staged(cloud, content, container_format="compressed")
        image = await cloud.show(id)
        assert ("queued", "compressed", None) == (image["status"], image["container_format"], image["size"])
        assert why.startswith("image_decompression: ")
        assert [] == left(cloud)
        assert [] == cloud.stored()

    run(tmp_path, test, plugins=UNPACK)


def test_what_is_packed_is_judged_like_any_upload(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        qcow2_over_a_file = b"QFI\xfb\0\0\0\3" + (512).to_bytes(8) + (11).to_bytes(4) + bytes(600)
        for format, content in (("qcow2", RAW), ("raw", qcow2_over_a_file), ("qcow2", qcow2_over_a_file)):
            id, why = await staged(cloud, gzip.compress(content), disk_format=format, container_format="compressed")
            assert "queued" == (await cloud.show(id))["status"]
            assert "content" in why
        assert [] == left(cloud)

    run(tmp_path, test, plugins=UNPACK)


def test_a_bomb_is_given_up_at_the_size_an_image_may_have(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        assert len(gzip.compress(bytes(16 << 20), 9)) < 100_000
        for pack in (gzip.compress, zipped, lzma.compress, bz2.compress, zstd.compress):
            content = pack(bytes(16 << 20))
            id, why = await staged(cloud, content, container_format="compressed")
            assert "queued" == (await cloud.show(id))["status"]
            assert "larger than the 2097152 bytes" in why
            assert [] == left(cloud)

    run(tmp_path, test, plugins=UNPACK, size_cap=2 << 20)


def test_zeros_that_were_unpacked_take_no_room(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        disk = b"boot" + bytes(16 << 20) + b"data" + bytes(3 << 20)
        id, _ = await staged(cloud, gzip.compress(disk, 1), container_format="compressed")
        assert disk == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        (file,) = cloud.stored()
        assert (cloud.folder / file).stat().st_blocks * 512 < 8 << 20

    run(tmp_path, test, plugins=UNPACK)


def test_no_disk_grows_beyond_what_the_operator_lets_it(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id, why = await staged(cloud, gzip.compress(RAW), container_format="compressed")
        assert ("queued", True) == ((await cloud.show(id))["status"], "may have 1000000" in why)
        assert [] == left(cloud)

    run(tmp_path, test, plugins=PluginsConfig(enabled=("image_decompression",), largest=1_000_000))


def test_an_operators_properties_are_given_to_images_of_others_than_admins(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id, _ = await staged(cloud, RAW)
        assert "true" == (await cloud.show(id))["quarantined"]
        id = (await cloud.create("root"))["id"]
        await cloud.ask("PUT", f"/v2/images/{id}/stage", RAW, headers=OCTETS, token="root")
        assert 202 == await imported(cloud, id, asks("glance-direct"), "root")
        image = await cloud.show(id, "root")
        assert ("active", False) == (image["status"], "quarantined" in image)

    run(tmp_path, test, plugins=PluginsConfig(enabled=("inject_image_metadata",), inject={"quarantined": "true"}))


def made(folder: Path, format: str) -> bytes:
    """DISK as an image of the format."""
    (folder / "disk.raw").write_bytes(DISK)
    name = {"vhd": "vpc"}.get(format, format)
    force = ["-o", "force_size=on"] if format == "vhd" else []
    argv = ["qemu-img", "convert", "-f", "raw", "-O", name, *force, "disk.raw", "made"]
    subprocess.run(argv, cwd=folder, check=True)
    return (folder / "made").read_bytes()


@pytest.mark.host
@pytest.mark.parametrize("format", ["qcow2", "vmdk", "vdi", "vhd", "vhdx"])
def test_disks_of_every_format_become_the_operators(tmp_path: Path, format: str) -> None:
    async def test(cloud: Service) -> None:
        id, why = await staged(cloud, made(tmp_path, format), disk_format=format)
        image = await cloud.show(id)
        assert ("active", "raw", len(DISK), len(DISK), "") == (
            image["status"], image["disk_format"], image["size"], image["virtual_size"], why,
        )  # fmt: skip
        assert hashlib.sha512(DISK).hexdigest() == image["os_hash_value"]
        assert DISK == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        assert await sweep(cloud.app) is None, "nothing is left to be swept"
        assert [] == left(cloud)
        assert [] == list((cloud.folder / "staging" / "work").iterdir())

    run(tmp_path, test, plugins=CONVERT)


@pytest.mark.host
def test_what_is_in_the_operators_format_already_is_left_alone(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        for format, content in (("raw", RAW), ("iso", bytes(0x8000) + b"\1CD001" + bytes(4096))):
            image = await cloud.show((await staged(cloud, content, disk_format=format))[0])
            assert ("active", format, len(content)) == (image["status"], image["disk_format"], image["size"])

    run(tmp_path, test, plugins=CONVERT)


@pytest.mark.host
def test_a_disk_too_large_to_convert_leaves_the_image_as_it_was(tmp_path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "huge", "8T"], cwd=tmp_path, check=True)

    async def test(cloud: Service) -> None:
        id, why = await staged(cloud, (tmp_path / "huge").read_bytes(), disk_format="qcow2")
        image = await cloud.show(id)
        assert ("queued", "qcow2") == (image["status"], image["disk_format"])
        assert f"{8 << 40} bytes" in why
        assert [] == left(cloud)

    run(tmp_path, test, plugins=CONVERT)


@pytest.mark.host
def test_a_packed_disk_is_unpacked_and_then_converted(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        packed = gzip.compress(made(tmp_path, "qcow2"), 1)
        id, why = await staged(cloud, packed, disk_format="qcow2", container_format="compressed")
        image = await cloud.show(id)
        assert ("active", "raw", "bare", "") == (image["status"], image["disk_format"], image["container_format"], why)
        assert DISK == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        assert [] == left(cloud)

    assert shutil.which("qemu-img")
    run(tmp_path, test, plugins=PluginsConfig(enabled=("image_decompression", "image_conversion")))
