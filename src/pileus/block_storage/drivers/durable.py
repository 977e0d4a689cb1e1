"""Files and folders whose names are on the disk, so that a power cut takes none of them that was acknowledged.

    sync the file -> rename it -> sync its folder -> sync the folder above, in which that may be new -> (once) all above those

A folder that was made is in the one above it only when that is synced too: ext4 writes both at once, other file systems need not.
Whoever made it may have died before that, so it is not asked who did.
"""

import os
from pathlib import Path

from pileus.kit.flow.failpoint import failpoint


class Tree:
    """Folders of folders of files, as `kind/id/file`."""

    def __init__(self) -> None:
        self._sound: set[Path] = set()

    def keep(self, part: Path, file: Path) -> None:
        """The whole file has its name, on the disk too."""
        with part.open("r+b") as out:
            os.fsync(out.fileno())
        failpoint("volume.keep", "before rename")
        part.rename(file)
        failpoint("volume.keep", "after rename")
        self.sync(file.parent)

    def rename(self, old: Path, new: Path) -> None:
        """The file has the other name, on the disk too; at any moment it has one of them."""
        new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sync(new.parent)
        old.rename(new)
        self.sync(new.parent)
        sync_folder(old.parent)

    def sync(self, folder: Path) -> None:
        """What is in the folder is on the disk, and so is the folder."""
        sync_folder(folder)
        sync_folder(folder.parent)
        if folder.parent in self._sound:
            return
        for above in folder.parent.parents:
            try:
                sync_folder(above)
            except PermissionError:
                break  # who may not read it has made nothing there
        self._sound.add(folder.parent)


def sync_folder(folder: Path) -> None:
    """The names in the folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
