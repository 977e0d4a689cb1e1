"""qemu-img, the only program that looks into disks: always told the format, jailed where the bytes are a stranger's."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pileus.block_storage.drivers.interface import DriverError
from pileus.kit.disk_formats import Mismatch, Unsafe, check_file
from pileus.kit.disk_images import NotConverted, make_raw, ours_alone
from pileus.kit.jail import IMAGE_TOOL
from pileus.kit.lent import lent
from pileus.kit.run import ProgramFailed, run

COPY_S = 7200.0
SECTOR = 512
AS_THEY_ARE = frozenset({"raw", "gpt", "ami", "iso"})  # images whose bytes are those of the disk
IMAGE_NAMES = {"vpc": "vhd", "parallels": "ploop"}  # earlier controllers name formats only as qemu-img does


async def tool_on(files: Sequence[Path], words: Callable[..., Sequence[str]], *, secret: bytes | None = None) -> str:
    """What qemu-img says, as who may open these files of ours and no others; raises DriverError with its last words.

    `words` gets what each file is called, and the secret's file behind them.
    """
    async with lent(*files, secret=secret) as them:
        said = words(*them.names)
        argv = them.around([*IMAGE_TOOL, "qemu-img", *said])
        try:
            done = await run(argv, pass_fds=them.descriptors, deadline_s=COPY_S)
        except ProgramFailed as failed:
            raise DriverError(f"qemu-img {said[0]} failed", failed.why) from failed
    return done.out


async def raw_of(fetched: Path, format: str, room: int) -> Path:
    """A raw file beside the fetched image with its disk, or the image itself where that is one; what is not in that format, reads
    other files or has more bytes than there is room for is refused, before anything is written."""
    claim = IMAGE_NAMES.get(format, format)
    try:
        await asyncio.to_thread(check_file, fetched, claim)
    except (Mismatch, Unsafe) as refused:
        raise DriverError("The image cannot be used", str(refused)) from refused
    if claim in AS_THEY_ARE:
        return fetched
    raw = fetched.with_name("raw")
    try:
        await make_raw(fetched, raw, claim, room)
    except NotConverted as refused:
        raise DriverError("The image cannot be used", str(refused)) from refused
    return raw


async def image_of(raw: Path, target: Path, format: str) -> None:
    """The raw file in another form."""
    await asyncio.to_thread(ours_alone, target)
    await tool_on((raw, target), lambda has, gets: ("convert", "-f", "raw", "-O", format, has, gets))


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
    """The target, which begins as an encrypted disk does, holds the raw file's bytes. The key stays in memory."""
    size = -(-plain.stat().st_size // SECTOR) * SECTOR
    for file, octets in ((plain, size), (target, payload + size)):
        os.truncate(file, octets)

    def words(has: str, gets: str, secret: str) -> Sequence[str]:
        options = f"driver=luks,key-secret=key,file.driver=file,file.filename={gets}"
        keyed = ("--object", f"secret,id=key,file={secret}")
        return ("convert", *keyed, "-n", "--target-image-opts", "-f", "raw", has, options)

    await tool_on((plain, target), words, secret=key)
