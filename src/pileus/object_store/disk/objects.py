"""Objects of one policy on one device: files that are written whole, fsynced and renamed, and then never change.

    bytes -> tmp/ -> record -> fsync -> rename -> fsync of the directory -> older files go

All of it blocks and belongs in threads. Every verb may be repeated, and at whatever point the machine dies the old
object or the new one is there, whole.
"""

import contextlib
import os
import threading
import uuid
from collections.abc import Iterator, Mapping

from pileus.kit.flow.failpoint import failpoint
from pileus.object_store.disk.durable import Volume, ensure_folder, sync_folder
from pileus.object_store.disk.folders import Folder
from pileus.object_store.disk.layout import Layout, Now, link
from pileus.object_store.disk.names import DATA, META, TOMBSTONE, Files, counting, file_name, named, suffix_of
from pileus.object_store.disk.recent import Recent
from pileus.object_store.disk.record import BadRecord, decoded, read_record, write_record
from pileus.object_store.disk.sums import BLOCK, KEY, Summing, intact
from pileus.object_store.disk.syncs import Steps, alone
from pileus.object_store.disk.syscalls import append, begin_writing, close
from pileus.object_store.errors import Corrupt, Exists, Missing, Superseded

# What POST does not replace: it belongs to the bytes.
OF_THE_BYTES = ("content-length", "etag", "name", "x-timestamp", "x-object-sysmeta-", "x-static-large-object", KEY)
AHEAD = 4 << 20  # bytes of a large object that go to the disk while the next ones come


