#!/usr/bin/env python3
"""What backups move: a volume written to chunks in a folder and back, by each compression, and an incremental one of it.

    .venv/bin/python bench/backups.py [--mebibytes 512] [--folder DIR] [--ways zstd zlib bz2 none]

Half of the volume is random bytes, half is text, which can be squeezed; as much again is a hole.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from pileus.block_storage.drivers.backup_chunks import WAYS
from pileus.block_storage.drivers.backup_files import Backups
from pileus.block_storage.drivers.interface import Backup, Origin

MIB = 1 << 20
TEXT = b"what a guest writes is often much like what it wrote before\n" * (MIB // 60 + 1)


def a_volume(file: Path, mebibytes: int) -> None:
    """A sparse file, half of which was written."""
    with file.open("wb") as out:
        for at in range(mebibytes):
            out.write(os.urandom(MIB) if at % 2 else TEXT[:MIB])
        out.truncate(2 * mebibytes * MIB)


async def measure(room: Path, mebibytes: int, ways: list[str]) -> None:
    """Print the rates."""
    volume, back = room / "volume", room / "back"
    a_volume(volume, mebibytes)
    for way in ways:
        backups = Backups(room / way)
        figures = []
        for id, parent in (("full", None), ("more", "full")):
            started = time.monotonic()
            await backups.write(Backup(id=id, backend="b", of=Origin(kind="volume", id="v"), parent=parent, compression=way),
                                volume)  # fmt: skip
            figures.append(mebibytes / (time.monotonic() - started))
        started = time.monotonic()
        await backups.restore("full", back)
        figures.append(mebibytes / (time.monotonic() - started))
        stored = (await backups.seen("full")).stored / MIB
        full, more, restored = (f"{each:6.0f} MiB/s" for each in figures)
        print(f"{way:5}  full {full}   unchanged {more}   restored {restored}   {stored:.0f} of {mebibytes} MiB kept")


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=512)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="pileus-bench-") as room:
        asyncio.run(measure(Path(room), given.mebibytes, given.ways))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
