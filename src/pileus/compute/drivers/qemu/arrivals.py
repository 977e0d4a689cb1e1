"""Disks of a server that come from the host it was on, and what that host gives of them.

    origin's file -> arriving-<name>, verified -> the server's user's -> its name in the server's directory

A file counts only under its name, so one that was cut off is fetched anew. What is given away is opened without following
links, for the guest's user may have put one there.
"""

import asyncio
import os
import stat
from collections.abc import Callable

from pileus.compute.drivers.interface import DriverError, Wanted
from pileus.compute.drivers.qemu.argv import CONFIG_FILE, disk_files
from pileus.compute.drivers.qemu.home import Home
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.server_files import ServerFiles


class Arrivals:
    """Files that are on their way to this host."""

    def __init__(self, files: ServerFiles | None) -> None:
        self._files = files
        self._fetches: dict[tuple[str, str], asyncio.Task[None]] = {}

    def ready(self, home: Home, host: str, name: str, then: Callable[[], None]) -> bool:
        """Whether the file is here; if not, it is on its way, and `then` is called when that ended.

        Raises what the last try failed with, once; to ask again is to try again.
        """
        if (home.guest / name).exists():
            return True
        key = home.id, name
        task = self._fetches.get(key)
        if task is None:
            task = self._fetches[key] = asyncio.create_task(self._fetch(home, host, name), name=f"fetch {name}")
            # Told to whoever asks next; if nobody does any more, asyncio need not complain of it.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        elif task.done():
            del self._fetches[key]
            failed = task.exception()
            if failed is not None:
                raise DriverError(f"Disks cannot be had from host {host}", str(failed) or type(failed).__name__)
            return True
        task.add_done_callback(lambda _: then())
        return False

    async def give_up(self, id: str) -> None:
        """Nothing of the server is on its way any more."""
        for key in [key for key in self._fetches if key[0] == id]:
            await _ended([self._fetches.pop(key)])

    async def close(self) -> None:
        """Nothing is on its way any more."""
        await _ended(list(self._fetches.values()))
        self._fetches.clear()

    async def _fetch(self, home: Home, host: str, name: str) -> None:
        if self._files is None:
            raise DriverError("This host takes no disks from others", name)
        part = home.path / f"arriving-{name}"
        part.unlink(missing_ok=True)
        try:
            await self._files.fetch(host, home.id, name, part)
            failpoint("qemu.arrive", "fetched")
            await asyncio.to_thread(_settle, home, name)
            failpoint("qemu.arrive", "kept")
        finally:
            part.unlink(missing_ok=True)


def _settle(home: Home, name: str) -> None:
    """The whole file has its name, on the disk too."""
    part = home.path / f"arriving-{name}"
    with part.open("rb") as whole:
        os.fchmod(whole.fileno(), 0o600)
        if home.uid is not None:
            os.fchown(whole.fileno(), home.uid, home.uid)
        os.fsync(whole.fileno())
    part.rename(home.guest / name)
    directory = os.open(home.guest, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def given(home: Home, wanted: Wanted | None, name: str, *, at_rest: bool) -> int:
    """An open descriptor of a server's file: a disk while the server is at rest, or a copy; raises DriverError."""
    files = disk_files(wanted) if wanted is not None else ()
    disks = {each.file for each in files}
    fixed = {*(each.base for each in files), CONFIG_FILE}  # nobody writes those
    copies = {file.name for file in home.path.glob("snapshot-*.qcow2")}
    if name not in disks | fixed | copies:
        raise DriverError("The server has no such file", name)
    if name in disks and not at_rest:
        raise DriverError("The server runs", f"{name} changes while it is read")
    path = home.path / name if name in copies else home.guest / name
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as failed:
        raise DriverError(f"{name} cannot be read", failed.strerror or str(failed)) from failed
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise DriverError(f"{name} cannot be read", "it is no file")
    return file


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
