"""A volume, a snapshot, a growth, a name or a backup that was acknowledged is there after the power went; what was not is whole or not there.

ext4, on which this is replayed, writes a folder's own name together with what is in it, so this cannot tell whether the folder above was
synced: `drivers/durable` does it for file systems that write less at once.
"""

import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tests.power_cut import Cut, Disk, in_memory, recorded

from pileus.block_storage.drivers.backup_files import Backups
from pileus.block_storage.drivers.disks import Spot
from pileus.block_storage.drivers.file import FileDisks
from pileus.block_storage.drivers.interface import Backup, Kind, Origin

PIECE = 16 << 10
SIZE = 5 * PIECE
Digest = str | None
Possible = tuple[int, Digest]  # acknowledged when, and what there is from then on


class Writer:
    """Whoever makes disks and backups one after another, and notes what was acknowledged when."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._disks = FileDisks("b", disk.folder / "volumes")
        self._backups = Backups(disk.folder / "volumes" / Kind.BACKUP, chunk=PIECE)
        self.journal: dict[tuple[Kind, str], list[Possible]] = {}
        self._source = disk.place / "source"

    async def work(self) -> None:
        for number in range(6):
            content = random.Random(number).randbytes(SIZE)
            self._source.write_bytes(content)
            one, snapshot = self._at(f"v{number}"), self._at(f"s{number}", Kind.SNAPSHOT)
            await self._disks.fill(one, self._source)
            self._kept(one, content)
            await self._disks.copy(one, snapshot, live=False)
            self._kept(snapshot, content)
            await self._disks.grow(one, 2 * SIZE)
            self._kept(one, content + bytes(SIZE))
            blank = self._at(f"blank{number}")
            await self._disks.blank(blank, SIZE)
            self._kept(blank, bytes(SIZE))
            other = self._at(f"renamed{number}")
            await self._disks.rename(blank, other)
            self._kept(other, bytes(SIZE))
            self._gone(blank)
            backup = Backup(id=f"b{number}", backend="b", of=Origin(kind="volume", id=one.id))
            await self._backups.write(backup, self._source)
            self._note((Kind.BACKUP, backup.id), sha256(content).hexdigest())

    def _at(self, id: str, kind: Kind = Kind.VOLUME) -> Spot:
        return Spot(kind, id, 0)

    def _kept(self, at: Spot, content: bytes) -> None:
        self._note((at.kind, at.id), sha256(content).hexdigest())

    def _gone(self, at: Spot) -> None:
        self._note((at.kind, at.id), None)

    def _note(self, what: tuple[Kind, str], now: Digest) -> None:
        self.journal.setdefault(what, [(0, None)]).append((self._disk.now(), now))


async def found(folder: Path) -> Callable[[Kind, str], Digest]:
    """What there is of each disk and backup after the power came back."""
    disks = FileDisks("b", folder / "volumes")
    backups = Backups(folder / "volumes" / Kind.BACKUP, chunk=PIECE)
    there: dict[tuple[Kind, str], Digest] = {}
    for kind in (Kind.VOLUME, Kind.SNAPSHOT):
        for id, contents in (await disks.held(kind)).items():
            if contents:
                there[kind, id] = sha256(Path(disks.place(Spot(kind, id, 0)).path).read_bytes()).hexdigest()
    for id, seen in (await backups.seen_all()).items():
        if seen.whole:
            await backups.restore(id, folder / "restored")
            there[Kind.BACKUP, id] = sha256((folder / "restored").read_bytes()).hexdigest()
    return lambda kind, id: there.get((kind, id))


async def broken(cut: Cut, writer: Writer) -> list[str]:
    """What does not hold after the cut."""
    with cut.mounted() as folder:
        there = await found(folder)
        wrong = []
        for (kind, id), states in writer.journal.items():
            last = max(number for number, (at, _) in enumerate(states) if at <= cut.at)
            if there(kind, id) not in {digest for _, digest in states[last:]}:
                wrong.append(f"{kind} {id} is {there(kind, id)}")
        return wrong


@pytest.mark.host
@pytest.mark.timeout(300)
async def test_acknowledged_volumes_snapshots_and_backups_survive_power_cuts() -> None:
    wrong: list[str] = []
    cuts = 0
    with in_memory() as place:
        with recorded(place) as disk:
            writer = Writer(disk)
            await writer.work()
        for cut in disk.cuts(reorderings=2, at_most=150):
            cuts += 1
            wrong += [f"{cut.at} ({cut.why}): {what}" for what in await broken(cut, writer)]
    print(
        f"{cuts} power cuts replayed over {len(disk.entries)} writes and flushes of {len(writer.journal)} disks and backups"
    )
    assert not wrong, wrong[:5]
