"""Raw disks are made of images in every format, by a program that can read nothing else, however it is asked to."""

import os
import random
import struct
from pathlib import Path

import pytest
from tests.image.hostile import hostile, qcow2

from pileus.kit.disk_formats import Judge, Unsafe, check_file
from pileus.kit.disk_images import NotConverted, make_raw
from pileus.kit.run import run

pytestmark = pytest.mark.host
CANARY = b"the canary sings of the host's files"
MIB = 1 << 20
# What qemu-img calls each, and in what words it is told to make it.
MADE = {
    "qcow2": ("qcow2",),
    "vmdk": ("vmdk", "-o", "subformat=monolithicSparse"),
    "vmdk that streams": ("vmdk", "-o", "subformat=streamOptimized"),
    "vdi": ("vdi",),
    "vhd": ("vpc", "-o", "force_size=on"),
    "vhdx": ("vhdx",),
}


async def an_image(folder: Path, name: str, content: bytes) -> Path:
    """An image with this disk."""
    (folder / "disk").write_bytes(content)
    await run(["qemu-img", "convert", "-f", "raw", "-O", *MADE[name], "disk", "image"], cwd=folder)
    return folder / "image"


@pytest.mark.parametrize("name", MADE)
async def test_a_raw_disk_is_made_of_it(name: str, tmp_path: Path) -> None:
    content = random.Random(7).randbytes(MIB) + bytes(4 * MIB) + b"the end".rjust(MIB)
    format = name.partition(" ")[0]
    image, target = await an_image(tmp_path, name, content), tmp_path / "made"
    assert len(content) == check_file(image, format)
    assert len(content) == await make_raw(image, target, format, len(content))
    assert content == target.read_bytes()
    assert target.stat().st_blocks * 512 < 3 * MIB
    assert target.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("name", MADE)
async def test_it_is_judged_alike_however_its_bytes_come(name: str, tmp_path: Path) -> None:
    content = (await an_image(tmp_path, name, bytes(MIB))).read_bytes()
    for piece in (4096, 1 << 16, 4 << 20, len(content)):
        judge = Judge(name.partition(" ")[0])
        for start in range(0, len(content), piece):
            judge.feed(content[start : start + piece])
        assert MIB == judge.size(len(content))


@pytest.mark.parametrize("name", MADE)
async def test_what_has_no_room_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    image, target = await an_image(tmp_path, name, bytes(2 * MIB)), tmp_path / "made"
    with pytest.raises(NotConverted, match=f"{2 * MIB} bytes, and there is room for {MIB}"):
        await make_raw(image, target, name.partition(" ")[0], MIB)
    assert not target.exists()


async def test_what_claims_more_than_memory_holds_is_refused(tmp_path: Path) -> None:
    for size, l1 in ((1 << 62, 1), (1 << 40, (1 << 22) + 1)):
        (tmp_path / "image").write_bytes(qcow2(size=size, l1=l1))
        with pytest.raises(NotConverted):
            await make_raw(tmp_path / "image", tmp_path / "made", "qcow2", 1 << 41)
        assert not (tmp_path / "made").exists()


async def test_unjudged_images_tell_nothing_of_the_host(tmp_path: Path) -> None:
    """The second line alone: every hostile image, and a canary that whoever may search the folder could read."""
    canary = tmp_path / "canary"
    canary.write_bytes(CANARY * 30000)
    canary.chmod(0o644)
    refused = 0
    for at, one in enumerate(hostile(str(canary))):
        if one.format not in {"qcow2", "vmdk", "vdi", "vhd", "vhdx"}:
            continue
        image, target = tmp_path / f"image-{at}", tmp_path / f"made-{at}"
        image.write_bytes(one.content)
        try:
            await make_raw(image, target, one.format, 1 << 24)
        except NotConverted:
            refused += 1
        assert not target.exists() or CANARY not in target.read_bytes(), one.name
    assert refused


async def test_what_a_stream_tells_at_its_end_is_read_before_it_is_believed(tmp_path: Path) -> None:
    """The last sectors of such a VMDK overrule its first, and are far behind them."""
    content = random.Random(8).randbytes(10 * MIB)
    image = await an_image(tmp_path, "vmdk that streams", content)
    streamed = image.read_bytes()
    header = streamed[:512]
    # As who streams writes it: where the table of tables is was not known yet.
    begun = header[:56] + b"\xff" * 8 + header[64:] + streamed[512:]
    for place, honest in ((header[28:36], True), ((5).to_bytes(8, "little"), False)):  # of the descriptor
        marker = struct.pack("<QII", 1, 0, 3).ljust(512, b"\0")
        image.write_bytes(begun + marker + header[:28] + place + header[36:] + bytes(512))
        if honest:
            assert len(content) == check_file(image, "vmdk")
            assert len(content) == await make_raw(image, tmp_path / "made", "vmdk", len(content))
            assert content == (tmp_path / "made").read_bytes()
        else:
            with pytest.raises(Unsafe, match="different descriptor"):
                check_file(image, "vmdk")
