"""What containers have still to be told: one small file for each update that could not be delivered at once."""

import os
from collections.abc import Iterator

import msgspec

from pileus.object_store.disk.durable import Volume, sync_folder, write_durably
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.paths import Path


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An object row on its way to its container."""

    version: int = 1
    container: Path
    row: ObjectRow


class Pendings:
    """The updates that wait on a device. Blocks; belongs in threads."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._root = os.path.join(volume.root, "async_pending")

    def add(self, pending: Pending, hash: str) -> None:
        """The update waits, durably."""
        name = f"{hash}-{max(pending.row.order)}"
        try:
            write_durably(os.path.join(self._root, hash[-2:], name), msgspec.json.encode(pending), self._volume.tmp)
        except OSError as failed:
            raise self._volume.unusable(failed) from failed

    def waiting(self) -> Iterator[tuple[str, Pending]]:
        """Every update that waits, and its file. What cannot be read is skipped: it stays for a person to look at."""
        for folder, _, names in os.walk(self._root):
            for name in sorted(names):
                path = os.path.join(folder, name)
                try:
                    with open(path, "rb") as file:
                        yield path, msgspec.json.decode(file.read(), type=Pending)
                except (FileNotFoundError, msgspec.DecodeError):
                    continue

    def done(self, path: str) -> None:
        """An update waits no more."""
        os.unlink(path)
        sync_folder(os.path.dirname(path))
