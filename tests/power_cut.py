"""Power cuts, replayed: a file system whose every write is recorded, and the states its disk may be in when the power goes.

    with in_memory() as place:
        with recorded(place) as disk:
            keep(disk.folder / "it")              # what is to be proven durable
            kept.append(("it", disk.now()))       # it was acknowledged at this moment
        for cut in disk.cuts():
            with cut.mounted() as folder:         # the file system after the power came back
                assert all(there(folder / name) for name, at in kept if at <= cut.at)

QEMU's block layer records (`blklogwrites`) what ext4 writes through a loop device, in the format of dm-log-writes: a superblock, then
for each entry its header and its data. What was written before a completed flush is on the disk; of what was written since, a cut keeps
any part in any order, the last of it torn at a border of 512 bytes. Needs root and qemu-storage-daemon (Debian: qemu-system-common).
"""

import contextlib
import os
import random
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

SUPERBLOCK = struct.Struct("<QQQI")
HEADER = struct.Struct("<QQQQ")
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
SECTOR = 512
BLOCK = 4096
DEADLINE_S = 30.0
FEW = 3  # of so few unsynced writes every combination is tried


class Entry(msgspec.Struct, frozen=True):
    """One write or flush, and how long the log was once it was recorded."""

    at: int
    offset: int
    length: int
    flags: int
    data_at: int


class Cut(msgspec.Struct, frozen=True):
    """A moment at which the power went, and what of the unsynced writes had reached the disk: (entry, bytes of it)."""

    at: int
    why: str
    kept: tuple[tuple[Entry, int], ...]
    disk: "Disk"

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """The file system as it comes up again, journal and all."""
        image = self.disk.after(self)
        try:
            with _loop(image) as device, _mounted(device, self.disk.place / "after") as folder:
                yield folder
        finally:
            image.unlink()


