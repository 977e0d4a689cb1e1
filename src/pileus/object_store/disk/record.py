"""What is known of an object's bytes, kept with them: one record in an extended attribute of the file.

The record is `1`, a CRC-32 and JSON; a later version starts with another digit. Filesystems that have no attributes, or
too little room for one (ext4 keeps 4 KiB for a file), get the record behind the bytes, with a footer that tells how long
it is. A record that does not fit its own sum is never believed.
"""

import errno
import os
import struct
import zlib
from collections.abc import Mapping

import msgspec

ATTRIBUTE = "user.pileus.record"
VERSION = b"1"
FOOTER = struct.Struct(">8sQ")  # mark, length of the record before it
MARK = b"pileus\0r"
NO_ROOM = {errno.ENOSPC, errno.E2BIG, errno.ENOTSUP, errno.ERANGE}

Metadata = Mapping[str, str]
_decoder = msgspec.json.Decoder(dict[str, str])


class BadRecord(ValueError):
    """The record of a file cannot be believed."""


def packed(metadata: Metadata) -> bytes:
    """The record of some metadata."""
    text = msgspec.json.encode(metadata)
    return VERSION + zlib.crc32(text).to_bytes(4, "big") + text


def unpacked(record: bytes) -> dict[str, str]:
    """The metadata of a record; raises BadRecord."""
    if record[:1] != VERSION:
        raise BadRecord(f"records of version {record[:1]!r} are not known")
    if int.from_bytes(record[1:5], "big") != zlib.crc32(record[5:]):
        raise BadRecord("the record's sum is wrong")
    try:
        return decoded(record[5:])
    except msgspec.DecodeError as bad:
        raise BadRecord(str(bad)) from bad


def decoded(text: bytes) -> dict[str, str]:
    """Metadata of JSON."""
    return _decoder.decode(text)


def write_record(descriptor: int, metadata: Metadata) -> None:
    """The record is with the file, whose bytes are complete; it is as durable as the next fsync makes it."""
    record = packed(metadata)
    try:
        os.setxattr(descriptor, ATTRIBUTE, record)
    except OSError as failed:
        if failed.errno not in NO_ROOM:
            raise
        tail = record + FOOTER.pack(MARK, len(record))
        size = os.fstat(descriptor).st_size
        while tail:
            done = os.pwrite(descriptor, tail, size)
            tail, size = tail[done:], size + done


def read_record(descriptor: int) -> tuple[dict[str, str], int]:
    """The metadata of an open file, and how many bytes are the object's; raises BadRecord."""
    size = os.fstat(descriptor).st_size
    try:
        return unpacked(os.getxattr(descriptor, ATTRIBUTE)), size
    except OSError as failed:
        if failed.errno not in {errno.ENODATA, errno.ENOTSUP}:
            raise
    if size < FOOTER.size:
        raise BadRecord("there is no record")
    mark, length = FOOTER.unpack(os.pread(descriptor, FOOTER.size, size - FOOTER.size))
    start = size - FOOTER.size - length
    if mark != MARK or start < 0:
        raise BadRecord("there is no record")
    return unpacked(os.pread(descriptor, length, start)), start
