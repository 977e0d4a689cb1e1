"""A real, small Ceph for tests: a monitor, an OSD in a file and a pool, on an address of 127.0.0.0/8 that is its own.

Nothing of it outlives the test run: the kernel stops its daemons when the run dies, however it dies.
"""

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

START_S = 120.0
TRIES = 3
OSD_BYTES = 10 * 2**30
SETTINGS = """\
[global]
fsid = {fsid}
mon host = [v2:{address}:{port},v1:{address}:{old_port}]
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
mon data = {folder}/mon
osd data = {folder}/osd
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 2
mon data avail crit = 1
auth allow insecure global id reclaim = false
osd crush chooseleaf type = 0
osd objectstore = bluestore
bluestore block size = {osd_bytes}
osd memory target = 939524096
public addr = {address}
cluster addr = {address}
ms bind ipv6 = false
"""


class Ceph:
    """A running cluster with its data in a temporary folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ceph-"))
        self.conf = str(self.folder / "ceph.conf")
        self._daemons: list[subprocess.Popen[bytes]] = []
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def pool(self) -> str:
        """A new, empty pool."""
        name = f"p{secrets.token_hex(4)}"
        self.ceph("osd", "pool", "create", name, "8")
        self.ceph("osd", "pool", "application", "enable", name, "rbd")
        return name

    def rbd(self, *words: str, stdin: bytes | None = None) -> bytes:
        """What rbd prints, as the cluster's administrator."""
        argv = ["rbd", "--conf", self.conf, *words]
        return subprocess.run(argv, check=True, input=stdin, capture_output=True, timeout=START_S).stdout

    def ceph(self, *words: str, stdin: str = "") -> str:
        """What ceph prints, as the cluster's administrator."""
        argv = ["ceph", "--conf", self.conf, "--connect-timeout", "30", *words]
        return subprocess.run(argv, check=True, input=stdin, text=True, capture_output=True, timeout=START_S).stdout

    def close(self) -> None:
        """The cluster and its data are gone."""
        for daemon in self._daemons:
            daemon.kill()
        for daemon in self._daemons:
            daemon.wait(START_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self) -> None:
        fsid = str(uuid.uuid4())
        self._settings(fsid)
        ring, conf = str(self.folder / "keyring"), self.conf
        caps = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
        _run("ceph-authtool", "--create-keyring", ring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        _run("ceph-authtool", ring, "--gen-key", "-n", "client.admin", *caps)
        self._monitor(fsid, ring)
        secret = _run("ceph-authtool", "--gen-print-key").strip()
        osd = str(uuid.uuid4())
        number = self.ceph("osd", "new", osd, "-i", "-", stdin=json.dumps({"cephx_secret": secret})).strip()
        (self.folder / "osd").mkdir()
        own = str(self.folder / "osd" / "keyring")
        _run("ceph-authtool", "--create-keyring", own, "--name", f"osd.{number}", "--add-key", secret)
        _run("ceph-osd", "-c", conf, "-i", number, "--mkfs", "--osd-uuid", osd, "--keyring", own)
        self._daemon("ceph-osd", "-f", "-c", conf, "-i", number, "--keyring", own)
        self._wait(lambda: json.loads(self.ceph("osd", "stat", "-f", "json"))["num_up_osds"] == 1)

    def _settings(self, fsid: str) -> None:
        port = 20_000 + secrets.randbelow(10_000)
        (self.folder / "ceph.conf").write_text(
            SETTINGS.format(fsid=fsid, address=self._address(), port=port, old_port=port + 1, folder=self.folder,
                            osd_bytes=OSD_BYTES)
        )  # fmt: skip
        self._at = f"[v2:{self._address()}:{port},v1:{self._address()}:{port + 1}]"

    def _address(self) -> str:
        """Of sixteen million addresses of this machine's own one that nobody else has chosen."""
        if not hasattr(self, "_own"):
            octets = secrets.token_bytes(2)
            self._own = f"127.{64 + secrets.randbelow(64)}.{octets[0]}.{1 + octets[1] % 254}"
            with contextlib.closing(socket.socket()) as probe:
                probe.bind((self._own, 0))
        return self._own

    def _monitor(self, fsid: str, ring: str) -> None:
        known = str(self.folder / "monmap")
        _run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", self._at, known)
        _run("ceph-mon", "-c", self.conf, "--mkfs", "-i", "a", "--monmap", known, "--keyring", ring)
        self._daemon("ceph-mon", "-f", "-c", self.conf, "-i", "a")
        self._wait(lambda: "quorum" in self.ceph("quorum_status"))

    def _daemon(self, *argv: str) -> None:
        with (self.folder / "out").open("ab") as out:
            # The kernel stops the daemon when the test run is gone.
            argv = ("setpriv", "--pdeathsig=KILL", *argv)
            self._daemons.append(
                subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            )

    def _wait(self, ready) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
                if ready():
                    return
            if time.monotonic() > deadline or any(each.poll() is not None for each in self._daemons):
                raise RuntimeError(f"Ceph does not start: {(self.folder / 'out').read_text()[-2000:]}")
            time.sleep(0.1)  # there is nothing to wait on but the answer


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=START_S).stdout


def started() -> Ceph:
    """A cluster that answers. Whose address somebody else took just then is begun once more, elsewhere."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(RuntimeError):
            return Ceph()
    return Ceph()


@pytest.fixture(scope="session")
def ceph() -> Iterator[Ceph]:
    """A cluster for all tests of this run that ask for one."""
    cluster = started()
    try:
        yield cluster
    finally:
        cluster.close()
