"""Unpacking images that were packed to travel: gzip, bzip2, xz, zstd and zip, told apart by their first bytes.

A few kilobytes can unpack to more than any disk holds, so nothing is ever unpacked ahead of who reads it: pieces come out
one at a time, none larger than PIECE, and the reader stops when it has had enough.
"""

import asyncio
import bz2
import lzma
import os
import struct
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from backports import zstd  # of the standard library from Python 3.14 on

PIECE = 1 << 20
MEMORY = 128 << 20  # what xz may use for its dictionary, and zstd for its window; their largest presets take half of it


class NotPacked(Exception):
    """The bytes are packed in no way that is known here, or are broken."""


class _Unpacker(Protocol):
    """One stream that is being unpacked."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without more bytes."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came after the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """The next bytes, at most so many."""
        ...


class _Zlib:
    """zlib's own unpacker with the manners of those of bzip2 and xz."""

    def __init__(self, window: int) -> None:
        self._of = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._of.eof

    @property
    def needs_input(self) -> bool:
        return not self._of.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._of.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._of.decompress(self._of.unconsumed_tail + data, max_length)


def _xz() -> _Unpacker:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY)


def _zstd() -> _Unpacker:
    # RFC 8878, 3.1.1.1.2: a frame may ask for a window of up to 3.75 TB.
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MEMORY.bit_length() - 1})


KINDS: dict[bytes, Callable[[], _Unpacker]] = {
    b"\x1f\x8b": lambda: _Zlib(zlib.MAX_WBITS | 16),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": _xz,
    b"\x28\xb5\x2f\xfd": _zstd,
}
ZIP = b"PK\x03\x04"
LOCAL = struct.Struct("<4s5H3I2H")  # APPNOTE 4.3.7: the header before a file in a zip archive
DESCRIBED, ENCRYPTED, STORED, BIG = 1 << 3, 1, 0, 0xFFFFFFFF
METHODS: dict[int, Callable[[], _Unpacker]] = {8: lambda: _Zlib(-zlib.MAX_WBITS), 12: bz2.BZ2Decompressor}


async def unpacked(path: Path) -> AsyncGenerator[bytes, None]:
    """The bytes that are packed in the file, piece by piece, each made in a thread; raises NotPacked."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        pieces = await asyncio.to_thread(_pieces, file)
        while (piece := await asyncio.to_thread(_next, pieces)) is not None:
            yield piece
    finally:
        await asyncio.to_thread(file.close)


def _next(pieces: Iterator[bytes]) -> bytes | None:
    try:
        return next(pieces, None)
    except (EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError) as broken:
        raise NotPacked(f"what is packed is broken: {broken}") from broken


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    head = file.read(8)
    file.seek(0)
    if head.startswith(ZIP):
        return _zipped(file)
    for magic, kind in KINDS.items():
        if head.startswith(magic):
            return _streams(file, kind)
    raise NotPacked("it is packed in no known way: gzip, bzip2, xz, zstd and zip are")


def _streams(file: IO[bytes], kind: Callable[[], _Unpacker]) -> Iterator[bytes]:
    """All streams of a file, one after another, as the tools unpack them; zeros may follow the last."""
    data = file.read(PIECE)
    while data:
        one = kind()
        yield from _stream(file, one, data)
        data = (one.unused_data or file.read(PIECE)).lstrip(b"\0")
        while not data and (more := file.read(PIECE)):
            data = more.lstrip(b"\0")


def _stream(file: IO[bytes], one: _Unpacker, data: bytes) -> Iterator[bytes]:
    """One stream to its end."""
    while not one.eof:
        if one.needs_input and not data:
            data = file.read(PIECE)
            if not data:
                raise EOFError("it ends in the middle")
        piece, data = one.decompress(data, PIECE), b""
        if piece:
            yield piece


def _zipped(file: IO[bytes]) -> Iterator[bytes]:
    """The only file of a zip archive, whose name is not even looked at.

    The archive's table at its end may be as long as the archive, so it is left alone: what comes first tells enough.
    """
    _, _, flags, method, _, _, crc, size, _, name, extra = LOCAL.unpack(_exactly(file, LOCAL.size))
    if (
        flags & ENCRYPTED
        or (method != STORED and method not in METHODS)
        or (method == STORED and _unsized(flags, size))
    ):
        raise EOFError("its file is packed in a way that is not known, or encrypted")
    file.seek(name + extra, os.SEEK_CUR)
    found = 0
    if method == STORED:
        pieces, one = _stored(file, size), None
    else:
        one = METHODS[method]()
        pieces = _stream(file, one, file.read(PIECE))
    for piece in pieces:
        found = zlib.crc32(piece, found)
        yield piece
    rest = (one.unused_data if one is not None else b"") + file.read(64)
    if flags & DESCRIBED:
        rest = rest.removeprefix(b"PK\x07\x08")
        crc = int.from_bytes(rest[:4], "little")
    if found != crc:
        raise EOFError("its checksum is wrong")
    if ZIP in rest[:32]:
        raise EOFError("it holds several files; an image is one")


def _unsized(flags: int, size: int) -> bool:
    return bool(flags & DESCRIBED) or size == BIG


def _stored(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        piece = _exactly(file, min(size, PIECE))
        size -= len(piece)
        yield piece


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("it ends in the middle")
    return data