class Incoming:
    """Bytes on their way into a device."""

    def __init__(self, objects: "ObjectFiles", partition: int, hash: str) -> None:
        self._objects = objects
        self._partition = partition
        self._hash = hash
        self._path = objects.volume.fresh()
        self._descriptor: int | None = None
        self._sums = Summing()
        self._kept = False
        self._begun = 0  # bytes that are on their way to the disk
        self.size = 0

    def write(self, *chunks: bytes) -> None:
        """The bytes are behind those before them."""
        try:
            descriptor = self._open()
            append(descriptor, chunks)
        except OSError as failed:
            raise self._objects.volume.unusable(failed) from failed
        for chunk in chunks:
            self._sums.add(chunk)
            self.size += len(chunk)
        if self.size - self._begun >= AHEAD:
            begin_writing(descriptor, self._begun, self.size - self._begun)
            self._begun = self.size

    def keep(
        self,
        stamp: str,
        metadata: Mapping[str, str],
        *,
        kind: str = DATA,
        only_new: bool = False,
        fragment: int | None = None,
        durable: bool = True,
    ) -> None:
        """The object is on the disk as of this stamp; raises Superseded, or Exists when it must be new.

        A fragment that is not durable yet is there as well, but is not read unless another one is.
        """
        alone(self.keeping(b"", stamp, metadata, kind=kind, only_new=only_new, fragment=fragment, durable=durable))

    def keeping(
        self,
        rest: bytes,
        stamp: str,
        metadata: Mapping[str, str],
        *,
        kind: str = DATA,
        only_new: bool = False,
        fragment: int | None = None,
        durable: bool = True,
    ) -> Steps[None]:
        """The steps of keeping it, with the last of its bytes."""
        try:
            if rest:
                self.write(rest)
            descriptor = self._open()
            whole = {**metadata, KEY: self._sums.text} if self.size else metadata
            write_record(descriptor, whole)
            failpoint("object.keep", "before fsync")
            yield descriptor
            failpoint("object.keep", "after fsync")
            self._descriptor = None
            close(descriptor)
            name = file_name(self._hash, stamp, kind, fragment, durable=durable)
            path, turn = yield from self._objects.placing(self._path, self._partition, name, only_new=only_new)
            self._kept = True
            if kind == DATA and fragment is None:
                self._objects.recent.learn(path, whole, self.size, turn)
        except OSError as failed:
            raise self._objects.volume.unusable(failed) from failed
        finally:
            self.drop()

    def matches(self, metadata: Mapping[str, str]) -> bool:
        """Whether the bytes have the sums that a record tells of; one that tells of none is believed."""
        return KEY not in metadata or metadata[KEY] == self._sums.text

    def drop(self) -> None:
        """Nothing of it is left, unless it was kept."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if not self._kept:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return self._descriptor


class Opened:
    """An object that can be read; its first bytes are at hand. It stays whole while it is open, whatever is written."""

    def __init__(
        self, descriptor: int, metadata: dict[str, str], size: int, stamp: str, changed: str, first: bytes = b""
    ) -> None:
        self.descriptor = descriptor
        self.metadata = metadata
        self.size = size
        self.stamp = stamp  # of the bytes
        self.changed = changed  # of bytes or metadata, whichever is later
        self.first = first

    def block(self, number: int) -> bytes:
        """A block, as it was written; raises Corrupt."""
        found = os.pread(self.descriptor, min(BLOCK, self.size - number * BLOCK), number * BLOCK)
        if not intact(self.metadata, number, found):
            raise Corrupt(path=self.metadata.get("name", ""), why=f"block {number} is not what was written")
        return found

    def read(self, start: int, length: int) -> bytes:
        """So many bytes from there, fewer at the end, unchecked: for whoever checks the whole."""
        return os.pread(self.descriptor, length, start)

    def close(self) -> None:
        """It is not read any more; may be said twice."""
        if self.descriptor >= 0:
            close(self.descriptor)
            self.descriptor = -1


class ObjectFiles:
    """The objects of one storage policy on a device."""

    def __init__(self, volume: Volume, policy: int = 0) -> None:
        self.volume = volume
        self.policy = policy
        self.root = os.path.join(volume.root, f"objects-{policy}" if policy else "objects")
        # Looking whether something newer is there, and renaming, are one thing for those who write the same object.
        self._locks = tuple(threading.Lock() for _ in range(64))
        self.layout: Now = Layout
        self.recent = Recent()

    def incoming(self, partition: int, hash: str, size: int = 0) -> Incoming:
        """Room for an object's bytes; raises DeviceUnusable when there is none."""
        self.volume.require_room(size)
        return Incoming(self, partition, hash)

    def folder(self, partition: int, hash: str) -> str:
        """The directory an object's files are in."""
        return os.path.join(self.root, str(partition), suffix_of(hash))

    def files(self, partition: int, hash: str) -> Files:
        """Which of an object's files count."""
        try:
            with Folder(self.folder(partition, hash)) as folder:
                return counting(folder.beginning(hash))
        except FileNotFoundError:
            return Files()
        except OSError as failed:
            raise self.volume.unusable(failed) from failed

    def placing(self, path: str, partition: int, name: str, *, only_new: bool) -> Steps[tuple[str, int]]:
        """A whole and durable file is an object's newest, durably; what is older is gone. Returns its path, and the turn that made it so."""
        while True:
            try:
                return (yield from self._placing(path, partition, name, only_new=only_new))
            except FileNotFoundError:
                if not os.path.exists(path):
                    raise
                # Else the directory was found empty, and was removed, between its opening and the renaming.

    def _placing(self, path: str, partition: int, name: str, *, only_new: bool) -> Steps[tuple[str, int]]:
        hash = name[:32]
        layout = self.layout()  # of one moment: while partitions are doubled, both directories or only the new one
        partition = layout.own(partition, hash)
        with self._opened(self.folder(partition, hash)) as folder:
            with self._locks[int(hash[-4:], 16) % 64]:
                now = counting(folder.beginning(hash))
                _require_newest(now, name, only_new=only_new)
                failpoint("object.keep", "before rename")
                self.recent.forget(hash)
                os.rename(path, os.path.join(folder.path, name))
                turn = self.recent.forget(hash)
            failpoint("object.keep", "after rename")
            yield folder.descriptor
        failpoint("object.keep", "after directory fsync")
        self._link(os.path.join(folder.path, name), layout)
        if now.newest or now.obsolete:
            self.tidy(partition, hash)
        return os.path.join(folder.path, name), turn

    def _opened(self, path: str) -> Folder:
        """The directory; it is made where there was none."""
        try:
            return Folder(path)
        except FileNotFoundError:
            ensure_folder(path)
            return Folder(path)

    def tidy(self, partition: int, hash: str) -> Files:
        """Files that do not count any more are gone; return those that do."""
        now = self.files(partition, hash)
        for name in now.obsolete:
            self._unlink(partition, name)
        return now

    def _link(self, path: str, layout: Layout) -> None:
        """While partitions are being doubled the file is in the directory of its new partition too, durably."""
        name = os.path.basename(path)
        twin = layout.twin(name[:32])
        if twin is not None:
            folder = self.folder(twin, name[:32])
            link(path, folder)
            sync_folder(folder)
            failpoint("object.keep", "after link")

    def _unlink(self, partition: int, name: str) -> None:
        """The file is in no directory; here first, since links are made from here."""
        twin = self.layout().twin(name[:32])
        for at in (partition,) if twin is None else (partition, twin):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.folder(at, name[:32]), name))

    def open(self, partition: int, hash: str, *, whole: bool = True) -> Opened:
        """The newest object; raises Missing, or Corrupt when it had to be quarantined."""
        for _ in range(5):  # it may be replaced between looking and opening
            turn = self.recent.turn(hash)
            now = self.files(partition, hash)
            if now.data is None:
                raise Missing(now.tombstone.stamp if now.tombstone else None)
            try:
                opened = self._read(partition, hash, now)
                if whole and 0 < opened.size <= BLOCK:
                    self._read_whole(partition, hash, opened)
            except FileNotFoundError:
                continue
            except BadRecord as bad:
                self.quarantine(partition, hash)
                raise Corrupt(path=self.folder(partition, hash), why=bad) from bad
            except OSError as failed:
                raise self.volume.unusable(failed) from failed
            if now.meta is None:
                path = os.path.join(self.folder(partition, hash), now.data.name)
                self.recent.learn(path, opened.metadata, opened.size, turn)
            return opened
        raise Missing(None)

    def _read_whole(self, partition: int, hash: str, opened: Opened) -> None:
        """A small object is in memory; a damaged one is quarantined."""
        try:
            opened.first = opened.block(0)
        except Corrupt:
            opened.close()
            self.quarantine(partition, hash)
            raise

    def _read(self, partition: int, hash: str, now: Files) -> Opened:
        assert now.data is not None
        folder = self.folder(partition, hash)
        descriptor = os.open(os.path.join(folder, now.data.name), os.O_RDONLY)
        try:
            metadata, size = read_record(descriptor)
            if now.data.fragment is None and metadata.get("content-length") != str(size):
                raise BadRecord(f"there are {size} bytes of {metadata.get('content-length')}")
            changed = now.data.stamp
            if now.meta is not None:
                metadata = over(metadata, self._meta(os.path.join(folder, now.meta.name)))
                changed = now.meta.stamp
        except BaseException:
            os.close(descriptor)
            raise
        return Opened(descriptor, metadata, size, now.data.stamp, changed)

    def buried(self, partition: int, hash: str) -> tuple[str, str] | None:
        """Name and stamp of an object that was deleted; None when it was not, or its tombstone cannot be believed."""
        now = self.files(partition, hash)
        if now.tombstone is None:
            return None
        try:
            record = self._meta(os.path.join(self.folder(partition, hash), now.tombstone.name))
        except (FileNotFoundError, BadRecord):
            return None
        return record.get("name", ""), now.tombstone.stamp

    def _meta(self, path: str) -> dict[str, str]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return read_record(descriptor)[0]
        finally:
            os.close(descriptor)

    def update(self, partition: int, hash: str, stamp: str, metadata: Mapping[str, str]) -> dict[str, str]:
        """The object's metadata is this; return what was before. Raises Missing or Superseded."""
        opened = self.open(partition, hash, whole=False)
        opened.close()
        if opened.changed >= stamp:
            raise Superseded(opened.changed)
        self.incoming(partition, hash).keep(stamp, metadata, kind=META)
        return opened.metadata

    def delete(self, partition: int, hash: str, stamp: str, name: str) -> str | None:
        """A tombstone is there, durably; return the stamp of the bytes that were, if any. Raises Superseded."""
        now = self.files(partition, hash)
        if now.newest >= stamp:
            raise Superseded(now.newest)
        self.incoming(partition, hash).keep(stamp, {"name": name, "x-timestamp": stamp}, kind=TOMBSTONE)
        return now.data.stamp if now.data else None

    def quarantine(self, partition: int, hash: str) -> None:
        """The object's files are out of the way, where a person can look at them; replicas take its place."""
        folder = self.folder(partition, hash)
        self.recent.forget(hash)
        aside = os.path.join(self.volume.root, "quarantined", os.path.basename(self.root), f"{hash}-{uuid.uuid4().hex}")
        ensure_folder(aside)
        for name in os.listdir(folder):
            if name.startswith(hash):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(os.path.join(folder, name), os.path.join(aside, name))
                self._unlink(partition, name)
        sync_folder(aside)
        sync_folder(folder)

    def partitions(self) -> list[int]:
        """The partitions that something is in."""
        return sorted(int(name) for name in _listed(self.root) if name.isdigit())

    def hashes(self, partition: int) -> Iterator[str]:
        """The objects of a partition."""
        top = os.path.join(self.root, str(partition))
        for suffix in sorted(_listed(top)):
            seen = {name[:32] for name in _listed(os.path.join(top, suffix)) if name[32:33] == "-"}
            yield from sorted(hash for hash in seen if self.layout().belongs(partition, hash))


