"""A disc that machines boot from, as the El Torito specification has it: a record that names a catalog, which names what to boot."""

import struct

SECTOR = 2048
RECORD, CATALOG, BEGIN = 17, 19, 20
PLAIN, AS_A_DISK = 0, 4  # what the firmware makes of it: a few sectors to jump into, or a disk to boot from


def disc(boots: bytes, *, how: int = PLAIN, kind: int = 0) -> bytes:
    """The bytes of the disc; with `AS_A_DISK`, `kind` is that of the disk's first partition."""
    volume = b"\1CD001\1\0".ljust(80, b"\0") + _both((BEGIN * SECTOR + len(boots)) // SECTOR + 1)
    record = b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", CATALOG)
    check = struct.pack("<BBH24s", 1, 0, 0, b"") + bytes(2) + b"\x55\xaa"
    odds = -sum(struct.unpack("<16H", check)) & 0xFFFF
    check = check[:28] + struct.pack("<H", odds) + check[30:]
    sectors = 4 if how == PLAIN else 1
    entry = struct.pack("<BBHBBHI", 0x88, how, 0, kind, 0, sectors, BEGIN)
    parts = (volume, record, b"\xffCD001\1", check + entry)
    head = bytes(16 * SECTOR) + b"".join(part.ljust(SECTOR, b"\0") for part in parts)
    return head + boots + bytes(-len(boots) % SECTOR) + bytes(SECTOR)


def _both(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)