class Disk:
    """A disk whose writes were recorded."""

    def __init__(self, place: Path, size: int) -> None:
        self.place = place
        self.folder = place / "m"
        self.size = size
        self.log = place / "log"
        self._synced = place / "synced"
        self._upto = 0
        self.entries: list[Entry] = []

    def now(self) -> int:
        """This moment, to be compared with that of a cut: whatever was durable before is in every later cut."""
        return self.log.stat().st_size

    def cuts(self, *, reorderings: int = 1, at_most: int | None = None, seed: int = 1) -> Iterator[Cut]:
        """A cut after every write and flush: with all of what was unsynced, none of it, and some (so often) of it.

        With `at_most`, that many of them, evenly spread and always in the same places for the same recording.
        """
        chosen = random.Random(seed)
        found = list(self._cuts(reorderings, chosen))
        if at_most is not None and len(found) > at_most:
            found = [found[number * len(found) // at_most] for number in range(at_most)]
        yield from found

    def _cuts(self, reorderings: int, chosen: random.Random) -> Iterator[Cut]:
        unsynced: list[Entry] = []
        for entry in self.entries:
            if entry.flags & FLUSH:
                unsynced = []
                yield Cut(entry.at, "after a flush", (), self)
            if entry.length:
                unsynced.append(entry)
                whole = [(one, one.length) for one in unsynced]
                yield Cut(entry.at, f"all {len(whole)} unsynced", tuple(whole), self)
                yield Cut(entry.at, f"none of {len(whole)} unsynced", (), self)
                if len(unsynced) <= FEW:
                    yield from (Cut(entry.at, "some", tuple(part), self) for part in _parts(whole))
                for _ in range(reorderings):
                    some = _torn([one for one in whole if chosen.random() < 0.5], chosen)
                    yield Cut(entry.at, f"{len(some)} of {len(whole)} unsynced, torn", tuple(some), self)

    def after(self, cut: Cut) -> Path:
        """The disk's image after the cut; cuts come in the order of time."""
        flushes = [entry.at for entry in self.entries if entry.flags & FLUSH and entry.at <= cut.at]
        synced = flushes[-1] if flushes else 0
        if synced < self._upto:
            raise ValueError("cuts come in the order of time")
        self._write(self._synced, ((one, one.length) for one in self.entries if self._upto < one.at <= synced))
        self._upto = synced
        image = self.place / "image"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", self._synced, image], check=True)
        self._write(image, cut.kept)
        return image

    def _write(self, image: Path, writes: Iterable[tuple[Entry, int]]) -> None:
        with self.log.open("rb") as log, image.open("r+b") as file:
            for entry, length in writes:
                log.seek(entry.data_at)
                file.seek(entry.offset)
                file.write(log.read(length) if not entry.flags & DISCARD else bytes(length))

    def read_log(self) -> None:
        """What was recorded is known."""
        self.entries = list(_entries(self.log))


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A folder for the disk and its images; in memory, where a cut takes a hundredth of a second instead of a tenth."""
    with tempfile.TemporaryDirectory(prefix="pileus-cuts-", dir="/dev/shm") as place:
        yield Path(place)


@contextlib.contextmanager
def recorded(place: Path, size: int = 64 << 20) -> Iterator[Disk]:
    """In the block `folder` is a file system whose writes are recorded; after it, `cuts` tells what a power cut may leave."""
    disk = Disk(place, size)
    exported, drive = place / "exported", place / "drive"
    for path in (exported, drive, disk.log):
        path.touch()
    os.truncate(drive, size)
    subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", drive], check=True)
    subprocess.run(["cp", "--sparse=always", drive, place / "synced"], check=True)
    with _daemon(drive, disk.log, exported), _loop(exported) as device, _mounted(device, disk.folder):
        yield disk
    disk.read_log()
    drive.unlink()


@contextlib.contextmanager
def _daemon(drive: Path, log: Path, exported: Path) -> Iterator[None]:
    argv = [
        "qemu-storage-daemon",
        "--blockdev", f"driver=file,node-name=drive,filename={drive}",
        "--blockdev", f"driver=file,node-name=log,filename={log}",
        "--blockdev", f"driver=blklogwrites,node-name=both,file=drive,log=log,log-sector-size={SECTOR}",
        "--export", f"type=fuse,id=it,node-name=both,mountpoint={exported},writable=on,growable=on",
    ]  # fmt: skip
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as daemon:
        try:
            _until(lambda: os.path.ismount(exported) or daemon.poll() is not None)
            assert daemon.poll() is None, "qemu-storage-daemon ended"
            yield
        finally:
            daemon.terminate()
            daemon.wait(DEADLINE_S)


@contextlib.contextmanager
def _loop(file: Path) -> Iterator[str]:
    argv = ["losetup", "--find", "--show", str(file)]
    device = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextlib.contextmanager
def _mounted(device: str, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", device, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _entries(log: Path) -> Iterator[Entry]:
    """Every entry in the order it was recorded; zeros at the end are what a write of zeros left, not entries."""
    end = log.stat().st_size
    with log.open("rb") as file:
        magic, _, count, sector = SUPERBLOCK.unpack(file.read(SUPERBLOCK.size))
        if magic != MAGIC or sector != SECTOR:
            raise ValueError(f"{log} is not a log of writes")
        at = SECTOR
        for _ in range(count):
            file.seek(at)
            first, sectors, flags, _ = HEADER.unpack(file.read(HEADER.size))
            length = 0 if flags & FLUSH else sectors * SECTOR
            data_at = at + SECTOR
            at = data_at + (0 if flags & DISCARD else length)
            yield Entry(at, first * SECTOR, length, flags, data_at)
    if at < end:
        raise ValueError(f"{log} goes on after its last entry: {at} of {end} bytes")


def _parts(writes: Sequence[tuple[Entry, int]]) -> Iterator[list[tuple[Entry, int]]]:
    """Every part of the writes but all and none of them."""
    for mask in range(1, (1 << len(writes)) - 1):
        yield [one for number, one in enumerate(writes) if mask & 1 << number]


def _torn(writes: list[tuple[Entry, int]], chosen: random.Random) -> list[tuple[Entry, int]]:
    """The writes in an order of chance, one of them broken off at a sector's border."""
    chosen.shuffle(writes)
    # ext4 refuses a superblock that is half old and half new, and nothing above it can help that: a disk's own blocks are larger.
    if writes and writes[-1][0].offset >= BLOCK:
        entry, length = writes[-1]
        writes[-1] = (entry, chosen.randrange(length // SECTOR) * SECTOR)
    return writes


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end, "not true in time"
        time.sleep(0.01)
