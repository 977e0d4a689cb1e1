"""Servers that boot from volumes are made images of by the public API, with real QEMU, on a file system that copies by reference and on
one that does not: their guests hold still for it, and a server of the image finds what the guest had written."""

import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.hosts.volume_scene import UNTIL, Server, Site, a_site, file_system

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]

FILE = "/data/file"
MOUNTED = f"{UNTIL} grep -q ' /data ' /proc/mounts"
MAKERS = {"ext4": "mkfs.ext4 -q", "xfs": "mkfs.xfs -q"}
STILL = {"hw_qemu_guest_agent": "yes", "os_require_quiesce": "yes"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A cloud with a back end on each file system; its guest has an agent, and must hold still."""
    with ExitStack() as stack:
        folders = {name: stack.enter_context(file_system(tmp_path / name, make, 3072)) for name, make in MAKERS.items()}
        made = stack.enter_context(a_site(folders))
        changes = [{"op": "add", "path": f"/{name}", "value": value} for name, value in STILL.items()]
        media = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        path = f"/image/v2/images/{made.image()}"
        assert made.cloud.ask("PATCH", path, changes, as_="admin", headers=media).status == 200
        yield made


def test_an_image_of_a_server_that_boots_from_a_volume_holds_what_its_guest_had_written(site: Site) -> None:
    servers = {name: from_volume(site, name) for name in MAKERS}
    copies = {name: _copied(site, server, name) for name, server in servers.items()}
    for name, (digest, snapshot, image) in copies.items():
        assert is_whole(site, snapshot), f"{name}: the copy needs its journal"
        servers[name].delete()
        copy = site.boot(imageRef=image)
        (volume,) = copy.volumes()
        assert snapshot == site.show("volume", volume)["snapshot_id"]
        with copy.shell() as it:
            it.say(MOUNTED)
            assert digest == it.read(FILE)
        print(f"{name}: a server booted of the image found what had been written before it")


def from_volume(site: Site, type: str) -> Server:
    """A server whose root is a new volume of that type."""
    disk = {"boot_index": 0, "source_type": "image", "uuid": site.image(), "destination_type": "volume",
            "volume_size": 1, "volume_type": type, "delete_on_termination": False}  # fmt: skip
    return site.boot(block_device_mapping_v2=[disk])


def _copied(site: Site, server: Server, name: str) -> tuple[str, str, str]:
    """The digest of what was written before, the snapshot that holds it, and the image that says so."""
    with server.shell() as it:
        it.say(MOUNTED)
        digest = it.written(FILE)
        it.say("(while [ ! -e /tmp/enough ]; do date > /data/later; done) & sleep 1")
        image = server.act(createImage={"name": name})["image_id"]
        server.until("ACTIVE")
        it.say("touch /tmp/enough; wait")
        assert it.say("echo more > /data/more && sync && echo written") == "written"  # nobody left it frozen
        it.say(f"rm {FILE}; sync")
    shown = site.ask("GET", f"/image/v2/images/{image}")
    assert (shown["status"], shown["size"]) == ("active", 0)
    (snapshot,) = [str(each["id"]) for each in site.ask("GET", "/volume/v3/snapshots")["snapshots"]
                   if each["id"] in shown["block_device_mapping"]]  # fmt: skip
    site.until("snapshot", snapshot, "available")
    return digest, snapshot, str(image)


def is_whole(site: Site, snapshot: str) -> bool:
    """Whether the guest's file system in it needs no journal to be whole: it held still."""
    (file,) = [found for folder in site.folders for found in folder.glob(f"volume_snapshot/{snapshot}/0.raw")]
    with file.open("rb") as disk:
        entries = struct.iter_unpack("<8xII", disk.read(510)[446:])
    start = [entry[0] for entry in entries if entry[1]][-1]
    words = ["dumpe2fs", "-h", f"{file}?offset={start * 512}"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert "Filesystem UUID" in said
    return "needs_recovery" not in said
