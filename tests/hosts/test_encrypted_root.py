"""A server whose root is an encrypted volume, with real QEMU: it boots, is rebooted, outlives its host and is copied, and nowhere on the
host is what its guest wrote to be read, nor what opens it."""

import base64
import contextlib
import hashlib
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hosts.volume_scene import UNTIL, Server, Site, a_site

from pileus.identity.config import Config as IdentityConfig
from pileus.identity.manifest import vault
from pileus.main.processes import servers_of

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]

MOUNTED = f"{UNTIL} grep -q ' /data ' /proc/mounts"
CIPHER = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"}
LUKS = b"LUKS\xba\xbe"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A cloud that has a type of encrypted volumes; keys and words said about them are looked for in what it logs, all of it."""
    with a_site({"closed": tmp_path / "volumes"}, 'log_level = "debug"\n') as made:
        (type,) = [each for each in made.ask("GET", "/volume/v3/types")["volume_types"] if each["name"] == "closed"]
        made.ask("POST", f"/volume/v3/types/{type['id']}/encryption", {"encryption": CIPHER})
        yield made


def test_a_guest_lives_on_an_encrypted_root_and_nothing_of_it_is_to_be_read_on_its_host(site: Site) -> None:
    word = str(uuid.uuid4())
    # What the guest writes, and its console never says.
    mark = hashlib.md5(word.encode(), usedforsecurity=False).hexdigest()
    disk = {"boot_index": 0, "source_type": "image", "uuid": site.image(), "destination_type": "volume",
            "volume_size": 1, "volume_type": "closed"}  # fmt: skip
    server = site.boot(block_device_mapping_v2=[disk])
    (volume,) = server.volumes()
    assert site.show("volume", volume)["encrypted"]
    keys = _keys(site, volume)
    with server.shell() as it:
        it.say(MOUNTED)
        it.say(
            f"mark=$(printf {word} | md5sum | cut -c1-32); for i in $(seq 1000); do echo $mark; done > /data/marks; sync"
        )
        digest = it.written("/data/file")
        marks = it.say("md5sum < /data/marks")
    assert marks.split()[0] == hashlib.md5(f"{mark}\n".encode() * 1000, usedforsecurity=False).hexdigest()
    server.act(reboot={"type": "HARD"})
    server.until("ACTIVE")
    _holds(server, digest, marks)
    snapshot = site.make("snapshot", volume_id=volume, force=True)
    site.lose_power()
    site.cloud.up()
    server.until("SHUTOFF")
    server.act(os_start=None)
    server.until("ACTIVE")
    _holds(server, digest, marks)
    copy = site.boot(block_device_mapping_v2=[{"boot_index": 0, "source_type": "snapshot", "uuid": snapshot,
                                               "destination_type": "volume", "volume_size": 1}])  # fmt: skip
    _holds(copy, digest, marks)
    (clone,) = copy.volumes()
    assert site.show("volume", clone)["encrypted"]
    _is_told_nowhere(site, [mark.encode(), *keys])


def _keys(site: Site, volume: str) -> list[bytes]:
    """What opens the volume, in the forms in which it could be written down."""
    state = site.cloud.state
    with contextlib.closing(sqlite3.connect(f"file:{state.database}?mode=ro", uri=True)) as db:
        ((sealed,),) = db.execute("SELECT sealed_key FROM volumes WHERE id = ?", (volume,)).fetchall()
    key = vault(state.path, IdentityConfig()).open(sealed)
    assert key is not None
    return [key, base64.b64encode(key), key.hex().encode()]


def _holds(server: Server, digest: str, marks: str) -> None:
    with server.shell() as it:
        it.say(MOUNTED)
        assert (digest, marks) == (it.read("/data/file"), it.say("md5sum < /data/marks"))


def _is_told_nowhere(site: Site, secrets: list[bytes]) -> None:
    """No file, argument or environment holds what was to be kept: the bytes of volumes, their copies, documents, logs."""
    files = [file for folder in site.folders for file in folder.rglob("*.raw")]
    assert len(files) == 3
    for file in files:
        with file.open("rb") as disk:
            assert disk.read(len(LUKS)) == LUKS
    assert _holds_anywhere(site.cloud.path, b"scene")  # the servers' name: what is there is found
    found = [each for each in (site.cloud.path, *site.folders) for secret in secrets if _holds_anywhere(each, secret)]
    assert not found
    told = {id: Path(f"/proc/{its.pid}/cmdline").read_bytes() + Path(f"/proc/{its.pid}/environ").read_bytes()
            for id, its in servers_of(site.cloud.state)}  # fmt: skip
    assert len(told) == 2
    assert not [id for id, words in told.items() for secret in secrets if secret in words]


def _holds_anywhere(folder: Path, secret: bytes) -> bool:
    """Whether any file below holds it; grep goes over holes at once."""
    words = ["grep", "--recursive", "--quiet", "--fixed-strings", "--text", "-f", "-", str(folder)]
    sought = secret if b"\n" not in secret else max(secret.split(b"\n"), key=len)
    done = subprocess.run(words, input=sought + b"\n", check=False, env={"LC_ALL": "C"})
    assert done.returncode in {0, 1}, f"grep ended with {done.returncode}"
    return done.returncode == 0
