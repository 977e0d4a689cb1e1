"""Disks of the host that cannot be read any more (FLT-025), with real QEMU: a guest is told by its disk and goes on, whatever would have
been a copy ends in error and says why, and never holds other bytes. A QEMU storage daemon is the bad disk."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import until
from tests.hosts.volume_scene import LONG_S, MIB, Site, a_site

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]

DISK = "/dev/vdb"
GOOD, BAD = 0, 100  # MiB
SECTOR = 512
EIO = 5


@contextlib.contextmanager
def bad_from(file: Path, mib: int) -> Iterator[None]:
    """What the file holds at that place cannot be read while the block lasts, whoever opens it."""
    at, ready = mib * MIB, file.with_name("ready")
    rule = {"event": "none", "iotype": "read", "errno": EIO, "sector": at // SECTOR, "once": False}
    nodes = (
        {"driver": "file", "node-name": "file", "filename": str(file), "locking": "off"},
        {"driver": "blkdebug", "node-name": "bad", "image": "file", "inject-error": [rule]},
        {"driver": "raw", "node-name": "disk", "file": "bad"},
    )
    export = {
        "type": "fuse",
        "id": "disk",
        "node-name": "disk",
        "mountpoint": str(file),
        "writable": True,
        "allow-other": "on",
    }
    words = [part for node in nodes for part in ("--blockdev", json.dumps(node))]
    daemon = subprocess.Popen(["qemu-storage-daemon", *words, "--export", json.dumps(export), "--pidfile", str(ready)])
    try:
        until(lambda: ready.exists() or daemon.poll() is not None, "the bad disk is there", LONG_S, 0.05)
        assert daemon.poll() is None
        yield
    finally:
        daemon.terminate()
        daemon.wait()
        ready.unlink(missing_ok=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site({"file": tmp_path / "volumes"}) as made:
        yield made


def test_nothing_that_cannot_be_read_is_ever_taken_for_bytes(site: Site) -> None:
    volume = site.make("volume", size=1)
    server = site.boot()
    server.attach(volume)
    with server.shell() as it:
        it.sees(DISK)
        good, bad = it.written(DISK, GOOD), it.written(DISK, BAD)
        server.detach(volume)
        with bad_from(site.file(volume), BAD):
            server.attach(volume)
            it.sees(DISK)
            assert good == it.read(DISK, GOOD)
            told = it.say(f"dd if={DISK} of=/dev/null bs=1M skip={BAD} count=8")
            assert "I/O error" in told
            assert server.show()["status"] == "ACTIVE"
            said = "cannot be read: Input/output error. The guest was told so by its disk."
            until(lambda: any(said in each for each in site.why(volume)), "the volume's messages say so", LONG_S, 0.3)
            assert any(said in each["message"] for each in server.story() if each["action"] == "disk_failed")
            _cannot_be_copied(site, volume, "in-use")
            assert good == it.read(DISK, GOOD)
            server.detach(volume)
            _cannot_be_copied(site, volume, "available")
        server.attach(volume)
        it.sees(DISK)
        assert (good, bad) == (it.read(DISK, GOOD), it.read(DISK, BAD))


def _cannot_be_copied(site: Site, volume: str, status: str) -> None:
    """A backup, a snapshot, a clone and an image of it end in error and say why; the volume is as it was."""
    for one, about in (("backup", {"volume_id": volume, "force": True}), ("snapshot", {"volume_id": volume, "force": True}),
                       ("volume", {"size": 1, "source_volid": volume})):  # fmt: skip
        made = str(site.ask("POST", f"/volume/v3/{one}s", {one: {"name": "scene", **about}})[one]["id"])
        shown = site.until(one, made, "error")
        why = [*site.why(made), str(shown.get("fail_reason"))]
        print(f"{one} of a volume that is {status}: {why}")
        assert any("rror" in each for each in why), why
        site.until("volume", volume, status)
        site.gone(one, made)
    image = site.act("volume", volume, "os-volume_upload_image", image_name="bad", disk_format="raw", force=True)
    site.until("volume", volume, status)
    path = f"/image/v2/images/{image['os-volume_upload_image']['image_id']}"
    assert site.cloud.ask("GET", path, as_="admin").status == 404
    why = [each for each in site.why(volume) if each.startswith("copy volume to image")]
    print(f"image of a volume that is {status}: {why}")
    assert why


def test_a_volume_of_an_image_that_cannot_be_read_says_so_and_holds_nothing_else(site: Site) -> None:
    image = site.image()
    (stored,) = [file for file in (site.cloud.path / "images").rglob("*") if file.is_file() and image in file.name]
    with bad_from(stored, 1):
        volume = str(site.ask("POST", "/volume/v3/volumes", {"volume": {"size": 1, "imageRef": image}})["volume"]["id"])
        site.until("volume", volume, "error")
        print(f"volume of an image that cannot be read: {site.why(volume)}")
        assert any("rror" in each for each in site.why(volume))
        assert not list(site.folders[0].glob(f"volume/{volume}/*"))
        site.gone("volume", volume)
    again = site.make("volume", size=1, imageRef=image)
    assert site.file(again).stat().st_blocks
