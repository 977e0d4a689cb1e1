"""Making the guest, and finding the one already made.

A finished guest is a folder of the cache named after its kernel and the recipe (this package's own files); it appears
by one rename, so what is there is whole.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pileus.guest import disk, initrd, packages
from pileus.kit.errors import Unavailable
from pileus.kit.run import ProgramFailed

Say = Callable[[str], None]
HERE = Path(__file__).parent


class CannotBuildGuest(Unavailable):
    """The built-in guest could not be made: {why}"""


class Guest(msgspec.Struct, frozen=True):
    """A finished guest: a disk image (qcow2), its kernel and initrd as files, and the kernel's release."""

    image: Path
    kernel: Path
    initrd: Path
    version: str


async def ensure(cache: Path, say: Say) -> Guest:
    """The newest guest in the cache, made first if there is none; asks no network when there is one."""
    made = cached(cache)
    return made if made is not None else await make(cache, say)


def cached(cache: Path) -> Guest | None:
    """The newest guest in the cache, if there is one."""
    return _made(cache, "*")


async def make(cache: Path, say: Say, *, anew: bool = False) -> Guest:
    """The guest of the kernel offered now is in the cache; `anew` makes it even if it was there."""
    try:
        try:
            return await _make_offered(cache, say, anew=anew)
        except ProgramFailed as failed:
            if not failed.argv[0].startswith("apt") or os.geteuid() != 0:
                raise
            # No list of packages yet, or one so old that its files are gone from the server.
            say("guest: refreshing the list of packages")
            await packages.refresh()
            return await _make_offered(cache, say, anew=anew)
    except ProgramFailed as failed:
        raise CannotBuildGuest(why=str(failed)) from failed


async def build(output: Path, cache: Path, say: Say, *, anew: bool = False) -> Guest:
    """The disk image of the kernel offered now is at `output`; `anew` makes it even if the cache holds it."""
    guest = await make(cache, say, anew=anew)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        shutil.copyfile(guest.image, partial)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return guest


def recipe() -> str:
    """Eight letters that change whenever a file of this package does."""
    whole = hashlib.sha256()
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            whole.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:8]


def _made(cache: Path, version: str) -> Guest | None:
    prefix, suffix = "guest-", f"+{recipe()}"
    folders = sorted(cache.glob(f"{prefix}{version}{suffix}"), key=lambda path: path.stat().st_mtime)
    if not folders:
        return None
    newest = folders[-1]
    release = newest.name.removeprefix(prefix).removesuffix(suffix)
    return Guest(newest / "guest.qcow2", newest / "vmlinuz", newest / "initrd", release)


async def _make_offered(cache: Path, say: Say, *, anew: bool) -> Guest:
    kernel = await packages.kernel_offered()
    made = _made(cache, kernel.release)
    return made if made is not None and not anew else await _make(kernel, cache, say)


async def _make(kernel: packages.Kernel, cache: Path, say: Say) -> Guest:
    started = time.monotonic()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".guest-", dir=cache) as folder:
        work = Path(folder)
        say(f"guest: fetching the kernel {kernel.release} and busybox")
        tree = await packages.unpack(kernel, work)
        parts = work / "parts"
        parts.mkdir()
        shutil.copyfile(tree / "boot" / f"vmlinuz-{kernel.release}", parts / "vmlinuz")
        (parts / "initrd").write_bytes(await initrd.make(tree, kernel.release))
        say("guest: writing the disk image")
        image = await disk.make(tree, parts, work)
        image.rename(parts / "guest.qcow2")
        _publish(parts, cache / f"guest-{kernel.release}+{recipe()}", work)
    guest = _made(cache, kernel.release)
    if guest is None:
        raise CannotBuildGuest(why=f"it vanished from {cache} while it was being made")
    size = guest.image.stat().st_size / disk.MIB
    say(f"guest: {guest.image} made in {time.monotonic() - started:.0f} s, {size:.0f} MiB")
    return guest


def _publish(parts: Path, place: Path, work: Path) -> None:
    """`place` is the new folder; one that was there before goes with the work folder."""
    if place.exists():
        place.rename(work / "former")
    try:
        parts.rename(place)
    except OSError:
        # Another process was quicker; the same recipe and kernel made the same thing.
        if not place.exists():
            raise