def open_at_once(objects: ObjectFiles, hash: str) -> Opened | None:
    """The newest object with its bytes, if it is known and in memory; never waits for the disk."""
    known = objects.recent.of(hash)
    if known is None:
        return None
    room = bytearray(known.size)
    try:
        descriptor = os.open(known.path, os.O_RDONLY | os.O_NOATIME)
        try:
            read = os.preadv(descriptor, [room], 0, os.RWF_NOWAIT)
        finally:
            close(descriptor)
    except OSError:  # gone, or not in memory: whoever may wait finds out
        objects.recent.forget(hash)
        return None
    metadata = decoded(known.metadata)
    if read != known.size or not intact(metadata, 0, room):
        objects.recent.forget(hash)
        return None
    return Opened(-1, metadata, known.size, known.stamp, known.stamp, bytes(room))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _require_newest(now: Files, name: str, *, only_new: bool) -> None:
    """A file may take its place among what is there; raises Exists or Superseded."""
    if only_new and now.data is not None:
        raise Exists
    if now.newest >= name[33:49] and not _beside(name, now):
        raise Superseded(now.newest)


def _beside(name: str, now: Files) -> bool:
    """Whether a file is a fragment of what is there already, and another one than those."""
    found = named(name)
    if found is None or found.fragment is None or now.data is None or now.data.stamp != found.stamp:
        return False
    return all(one.fragment != found.fragment for one in now.fragments)


def over(data: dict[str, str], meta: Mapping[str, str]) -> dict[str, str]:
    """An object's metadata after a POST: what belongs to the bytes stays, the rest is as the POST said."""
    kept = {key: value for key, value in data.items() if key.startswith(OF_THE_BYTES)}
    kept["content-type"] = meta.get("content-type", data.get("content-type", ""))
    return {**kept, **{key: value for key, value in meta.items() if not key.startswith(OF_THE_BYTES)}}
