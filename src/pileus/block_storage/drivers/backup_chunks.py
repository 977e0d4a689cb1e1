"""Where chunks of backups are kept: a few verbs for named bytes, which a folder, object storage or another cloud has.

A name is `<backup>/<chunk>`. Whoever keeps chunks keeps them whole or not at all, and durably once `put` has returned.
"""

import bz2
import zlib
from collections.abc import Callable, Collection
from typing import Protocol

import msgspec

from pileus.block_storage.drivers.interface import DriverError

CHUNK = 4 << 20
POSIX = "cinder.backup.drivers.posix.PosixBackupDriver"  # as clients know what keeps backups in files of a host,
NFS = "cinder.backup.drivers.nfs.NFSBackupDriver"  # in a directory of several hosts,
SWIFT = "cinder.backup.drivers.swift.SwiftBackupDriver"  # and in object storage


class Chunks(Protocol):
    """Keeps named bytes."""

    @property
    def store(self) -> str | None:
        """The same wherever the same ones can be had; None where they are one host's own. Raises DriverError."""
        ...

    async def put(self, name: str, content: bytes) -> None:
        """These are the bytes of that name; raises DriverError."""
        ...

    async def get(self, name: str) -> bytes | None:
        """The bytes of that name; None if there are none. Raises DriverError."""
        ...

    async def names(self, backup: str) -> Collection[str]:
        """All names of a backup; raises DriverError."""
        ...

    async def remove(self, backup: str, names: Collection[str]) -> None:
        """The backup has none of these, in this order; raises DriverError."""
        ...


class Squeeze(msgspec.Struct, frozen=True):
    """A way to make chunks smaller, and what the names of such chunks end in."""

    ending: str
    squeeze: Callable[[bytes], bytes]
    expand: Callable[[bytes], bytes]


def _plain(content: bytes) -> bytes:
    return content


def _zlib(content: bytes) -> bytes:
    return zlib.compress(content, 1)


def _unzlib(content: bytes) -> bytes:
    return zlib.decompressobj().decompress(content, CHUNK + 1)


def _unbz2(content: bytes) -> bytes:
    return bz2.BZ2Decompressor().decompress(content, CHUNK + 1)


def _zstd(content: bytes) -> bytes:
    from backports import zstd  # of the standard library from Python 3.14 on

    return zstd.compress(content, level=1)


def _unzstd(content: bytes) -> bytes:
    from backports import zstd

    return zstd.ZstdDecompressor().decompress(content, max_length=CHUNK + 1)


WAYS = {
    "none": Squeeze("raw", _plain, _plain),
    "zlib": Squeeze("z", _zlib, _unzlib),
    "bz2": Squeeze("bz2", bz2.compress, _unbz2),
    "zstd": Squeeze("zst", _zstd, _unzstd),
}


def expanded(name: str, content: bytes) -> bytes:
    """The bytes of a chunk as its name says; raises DriverError. No chunk grows beyond what a chunk may be."""
    ending = name.rpartition(".")[2]
    way = next((each for each in WAYS.values() if each.ending == ending), None)
    if way is None:
        raise DriverError("The backup cannot be restored", f"nobody here knows chunks called {name}")
    try:
        return way.expand(content)
    except Exception as bad:
        # Three libraries have errors of their own for it, of which only one is a ValueError.
        raise DriverError("The backup cannot be restored", f"chunk {name} is damaged: {bad}") from bad
