"""What two copies of a partition are compared by: a hash of each suffix's file names.

A directory's own mtime tells whether its names changed since it was hashed, so nobody has to note what a write made stale.
"""

import os
import threading
import time
from hashlib import md5

from pileus.object_store.disk.layout import Layout, Now
from pileus.object_store.disk.names import counting, named

SETTLED_NS = 2_000_000_000


class SuffixHashes:
    """Hashes of the suffixes of one policy's partitions on a device, remembered while the directories stay as they are."""

    def __init__(self, root: str, layout: Now = Layout) -> None:
        self._root = root
        self._layout = layout
        self._known: dict[str, tuple[int, Layout, str]] = {}
        self._lock = threading.Lock()

    def of(self, partition: int) -> dict[str, str]:
        """The hash of each suffix that holds something."""
        top = os.path.join(self._root, str(partition))
        found = {}
        try:
            suffixes = os.listdir(top)
        except FileNotFoundError:
            return {}
        for suffix in sorted(suffixes):
            hash = self._hash(os.path.join(top, suffix), partition)
            if hash:
                found[suffix] = hash
        return found

    def _hash(self, folder: str, partition: int) -> str:
        layout = self._layout()
        try:
            changed = os.stat(folder).st_mtime_ns
            with self._lock:
                known = self._known.get(folder)
            if known is not None and known[:2] == (changed, layout):
                return known[2]
            names = wanted(os.listdir(folder), partition, layout)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        hash = md5("\n".join(names).encode(), usedforsecurity=False).hexdigest() if names else ""
        # Clocks of filesystems are coarse: what changed just now may change again without showing it.
        if time.time_ns() - changed > SETTLED_NS:
            with self._lock:
                self._known[folder] = (changed, layout, hash)
        return hash


def wanted(names: list[str], partition: int = 0, layout: Layout | None = None) -> list[str]:
    """The names of those files that count in a partition, in order."""
    by_hash: dict[str, list[str]] = {}
    for name in names:
        if named(name) is not None and (layout is None or layout.belongs(partition, name[:32])):
            by_hash.setdefault(name[:32], []).append(name)
    found = []
    for own in by_hash.values():
        files = counting(own)
        found += [one.name for one in (files.data, files.meta, files.tombstone) if one is not None]
        found += [one.name for one in (*files.fragments[1:], *files.pending)]
    return sorted(found)
