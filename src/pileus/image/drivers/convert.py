"""Converting a disk image from one format to another, by qemu-img, which strangers' bytes are let near nothing with.

It runs in a folder of its own, as a user of nobody else's, with the format given and limits on memory, processor time
and what it may write. What refers to other files, or claims to be larger than it may, is refused before it is converted.
"""

import asyncio
import os
import shutil
from pathlib import Path

import msgspec

from pileus.kit.jail import LEAN, Jail, jail_of
from pileus.kit.run import ProgramFailed, run

NAMES = {"vhd": "vpc", "ploop": "parallels", "gpt": "raw", "ami": "raw"}  # as qemu-img calls what images call otherwise
MEMORY = 1 << 30
LOOK_S, CONVERT_S = 2, 3600  # seconds of processor time
WAIT_S = 6 * 3600.0
SLACK = 64 << 20  # what a file of some format takes beyond the disk it holds
OUT = "converted"


class NotConverted(Exception):
    """The image could not be converted; the text says why."""


class _Specific(msgspec.Struct, frozen=True):
    data: dict[str, object] = {}


class _Told(msgspec.Struct, frozen=True, rename="kebab"):
    """What qemu-img tells of an image."""

    virtual_size: int
    backing_filename: str | None = None
    format_specific: _Specific = _Specific()


async def converted(source: Path, room: Path, formats: tuple[str, str], cap: int) -> Path:
    """A file in `room` that holds the same disk in the second format; raises NotConverted. `source` is left as it was."""
    jail = jail_of(room.name)
    was, becomes = (NAMES.get(one, one) for one in formats)
    await asyncio.to_thread(_furnish, source, room, jail)
    told = await _look(jail, room, was)
    if told.backing_filename is not None or told.format_specific.data.get("data-file") is not None:
        raise NotConverted("it refers to other files")
    if told.virtual_size > cap:
        raise NotConverted(f"its disk has {told.virtual_size} bytes; {cap} are allowed")
    words = ("convert", "-f", was, "-O", becomes, "source", OUT)
    await _tool(jail, room, words, cpu_s=CONVERT_S, most=told.virtual_size + told.virtual_size // 8 + SLACK)
    await asyncio.to_thread(_take_back, source, room, jail)
    return room / OUT


def _furnish(source: Path, room: Path, jail: Jail) -> None:
    if room.exists():  # of an earlier try
        shutil.rmtree(room)
    room.mkdir(parents=True, mode=0o700)
    os.link(source, room / "source")
    if jail.uid is not None:
        # Only to be read: whoever owns a file may also write to it.
        os.chown(room / "source", 0, jail.uid)
        (room / "source").chmod(0o640)
        os.chown(room, jail.uid, jail.uid)


def _take_back(source: Path, room: Path, jail: Jail) -> None:
    handle = os.open(room / OUT, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if jail.uid is not None:
            os.fchown(handle, 0, 0)
            os.fchmod(handle, 0o600)
            os.chown(source, 0, 0)
            source.chmod(0o600)
        os.fsync(handle)
    finally:
        os.close(handle)


async def _look(jail: Jail, room: Path, format: str) -> _Told:
    out = await _tool(jail, room, ("info", "--output=json", "-f", format, "source"), cpu_s=LOOK_S, most=0)
    try:
        return msgspec.json.decode(out, type=_Told)
    except msgspec.MsgspecError as odd:
        raise NotConverted(f"qemu-img tells of it what cannot be understood: {odd}") from odd


async def _tool(jail: Jail, room: Path, words: tuple[str, ...], *, cpu_s: int, most: int) -> str:
    """What qemu-img says; raises NotConverted with its last words."""
    limits = ("prlimit", f"--as={MEMORY}", f"--cpu={cpu_s}", f"--fsize={most}", "--core=0", *LEAN, "nice", "-n", "10")
    try:
        done = await run([*limits, *jail.around(["qemu-img", *words])], cwd=room, deadline_s=WAIT_S)
    except ProgramFailed as failed:
        raise NotConverted(f"qemu-img {words[0]}: {failed.why}") from failed
    return done.out
