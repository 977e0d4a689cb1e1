"""Disk images that try to be more than disks: every format's way to name another file, to claim too much, or to lie.

All are made here, byte by byte, as their specifications say; a canary's path stands wherever a format lets one stand.
"""

import gzip
import struct
import uuid
from collections.abc import Iterator
from typing import NamedTuple

MIB = 1 << 20
VHDX_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
VHDX_BAT = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
VHDX_PARENT = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
VHDX_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le


class Hostile(NamedTuple):
    """One image, and the format it says it is."""

    name: str
    format: str
    content: bytes


def qcow2(
    *,
    version: int = 3,
    backing: bytes = b"",
    incompatible: int = 0,
    extensions: bytes = b"",
    size: int = MIB,
    l1: int = 1,
) -> bytes:
    """A qcow2 image of one empty cluster table, or what claims to be one."""
    length = 104 if version == 3 else 72
    named = length + len(extensions) + 8 if backing else 0
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, named, len(backing), 16, size, 0, l1, 0x30000, 0x10000, 1, 0, 0
    )
    if version == 3:
        head += struct.pack(">QQQII", incompatible, 0, 0, 4, length)
    head += extensions + struct.pack(">II", 0, 0) + backing
    return head.ljust(0x10000, b"\0") + struct.pack(">Q", 0x20000).ljust(0x10000, b"\0") + bytes(0x20000)


def vmdk(descriptor: bytes, *, sectors: int = 1, capacity: int = 2048) -> bytes:
    """A hosted sparse extent with this descriptor, of which the header admits so many sectors."""
    head = struct.pack("<4sIIQQQQIQQQB", b"KDMV", 1, 3, capacity, 128, 1, sectors, 512, 21, 26, 128, 0) + b"\n \r\n"
    return (head.ljust(512, b"\0") + descriptor.ljust(20 * 512, b"\0")).ljust(128 * 512, b"\0")


def vmdk_text(*lines: str, kind: str = "monolithicSparse") -> bytes:
    """A descriptor."""
    first = ["# Disk DescriptorFile", "version=1", "CID=00000001", f'createType="{kind}"']
    return "\n".join([*first, *lines, ""]).encode()


def vhd(kind: int) -> bytes:
    """A virtual hard disk of the kind: 2 fixed, 3 dynamic, 4 what differs from another."""
    footer = struct.pack(
        ">8sIIQI4sI4sQQHBBI", b"conectix", 2, 0x10000, 512, 0, b"qemu", 0x50003, b"Wi2k", MIB, MIB, 30, 4, 17, kind
    )
    footer = (footer + bytes(4) + uuid.UUID(int=1).bytes).ljust(512, b"\0")
    footer = footer[:64] + struct.pack(">I", ~sum(footer) & 0xFFFFFFFF) + footer[68:]
    header = struct.pack(">8sQQIII", b"cxsparse", (1 << 64) - 1, 1536, 0x10000, 1, 0x200000).ljust(1024, b"\0")
    header = header[:36] + struct.pack(">I", ~sum(header) & 0xFFFFFFFF) + header[40:]
    return footer + header + b"\xff" * 512 + footer


def vdi(kind: int, *, parent: bytes = bytes(16)) -> bytes:
    """A VirtualBox disk of the kind: 1 dynamic, 4 what differs from another."""
    text = b"<<< QEMU VM Virtual Disk Image >>>\n".ljust(64, b"\0")
    head = text + struct.pack("<IIIII", 0xBEDA107F, 0x10001, 0x180, kind, 0)
    head = head.ljust(0x154, b"\0") + struct.pack("<II", 512, 1024) + bytes(12) + struct.pack("<I", 512) + bytes(4)
    head += struct.pack("<QIIII", MIB, MIB, 0, 1, 0) + uuid.UUID(int=2).bytes + uuid.UUID(int=3).bytes + parent
    return head.ljust(1024, b"\0") + b"\xff" * 1024


def vhdx(*, parent: bool) -> bytes:
    """A Hyper-V disk; with a parent, its metadata has the item that names it."""
    out = bytearray(3 * MIB)
    out[:8] = b"vhdxfile"
    table = struct.pack("<4sIII", b"regi", 0, 2, 0)
    table += VHDX_METADATA + struct.pack("<QII", 2 * MIB, MIB, 1) + VHDX_BAT + struct.pack("<QII", MIB, MIB, 1)
    out[192 * 1024 : 192 * 1024 + len(table)] = table
    items = [(VHDX_SIZE, 0x10000, 8), *([(VHDX_PARENT, 0x10100, 256)] if parent else [])]
    meta = struct.pack("<8sHH20x", b"metadata", 0, len(items))
    meta += b"".join(id + struct.pack("<IIII", at, length, 4, 0) for id, at, length in items)
    out[2 * MIB : 2 * MIB + len(meta)] = meta
    out[2 * MIB + 0x10000 : 2 * MIB + 0x10008] = struct.pack("<Q", MIB)
    return bytes(out)


