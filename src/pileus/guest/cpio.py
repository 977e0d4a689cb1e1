"""The archive format of an initial RAM file system ("newc"), written without being root and the same each time.

Owners are root's and times are zero, so that equal trees give equal bytes.
"""

import stat
from collections.abc import Iterable, Iterator

import msgspec

_ALIGN = 4


class Entry(msgspec.Struct, frozen=True):
    """One thing in the archive: `mode` carries its kind as stat's does; a link's `content` is where it leads."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(path: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(path, stat.S_IFDIR | permissions)


def file(path: str, content: bytes, permissions: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | permissions, content)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, permissions: int = 0o600) -> Entry:
    """A character device."""
    return Entry(path, stat.S_IFCHR | permissions, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """The archive's bytes; an entry's folder must come before it, which sorting by path gives."""
    ordered = sorted(entries, key=lambda entry: entry.path)
    body = b"".join(part for number, entry in enumerate(ordered, start=1) for part in _member(number, entry))
    return body + b"".join(_member(0, Entry("TRAILER!!!", 0)))


def _member(number: int, entry: Entry) -> Iterator[bytes]:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    yield head + _padding(len(head))
    yield entry.content + _padding(len(entry.content))


def _padding(length: int) -> bytes:
    return b"\0" * (-length % _ALIGN)
