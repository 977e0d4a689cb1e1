"""Making files that survive a power cut: write, fsync, rename, fsync of the directory, and of every new one above."""

import contextlib
import errno
import itertools
import os
import shutil
import time
import uuid
from pathlib import Path

from pileus.object_store.disk.syscalls import is_folder
from pileus.object_store.errors import DeviceUnusable

SMALL = 1 << 20  # bytes
BELIEVED_S = 0.5
UNUSABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO}


def sync_folder(folder: str | Path) -> None:
    """What was renamed, made or removed in a directory is durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure_folder(folder: str) -> None:
    """The directory is there, durably, with those above it."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        ensure_folder(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    sync_folder(os.path.dirname(folder))


def write_durably(path: str, content: bytes, tmp: str) -> None:
    """The file holds the content, whole, after a power cut too; until then what it held before."""
    fresh = os.path.join(tmp, uuid.uuid4().hex)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        ensure_folder(os.path.dirname(path))
        os.rename(fresh, path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        raise
    sync_folder(os.path.dirname(path))


class Volume:
    """The directory that is one device. What it is asked for while it is unusable raises DeviceUnusable."""

    def __init__(self, root: Path, name: str, reserve_percent: float = 1.0) -> None:
        self.root = str(root)
        self.name = name
        self._reserve = reserve_percent / 100
        self._looked = 0.0
        self._seed = uuid.uuid4().hex
        self._count = itertools.count()

    @property
    def tmp(self) -> str:
        """Where files are while they are not whole."""
        return os.path.join(self.root, "tmp")

    def fresh(self) -> str:
        """The path of a new file in `tmp`; no two are alike."""
        return os.path.join(self.tmp, f"{self._seed}-{next(self._count)}")

    def prepare(self) -> None:
        """What a new device needs is there; what was under way when the process before this one ended is gone.

        A directory that is a mount point without its disk stays as it is, and unusable: whoever made it put a mark in it.
        """
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        shutil.rmtree(self.tmp, ignore_errors=True)
        ensure_folder(self.tmp)

    def require_room(self, size: int = 0) -> None:
        """There is room for so many bytes more; else raises DeviceUnusable. For small ones it is believed for a moment."""
        now = time.monotonic()
        if size < SMALL and now - self._looked < BELIEVED_S and is_folder(self.tmp):
            return
        try:
            found = os.statvfs(self.root)
        except OSError as failed:
            raise self.unusable(failed) from failed
        free = found.f_bavail * found.f_frsize - size
        if free < self._reserve * found.f_blocks * found.f_frsize:
            raise DeviceUnusable(device=self.name, why=f"only {max(free, 0)} bytes would be left")
        if not os.path.isdir(self.tmp):
            raise DeviceUnusable(device=self.name, why="it is not there")
        self._looked = now

    def unusable(self, failed: OSError) -> Exception:
        """What a failed system call means to whoever wanted something of the device."""
        gone = failed.errno == errno.ENOENT and not os.path.isdir(self.tmp)
        if failed.errno in UNUSABLE or gone:
            return DeviceUnusable(device=self.name, why=failed.strerror)
        return failed