def iso() -> bytes:
    """A file system for CDs, as far as anybody looks."""
    return bytes(0x8000) + b"\1CD001\1".ljust(2048, b"\0") + bytes(4096)


def qed(canary: bytes) -> bytes:
    """A QED image over another file."""
    return (
        struct.pack("<4sIIIQQQQQII", b"QED\0", 65536, 4, 1, 1, 0, 0, 65536, MIB, 80, len(canary)) + bytes(8) + canary
    ).ljust(MIB, b"\0")


def luks() -> bytes:
    """A LUKS header."""
    return b"LUKS\xba\xbe" + struct.pack(">H", 1) + bytes(MIB)


def gpt() -> bytes:
    """A disk with a protective partition table."""
    entry = b"\0\0\2\0\xee\xff\xff\xff" + struct.pack("<II", 1, 2047)
    return (bytes(446) + entry + bytes(48) + b"\x55\xaa" + b"EFI PART").ljust(MIB, b"\0")


def hostile(canary: str) -> Iterator[Hostile]:
    """All of them; none may ever be taken, whatever it says it is."""
    path = canary.encode()
    data_file = struct.pack(">II", 0x44415441, len(path)) + path.ljust(-(-len(path) // 8) * 8, b"\0")
    json = f'json:{{"driver":"file","filename":"{canary}"}}'.encode()
    hint = f'parentFileNameHint="{canary}"'
    yield Hostile("qcow2 over a file", "qcow2", qcow2(backing=path))
    yield Hostile("qcow2 of the old version over a file", "qcow2", qcow2(version=2, backing=path))
    yield Hostile("qcow2 over a file told in JSON", "qcow2", qcow2(backing=json))
    yield Hostile("qcow2 over an address", "qcow2", qcow2(backing=b"http://127.0.0.1/secret"))
    yield Hostile("qcow2 whose clusters are in a file", "qcow2", qcow2(incompatible=4, extensions=data_file))
    yield Hostile("qcow2 with unknown features", "qcow2", qcow2(incompatible=1 << 40))
    yield Hostile("qcow2 of a version to come", "qcow2", qcow2(version=9))
    yield Hostile("qcow2 that ends in its header", "qcow2", qcow2()[:60])
    flat = vmdk_text(f'RW 2048 FLAT "{canary}" 0', kind="monolithicFlat")
    yield Hostile("vmdk that is only words", "vmdk", flat.ljust(2048, b"\n"))
    yield Hostile("vmdk whose extent is a file", "vmdk", vmdk(flat))
    yield Hostile(
        "vmdk of two extents", "vmdk", vmdk(vmdk_text(f'RW 2048 SPARSE "{canary}"', kind="twoGbMaxExtentSparse"))
    )
    yield Hostile("vmdk over a file", "vmdk", vmdk(vmdk_text("parentCID=1", hint, 'RW 2048 SPARSE "a.vmdk"')))
    hidden = vmdk_text('RW 2048 SPARSE "a.vmdk"', "#").ljust(512, b"#") + f"\nparentCID=1\n{hint}\n".encode()
    yield Hostile("vmdk over a file that its header keeps quiet about", "vmdk", vmdk(hidden))
    yield Hostile("vhd that differs", "vhd", vhd(4))
    yield Hostile("vdi that differs", "vdi", vdi(4))
    yield Hostile("vdi with a parent", "vdi", vdi(1, parent=uuid.UUID(int=4).bytes))
    yield Hostile("vhdx with a parent", "vhdx", vhdx(parent=True))
    for format in ("raw", "qcow2"):
        yield Hostile(f"qed that says it is {format}", format, qed(path))
    for name, content in disks().items():
        for format in ("raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso"):
            if format != name:
                yield Hostile(f"{name} that says it is {format}", format, content)
    for format in ("qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso"):
        for name, content in _others(canary).items():
            yield Hostile(f"{name} that says it is {format}", format, content)


def _others(canary: str) -> dict[str, bytes]:
    """What is no disk image of any such format."""
    return {
        "nothing": b"", "zeros": bytes(MIB), "a tar": tar(canary), "gzip": gzip.compress(canary.encode()),
        "a plain disk": gpt(), "an encrypted disk": luks(),
    }  # fmt: skip


def tar(name: str) -> bytes:
    """An archive of one file, such as an appliance is."""
    head = (
        name.encode()[:99].ljust(100, b"\0")
        + b"0000644\0" * 3
        + b"%011o\0" % 0
        + b"%011o\0" % 0
        + b" " * 8
        + b"2"
        + bytes(100)
    )
    return (head + b"ustar\x0000").ljust(10240, b"\0")


def disks() -> dict[str, bytes]:
    """One harmless image of each format that can be told by its bytes."""
    return {
        "qcow2": qcow2(),
        "vmdk": vmdk(vmdk_text('RW 2048 SPARSE "a.vmdk"')),
        "vhd": vhd(3),
        "vdi": vdi(1),
        "vhdx": vhdx(parent=False),
        "iso": iso(),
    }
