"""Disks of servers: an overlay of their own above an image all servers share.

    image in the cache -> link into the server's directory -> overlay above the link

The link keeps the image there for its servers when the cache drops it. Formats are always said, never guessed: a guest writes
its own disk.
"""

import asyncio
import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from pileus.compute.drivers.interface import DriverError, Wanted
from pileus.compute.drivers.judging import check_fit
from pileus.compute.drivers.qemu.argv import CONFIG_FILE, DiskFile, disk_files
from pileus.compute.drivers.qemu.arrivals import Arrivals
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.images import ImageCache
from pileus.compute.drivers.qemu.iso import iso
from pileus.compute.drivers.qemu.jail import IMAGE_TOOL, Jail
from pileus.compute.drivers.qemu.scratch import format_file
from pileus.kit.errors import Problem
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.observe.log import log_of
from pileus.kit.run import ProgramFailed, run
from pileus.ports.given_passwords import GivenPasswords

log = log_of(__name__)

CONFIG_LABEL = "config-2"
QEMU_IMG_S = 300.0


class Disks:
    """Makes the disks of servers."""

    def __init__(self, cache: ImageCache, arrivals: Arrivals) -> None:
        self._cache = cache
        self.arrivals = arrivals

    async def ensure(self, server: Wanted, home: Home, then: Callable[[], None]) -> bool:
        """Whether every disk is there; if not, an image is on its way and `then` is called when to ask again."""
        ready = True
        for files in disk_files(server):
            if server.arrival is not None:
                ready = await self._prepare(files, server, home, then) and ready
            elif server.origin is not None:
                ready = self._arrives(files, server.origin, home, then) and ready
            else:
                _check_there(files, server, home)
                ready = await self._ensure_one(files, home, then) and ready
        return ready

    async def _prepare(self, files: DiskFile, server: Wanted, home: Home, then: Callable[[], None]) -> bool:
        """Whether the disk is there, empty, above what it lies above on the host the server comes from."""
        image, base, origin = files.disk.image, home.guest / files.base, server.origin or ""
        if image is not None and not base.exists() and (cached := self._cache.here(image)) is not None:
            os.link(cached, base)
        if image is not None and not self.arrivals.ready(home, origin, files.base, then):
            return False
        # What the guest was told about itself when it started, to the byte: it has the size of that by heart.
        if server.config_drive is not None and not self.arrivals.ready(home, origin, CONFIG_FILE, then):
            return False
        return await self._ensure_one(files, home, then)

    def _arrives(self, files: DiskFile, origin: str, home: Home, then: Callable[[], None]) -> bool:
        """Whether the disk and what it lies above are here; the latter may be among this host's images already."""
        ready = self.arrivals.ready(home, origin, files.file, then)
        image, base = files.disk.image, home.guest / files.base
        if image is None or base.exists():
            return ready
        if (cached := self._cache.here(image)) is not None:
            os.link(cached, base)
            return ready
        return self.arrivals.ready(home, origin, files.base, then) and ready

    async def _ensure_one(self, files: DiskFile, home: Home, then: Callable[[], None]) -> bool:
        disk, file, base = files.disk, home.guest / files.file, home.guest / files.base
        if file.exists():
            return True
        if disk.image is not None and not base.exists():
            cached = self._cache.ready(disk.image, files.room, then)
            if cached is None:
                return False
            check_fit(await self._cache.holds(disk.image), files.room)
            os.link(cached, base)
        jail = Jail(home.uid)
        size = disk.octets
        below: list[str] = []
        if disk.image is not None:
            size = max(size, (await look_at(jail, base, disk.image.format)).virtual_size)
            below = ["-b", base.name, "-F", disk.image.format]
        # A name of its own: the qemu-img of a controller that was killed may still hold, and lock, the one before.
        for left in home.guest.glob(f"{file.name}.*.part"):
            left.unlink()
        part = f"{file.name}.{secrets.token_hex(4)}.part"
        if disk.format is not None and disk.image is None:
            await formatted(jail, home.guest, part, size, disk.format)
        else:
            await qemu_img(jail, home.guest, "create", "-q", "-f", "qcow2", *below, part, str(size))
        (home.guest / part).rename(file)
        return True


def _check_there(files: DiskFile, server: Wanted, home: Home) -> None:
    """Raise DriverError where a disk is gone that was made: none is made in its place that would be taken for it."""
    run = home.run()
    if run.disks_ready and run.shape == server.shape and not (home.guest / files.file).exists():
        raise DriverError("A disk of the server was lost", f"{files.file} is not in its directory any more")


async def formatted(jail: Jail, folder: Path, file: str, size: int, format: str) -> None:
    """A disk of that name and size is there, formatted."""
    raw = f"{file}.raw.part"
    try:
        await format_file(jail, folder, raw, size, format)
        await qemu_img(jail, folder, "convert", "-f", "raw", "-O", "qcow2", raw, file)
    finally:
        (folder / raw).unlink(missing_ok=True)


async def write_config(server: Wanted, home: Home, passwords: GivenPasswords | None) -> None:
    """The disc with what the guest is told about itself is there, as it is told now; raises DriverError."""
    if server.config_drive is None:
        return
    files = {path: base64.b64decode(content) for path, content in server.config_drive.items()}
    if server.password is not None and passwords is not None:
        try:
            told = {"admin_pass": await passwords.fetch(server.id, server.password)}
        except Problem as failed:
            if (home.guest / CONFIG_FILE).exists():
                log.warning("the disc stays as it is: its password cannot be had", server=server.id, why=failed.message)
                return
            raise DriverError("The password for the config drive cannot be had", failed.message) from failed
        for path, content in list(files.items()):
            if path.endswith("/meta_data.json"):
                files[path] = msgspec.json.encode({**msgspec.json.decode(content), **told})
    await asyncio.to_thread(_burn, files, home)


def _burn(files: Mapping[str, bytes], home: Home) -> None:
    part, file = home.guest / f"{CONFIG_FILE}.part", home.guest / CONFIG_FILE
    part.unlink(missing_ok=True)
    # Never through a link that a guest's user may have put there.
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with os.fdopen(handle, "wb") as out:
        out.write(iso(CONFIG_LABEL, files))
        if home.uid is not None:
            os.fchown(out.fileno(), home.uid, home.uid)
    part.rename(file)


class Checkpoint(msgspec.Struct):
    """A state of a disk that is remembered inside it."""

    name: str


class Measured(msgspec.Struct, rename="kebab"):
    """What qemu-img tells of a disk."""

    virtual_size: int
    snapshots: tuple[Checkpoint, ...] = ()


async def look_at(jail: Jail, file: Path, format: str) -> Measured:
    """What a disk is like, whether a QEMU has it open or not."""
    out = await qemu_img(jail, file.parent, "info", "-U", "--output=json", "-f", format, file.name)
    return msgspec.json.decode(out, type=Measured)


async def qemu_img(jail: Jail, cwd: Path, *words: str, deadline_s: float = QEMU_IMG_S) -> str:
    """What qemu-img says, run as the server's user; raises DriverError with its last words."""
    try:
        done = await run(jail.around([*IMAGE_TOOL, "qemu-img", *words]), cwd=cwd, deadline_s=deadline_s)
    except ProgramFailed as failed:
        raise DriverError(f"qemu-img {words[0]} failed", failed.why) from failed
    failpoint("qemu-img.after", words[0])
    return done.out
