"""qemu-img, the only program that looks into disks: always told the format, jailed where the bytes are a stranger's."""

import asyncio
import os
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.interface import DriverError
from pileus.kit.disk_formats import Mismatch, Unsafe, check_file
from pileus.kit.jail import IMAGE_TOOL, Jail, jail_of
from pileus.kit.run import ProgramFailed, run

COPY_S = 7200.0
SECTOR = 512


class Measured(msgspec.Struct, rename="kebab"):
    """What qemu-img tells of an image."""

    virtual_size: int
    backing_filename: str | None = None


async def tool(jail: Jail, cwd: Path, *words: str, stdin: bytes | None = None) -> str:
    """What qemu-img says; raises DriverError with its last words."""
    try:
        argv = jail.around([*IMAGE_TOOL, "qemu-img", *words])
        done = await run(argv, cwd=cwd, stdin=stdin, deadline_s=COPY_S)
    except ProgramFailed as failed:
        raise DriverError(f"qemu-img {words[0]} failed", failed.why) from failed
    return done.out


async def raw_of(room: Path, fetched: Path, format: str, of: str) -> Path:
    """A raw file beside the fetched image with what it holds; an image that reads other files is refused."""
    jail = jail_of(of)
    if jail.uid is not None:
        for path in (room, fetched):
            os.chown(path, jail.uid, jail.uid)
    try:
        await asyncio.to_thread(check_file, fetched, format)
    except (Mismatch, Unsafe) as refused:
        raise DriverError("The image cannot be used", str(refused)) from refused
    out = await tool(jail, room, "info", "--output=json", "-f", format, fetched.name)
    if msgspec.json.decode(out, type=Measured).backing_filename is not None:
        raise DriverError("The image cannot be used", "it is only what differs from another file")
    raw = room / "raw"
    await tool(jail, room, "convert", "-f", format, "-O", "raw", fetched.name, raw.name)
    handle = os.open(raw, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if jail.uid is not None:
            os.fchown(handle, 0, 0)
    finally:
        os.close(handle)
    return raw


async def image_of(raw: Path, target: Path, format: str) -> None:
    """The raw file in another form. The bytes are a stranger's, but raw ones are not parsed; they are only written anew."""
    await tool(Jail(None), raw.parent, "convert", "-f", "raw", "-O", format, str(raw), str(target))


async def copy_file(source: Path, target: Path, *, live: bool = False) -> None:
    """A copy of a file; of one that may be written to meanwhile only by reference, which is one moment's."""
    how = "always" if live else "auto"
    sparse = () if live else ("--sparse=always",)
    try:
        await run(["cp", f"--reflink={how}", *sparse, "--", str(source), str(target)], deadline_s=COPY_S)
    except ProgramFailed as failed:
        target.unlink(missing_ok=True)
        # Users read it in the volume's messages: where their bytes lie is not theirs to know.
        said = failed.why.replace(str(source), source.name).replace(str(target), target.name)
        why = f"it is attached, and its file system copies nothing by reference: {said}"
        raise DriverError("The volume cannot be copied", why if live else said) from failed


async def encrypt(plain: Path, target: Path, key: bytes, payload: int) -> None:
    """The target, which begins as an encrypted disk does, holds the raw file's bytes. The key goes through a pipe."""
    size = -(-plain.stat().st_size // SECTOR) * SECTOR
    for file, octets in ((plain, size), (target, payload + size)):
        os.truncate(file, octets)
    secret = ("--object", "secret,id=key,file=/dev/stdin")
    options = f"driver=luks,key-secret=key,file.driver=file,file.filename={target}"
    words = ("convert", *secret, "-n", "--target-image-opts", "-f", "raw", str(plain), options)
    await tool(Jail(None), plain.parent, *words, stdin=key)
