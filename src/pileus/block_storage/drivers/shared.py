"""Volumes in a directory that several hosts have mounted, as an NFS server gives it: any of those hosts gets at each.

    <root>/.pileus-volumes               what the store is called: made once, where the directory is known to be mounted
    <root>/hosts/<host>/volume/...       what a host is in charge of, as `file` keeps it

Each host makes, changes and removes things in its own folder only, so what an old document makes a host do that was long
away never meets what another does. A directory that is not mounted is never written to: its mark is missing.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.disk_backend import DiskBackend
from pileus.block_storage.drivers.disks import Disks
from pileus.block_storage.drivers.file import FileDisks
from pileus.block_storage.drivers.file_changes import FileChanges
from pileus.block_storage.drivers.interface import Kind, Origin, Room
from pileus.block_storage.drivers.marks import mark_of
from pileus.block_storage.drivers.qcow2 import RAW, Format
from pileus.ports.attached_disks import AttachedDisks
from pileus.ports.image_files import ImageFiles


class SharedDisks(FileDisks):
    """Keeps disks in a host's folder of a shared directory."""

    def __init__(self, name: str, shared: Path, host: str, format: Format = RAW) -> None:
        super().__init__(name, shared / "hosts" / host, format)
        self._shared = shared

    async def room(self) -> Room:
        """What the file system has, and which store it is."""
        store = mark_of(self._shared)
        room = await super().room()
        capabilities = {**room.capabilities, "storage_protocol": "nfs"}
        return msgspec.structs.replace(room, driver="nfs", shared=store, capabilities=capabilities)

    async def held(self, kind: Kind, id: str | None = None) -> Mapping[str, Mapping[int, int]]:
        """Disks of that kind; raises DriverError where the directory is not mounted, so that nothing is made there either."""
        mark_of(self._shared)
        return await super().held(kind, id)

    def sibling(self, origin: Origin) -> Disks | None:
        """The other host's folder, if the origin is in a back end of the same name."""
        if origin.backend not in {None, self._name} or origin.host is None:
            return None
        return SharedDisks(self._name, self._shared, origin.host, self._format)


class SharedBackend(DiskBackend):
    """A Backend of files in a directory that several hosts have mounted at the same place."""

    def __init__(
        self,
        name: str,
        shared: Path,
        host: str,
        images: ImageFiles,
        chunks: Chunks | None = None,
        *,
        format: Format = RAW,
    ) -> None:
        self._files = SharedDisks(name, shared, host, format)
        root = shared / "hosts" / host
        super().__init__(self._files, images, root, chunks, changes=FileChanges(self._files))

    def copy_attached(self, attached: AttachedDisks) -> None:
        """From now on what servers of this host have is copied by who has it, where the file system cannot do that."""
        self._files.attached = attached
