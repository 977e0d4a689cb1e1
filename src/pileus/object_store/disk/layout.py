"""In which directory an object's files are, while the number of partitions is being doubled: in the old one, in the new one, or both.

    prepared   files are in the directory of the old partition; whatever is written is also linked into the new one's
    increased  files are in the new one's; links in the old one's are removed

Each device remembers in `<objects>.layout` what it is complete for, so one that was away makes up for it.
"""

import os
from collections.abc import Callable

import msgspec

from pileus.object_store.disk.durable import ensure_folder, write_durably


def partition_of(hash: str, power: int) -> int:
    """The partition of a hash, of 2 ** power."""
    return int(hash[:8], 16) >> (32 - power)


class Layout(msgspec.Struct, frozen=True):
    """How many partitions there are, as powers of two: now, and those being prepared or just reached. 0: not known, or none."""

    power: int = 0
    next: int = 0

    def own(self, partition: int, hash: str) -> int:
        """The partition that counts, whatever the asker thinks."""
        return partition_of(hash, self.power) if self.power else partition

    def belongs(self, partition: int, hash: str) -> bool:
        """Whether files of a hash count in a partition's directory; other directories' files may lie there meanwhile."""
        return not self.power or partition_of(hash, self.power) == partition

    def twin(self, hash: str) -> int | None:
        """The partition in whose directory files have to be as well."""
        return partition_of(hash, self.next) if self.next > self.power else None


Now = Callable[[], Layout]


class Mark(msgspec.Struct, frozen=True):
    """What a device's files are complete for: `power`, with nothing left elsewhere; `linked`, with links elsewhere."""

    version: int = 1
    power: int = 0
    linked: int = 0


def marked(root: str) -> Mark | None:
    """What is remembered of the objects in a directory; None when nothing is."""
    try:
        with open(f"{root}.layout", "rb") as file:
            return msgspec.json.decode(file.read(), type=Mark)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def mark(root: str, done: Mark, tmp: str) -> None:
    """It is remembered, durably."""
    write_durably(f"{root}.layout", msgspec.json.encode(done), tmp)


def link(source: str, folder: str) -> bool:
    """The file is in the other directory too; False when it was, or is gone meanwhile."""
    target = os.path.join(folder, os.path.basename(source))
    for _ in range(2):
        try:
            os.link(source, target)
        except FileExistsError:
            return False
        except FileNotFoundError:
            if os.path.isdir(folder):
                return False  # replaced by something newer, which has a link of its own
            ensure_folder(folder)
            continue
        return True
    return False
