"""A disc holds the files it was given, for any reader of the standard."""

import struct
from typing import Any

from pileus.compute.drivers.qemu.iso import SECTOR, iso


def read(disc: bytes) -> tuple[str, dict[str, bytes]]:
    """Label and files of a disc, by following its folders."""
    head = disc[16 * SECTOR : 17 * SECTOR]
    assert b"\x01CD001\x01" == head[:7]
    assert len(disc) == struct.unpack_from("<I", head, 80)[0] * SECTOR
    files: dict[str, bytes] = {}
    place, size = struct.unpack_from("<I4xI", head, 158)
    walk(disc, "", place, size, files)
    return head[40:72].decode().strip(), files


def walk(disc: bytes, path: str, place: int, size: int, files: dict[str, bytes]) -> None:
    folder = disc[place * SECTOR : place * SECTOR + size]
    at = 0
    while at < size:
        length = folder[at]
        if length == 0:
            at = (at // SECTOR + 1) * SECTOR
            continue
        record: Any = struct.unpack_from("<I4xI", folder, at + 2)
        name = folder[at + 33 : at + 33 + folder[at + 32]]
        if folder[at + 25] & 2:
            if name not in (b"\0", b"\1"):
                walk(disc, f"{path}{name.decode().lower()}/", record[0], record[1], files)
        else:
            plain = name.decode().lower().partition(";")[0].rstrip(".")
            files[path + plain] = disc[record[0] * SECTOR : record[0] * SECTOR + record[1]]
        at += length


def test_holds_what_it_was_given() -> None:
    files = {"openstack/latest/meta_data.json": b"{}", "openstack/latest/user_data": b"x" * 70_000, "top": b""}
    files |= {f"many/file{number:03}.txt": b"%d" % number for number in range(200)}
    assert ("config-2", files) == read(iso("config-2", files))


def test_stores_equal_files_once() -> None:
    once, twice = iso("l", {"a/b": b"x" * 9000}), iso("l", {"a/b": b"x" * 9000, "a/c": b"x" * 9000})
    assert len(once) == len(twice)
