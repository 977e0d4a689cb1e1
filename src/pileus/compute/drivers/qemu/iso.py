"""A small writer of ISO 9660: files in folders become the bytes of a disc. A pure function.

Names are written in capitals, as level 1 of the standard has them, though longer: every reader of today takes them so, and shows
them in small letters. The same files always make the same bytes, so nothing of a disc depends on when it was made.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Union

SECTOR = 2048
SYSTEM_SECTORS = 16
MOMENT = bytes((100, 1, 1, 0, 0, 0, 0))  # 2000-01-01
LONG_MOMENT = b"2000010100000000\0"
ROOT_NAME, PARENT_NAME = b"\0", b"\1"
FOLDER = 2
# As other writers do: readers that look for many file systems read past the end of a short disc, and give up on it
# (busybox's findfs wants 68 KiB).
PADDING_SECTORS = 150

Tree = dict[str, Union["Tree", bytes]]


def iso(label: str, files: Mapping[str, bytes]) -> bytes:
    """A disc with that label that holds the files, by their paths; equal files are stored once."""
    folders = _folders(_tree(files))
    table = _path_table_size(folders)
    first = SYSTEM_SECTORS + 2 + 2 * _sectors(table)
    places, end = _places(folders, first)
    contents, end = _contents(files.values(), end)
    total = end + PADDING_SECTORS
    disc = bytearray(total * SECTOR)
    root = _record(ROOT_NAME, places[""], _folder_size(folders[""]), FOLDER)
    little, big = SYSTEM_SECTORS + 2, SYSTEM_SECTORS + 2 + _sectors(table)
    _put(disc, SYSTEM_SECTORS, _description(label, total, table, little, big, root))
    _put(disc, SYSTEM_SECTORS + 1, b"\xffCD001\x01")
    _put(disc, little, _path_table(folders, places, "<"))
    _put(disc, big, _path_table(folders, places, ">"))
    for path, folder in folders.items():
        _put(disc, places[path], _folder(path, folder, folders, places, contents))
    for content, at in contents.items():
        _put(disc, at, content)
    return bytes(disc)


def _tree(files: Mapping[str, bytes]) -> Tree:
    root: Tree = {}
    for path, content in files.items():
        *above, name = path.split("/")
        folder = root
        for part in above:
            inner = folder.setdefault(part, {})
            if isinstance(inner, bytes):
                raise ValueError(f"{part} is a file and a folder")  # noqa: TRY004 - the value is wrong, not its type
            folder = inner
        folder[name] = content
    return root


def _folders(root: Tree) -> dict[str, Tree]:
    """Every folder by its path, in the order of a path table: by depth, then by name."""
    found: dict[str, Tree] = {"": root}
    level = {"": root}
    while level:
        level = {
            f"{path}/{name}": inner
            for path, folder in level.items()
            for name, inner in sorted(folder.items())
            if not isinstance(inner, bytes)
        }
        found |= level
    return found


def _places(folders: Mapping[str, Tree], first: int) -> tuple[dict[str, int], int]:
    places, at = {}, first
    for path, folder in folders.items():
        places[path] = at
        at += _folder_size(folder) // SECTOR
    return places, at


def _contents(contents: Iterable[bytes], first: int) -> tuple[dict[bytes, int], int]:
    found: dict[bytes, int] = {}
    at = first
    for content in contents:
        if content not in found:
            found[content] = at
            at += _sectors(len(content))
    return found, at


def _sectors(size: int) -> int:
    return max(1, -(-size // SECTOR))


def _put(disc: bytearray, sector: int, content: bytes) -> None:
    disc[sector * SECTOR : sector * SECTOR + len(content)] = content


def _name(name: str, entry: Tree | bytes) -> bytes:
    if isinstance(entry, bytes):
        name = name if "." in name else f"{name}."
        return f"{name.upper()};1".encode("ascii")
    return name.upper().encode("ascii")


def _both(kind: str, value: int) -> bytes:
    """A number in both orders, as most of this format has them."""
    return struct.pack(f"<{kind}", value) + struct.pack(f">{kind}", value)


def _record(name: bytes, place: int, size: int, flags: int = 0) -> bytes:
    length = 33 + len(name) + (len(name) + 1) % 2
    body = bytes((length, 0)) + _both("I", place) + _both("I", size) + MOMENT
    body += bytes((flags, 0, 0)) + _both("H", 1) + bytes((len(name),)) + name
    return body.ljust(length, b"\0")


def _rows(folder: Tree) -> list[tuple[bytes, str]]:
    return sorted((_name(name, entry), name) for name, entry in folder.items())


def _packed(records: list[bytes]) -> bytes:
    """Records one after the other, none across the end of a sector."""
    packed = b""
    for record in records:
        left = -len(packed) % SECTOR
        packed += (b"\0" * left if left < len(record) else b"") + record
    return packed.ljust(_sectors(len(packed)) * SECTOR, b"\0")


def _folder_size(folder: Tree) -> int:
    dots = [_record(ROOT_NAME, 0, 0), _record(PARENT_NAME, 0, 0)]
    return len(_packed([*dots, *(_record(name, 0, 0) for name, _ in _rows(folder))]))


def _folder(
    path: str, folder: Tree, folders: Mapping[str, Tree], places: Mapping[str, int], contents: Mapping[bytes, int]
) -> bytes:
    above = path.rpartition("/")[0]
    records = [
        _record(ROOT_NAME, places[path], _folder_size(folder), FOLDER),
        _record(PARENT_NAME, places[above], _folder_size(folders[above]), FOLDER),
    ]
    for wire, name in _rows(folder):
        entry = folder[name]
        if isinstance(entry, bytes):
            records.append(_record(wire, contents[entry], len(entry)))
        else:
            records.append(_record(wire, places[f"{path}/{name}"], _folder_size(entry), FOLDER))
    return _packed(records)


def _path_table_size(folders: Mapping[str, Tree]) -> int:
    return len(_path_table(folders, dict.fromkeys(folders, 0), "<"))


def _path_table(folders: Mapping[str, Tree], places: Mapping[str, int], order: str) -> bytes:
    numbers = {path: number for number, path in enumerate(folders, 1)}
    table = b""
    for path in folders:
        above, _, last = path.rpartition("/")
        name = last.upper().encode("ascii") or ROOT_NAME
        table += struct.pack(f"{order}BBIH", len(name), 0, places[path], numbers[above]) + name
        table += b"\0" * (len(name) % 2)
    return table


def _description(label: str, total: int, table: int, little: int, big: int, root: bytes) -> bytes:
    """The primary volume descriptor."""
    body = b"\x01CD001\x01\0" + b" " * 32 + label.encode("ascii").ljust(32) + bytes(8) + _both("I", total) + bytes(32)
    body += _both("H", 1) + _both("H", 1) + _both("H", SECTOR) + _both("I", table)
    body += struct.pack("<II", little, 0) + struct.pack(">II", big, 0) + root
    body += b" " * 128 * 4 + b" " * 37 * 3 + LONG_MOMENT * 2 + (b"0" * 16 + b"\0") * 2 + b"\x01\0"
    return body.ljust(SECTOR, b"\0")
