"""An image that was acknowledged is whole after the power went; one that was not is whole or not there, never half."""

import hashlib
import random
from pathlib import Path

import pytest
from tests.power_cut import Cut, Disk, in_memory, recorded

from pileus.image.drivers.file import FileStore

SIZES = (0, 1, 511, 4096, 70_000, 300_000)
Journal = dict[str, tuple[str, int]]  # the hash of each image, and when it was acknowledged


async def kept(disk: Disk) -> Journal:
    """Images of several sizes, one after another."""
    store = FileStore(disk.folder / "images")
    journal: Journal = {}
    for number, size in enumerate(SIZES * 2):
        content = random.Random(number).randbytes(size)
        incoming = await store.create(f"image-{number}")
        for start in range(0, size, 65_536):
            await incoming.write([content[start : start + 65_536]])
        await incoming.keep()
        journal[f"image-{number}"] = hashlib.sha256(content).hexdigest(), disk.now()
    return journal


def broken(cut: Cut, journal: Journal) -> list[str]:
    """What does not hold after the cut."""
    with cut.mounted() as folder:
        found = {path.name: _hash(path) for path in (folder / "images").glob("image-*")}
    lost = [f"{name} is lost" for name, (_, at) in journal.items() if at <= cut.at and name not in found]
    return lost + [f"{name} is not what was sent" for name, hashed in found.items() if hashed != journal[name][0]]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.host
async def test_acknowledged_images_survive_power_cuts() -> None:
    wrong: list[str] = []
    cuts = 0
    with in_memory() as place:
        with recorded(place) as disk:
            journal = await kept(disk)
        for cut in disk.cuts(reorderings=2, at_most=300):
            cuts += 1
            wrong += [f"{cut.at} ({cut.why}): {what}" for what in broken(cut, journal)]
    print(f"{cuts} power cuts replayed over {len(disk.entries)} writes and flushes of {len(journal)} images")
    assert not wrong, wrong[:5]
