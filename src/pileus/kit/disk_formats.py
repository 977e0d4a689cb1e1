"""Disk formats: whether bytes are a disk in the format they are said to be in, and refer to nothing outside themselves.

A disk image can name other files for its reader to open. One that does, or that is not what it claims to be, would let its
owner read the files of whoever opens it. Bytes are judged while they pass (`Judge`), or by the head of a file (`check_file`).
"""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from oslo_utils.imageutils.format_inspector import FileInspector, InspectWrapper

# Formats that others are containers of, or that are told by nothing in the bytes.
RAW_LIKE = frozenset({"raw", "gpt"})
OPAQUE = frozenset({"ami", "ari", "aki", "ploop"})
ALSO = {"iso": frozenset({"iso", "gpt"})}  # a hybrid image has a partition table and a file system for CDs


# What these are is told by their first bytes; others may have what overrules those at their very end.
TOLD_BY_HEAD = frozenset({"raw", "gpt", "qcow2", "iso"})

HEAD = 8 << 20
CHUNK = 1 << 20
PIECE = (
    1 << 16
)  # of a head, what inspectors look at together: where one thing tells of the next, they follow it once in each
VMDK_DESCRIPTOR = 0x200 + (1 << 20)  # block/vmdk.c reads that much at most
VHD_DIFFERENCING = b"\0\0\0\4"
VDI_DIFFERENCING = b"\4\0\0\0"
VHDX_PARENT = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le  # the metadata item that tells where a parent is


class Mismatch(Exception):
    """The content is not what the disk format says."""


class Unsafe(Exception):
    """The content refers to something outside itself, or cannot be shown not to."""


class _Tap:
    """The source an inspector reads from: whatever chunk was just put in."""

    def __init__(self) -> None:
        self.chunk = b""

    def read(self, _size: int) -> bytes:
        return self.chunk


class Judge:
    """Looks at the bytes of a disk as they pass; they may be any with a format that nothing tells of."""

    def __init__(self, format: str | None) -> None:
        self._format = format
        self._tap = _Tap()
        self._head = bytearray()
        self._wrapper: InspectWrapper | None = None

    def feed(self, chunk: bytes) -> None:
        """The chunk is next; raises Mismatch as soon as that is certain."""
        if self._format in OPAQUE:
            return
        size = PIECE if len(self._head) < HEAD else CHUNK
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        from oslo_utils.imageutils.format_inspector import ALL_FORMATS, ImageFormatError, InspectWrapper

        if self._wrapper is None:
            # The one that is expected may end it early; raw is expected by nobody.
            expected = self._format if self._format in ALL_FORMATS.keys() - RAW_LIKE - ALSO.keys() else None
            self._wrapper = InspectWrapper(self._tap, expected_format=expected)  # type: ignore[arg-type]
        whole = memoryview(chunk)
        try:
            for start in range(0, len(chunk), size):
                self._tap.chunk = bytes(whole[start : start + size])
                self._wrapper.read(size)
        except ImageFormatError as wrong:
            raise Mismatch(f"it should be {self._format}, and is not") from wrong

    def size(self, octets: int) -> int | None:
        """The size of the disk in all these octets, if it can be told; raises Mismatch or Unsafe."""
        if self._wrapper is not None:
            self._wrapper.close()
            return self._judged(self._wrapper, octets)
        if self._format not in RAW_LIKE | OPAQUE:
            raise Mismatch(f"it should be {self._format}, and there are no bytes")
        return None

    def _judged(self, wrapper: "InspectWrapper", octets: int) -> int | None:
        from oslo_utils.imageutils.format_inspector import ImageFormatError, SafetyCheckFailed

        found = list(wrapper.formats or [])
        names = {str(one) for one in found}
        wanted = self._format or "raw"
        allowed = RAW_LIKE if wanted in RAW_LIKE else ALSO.get(wanted, frozenset({wanted}))
        if not names <= allowed or (wanted not in RAW_LIKE and wanted not in names):
            raise Mismatch(f"it should be {wanted}, and is {' and '.join(sorted(names)) or 'nothing known'}")
        main = next((one for one in found if str(one) == wanted), found[0])
        if str(main) not in RAW_LIKE:
            # A partition table can do nothing but be odd, and guests make odd ones.
            try:
                main.safety_check()
            except SafetyCheckFailed as failed:
                why = "; ".join(str(reason) for reason in failed.failures.values())
                raise Unsafe(why) from failed
            except ImageFormatError as failed:
                raise Unsafe(str(failed)) from failed
            parent = parent_in(str(main), bytes(self._head))
            if parent is not None:
                raise Unsafe(parent)
        return octets if str(main) in RAW_LIKE else _virtual_size(main)


def check_file(file: Path, format: str) -> int | None:
    """The size of the disk in the file, if it can be told: it is in this format, and refers to no other file; raises Mismatch,
    Unsafe or OSError.

    As much of it is read as the format needs. Whoever opens it has to say the format all the same.
    """
    judge, left = Judge(format), HEAD if format in TOLD_BY_HEAD else file.stat().st_size
    with file.open("rb") as opened:
        while left > 0 and (chunk := opened.read(min(CHUNK, left))):
            judge.feed(chunk)
            left -= len(chunk)
    return judge.size(file.stat().st_size)


def parent_in(format: str, head: bytes) -> str | None:
    """Why the head of a file says that its disk is only what differs from another; None if it does not say so.

    The inspectors leave these to whoever opens the file. QEMU reads a VMDK's descriptor past the length that its header gives.
    """
    match format:
        case "vmdk":
            differs = b"parentfilenamehint" in head[:VMDK_DESCRIPTOR].lower()
        case "vhd":
            differs = head[60:64] == VHD_DIFFERENCING
        case "vdi":
            differs = head[0x4C:0x50] == VDI_DIFFERENCING or head[0x1A8:0x1C8].strip(b"\0") != b""
        case "vhdx":
            differs = VHDX_PARENT in head
        case _:
            differs = False
    return "it is only what differs from another disk" if differs else None


def _virtual_size(inspector: "FileInspector") -> int | None:
    return int(inspector.virtual_size) or None
