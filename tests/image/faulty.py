"""Disks that are full, and disks that fail: small file systems, and files of which a stretch cannot be read.

Needs root; what fails to be read is served by QEMU's own block layer (blkdebug) over FUSE, in the place of the file.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
DEADLINE_S = 60.0


@contextlib.contextmanager
def small_disk(where: Path, size: int = 8 * MIB, inodes: int = 64) -> Iterator[Path]:
    """A file system of its own is mounted there."""
    image = where.with_name(f"{where.name}.ext4")
    with image.open("wb") as out:
        out.truncate(size)
    where.mkdir(exist_ok=True)
    words = ["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-N", str(inodes), str(image)]
    subprocess.run(words, check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def fill(where: Path, leave: int) -> Path:
    """The file system has no more room than that; returns what takes it."""
    ballast = where / "ballast"
    with ballast.open("wb") as file:
        file.flush()
        room = os.statvfs(where)
        file.write(os.urandom(max(room.f_bavail * room.f_frsize - leave, 0)))
    return ballast


@contextlib.contextmanager
def unreadable(file: Path, at: int) -> Iterator[None]:
    """The file is as it was, but for the 512 bytes there: who reads them is told of an input/output error."""
    below = file.with_name(f"{file.name}.below")
    below.write_bytes(file.read_bytes())
    injected = [{"event": "none", "iotype": "read", "errno": 5, "sector": at // 512, "once": False}]
    node = {"driver": "file", "node-name": "below", "filename": str(below), "read-only": True}
    fails = {"driver": "blkdebug", "node-name": "fails", "image": "below", "read-only": True, "inject-error": injected}
    words = ["--blockdev", json.dumps(node), "--blockdev", json.dumps(fails)]
    words += ["--export", f"type=fuse,id=e,node-name=fails,mountpoint={file}"]
    before = os.stat(file).st_dev
    daemon = subprocess.Popen(["qemu-storage-daemon", *words])
    try:
        end = time.monotonic() + DEADLINE_S
        while os.stat(file).st_dev == before:
            assert daemon.poll() is None and time.monotonic() < end, "the file was not taken over"
            time.sleep(0.02)
        yield
    finally:
        daemon.terminate()
        daemon.wait(DEADLINE_S)
        below.unlink()
