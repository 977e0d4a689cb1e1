"""Sums over bytes as they pass: those that S3 knows, each by its name, and how those of parts make that of the whole."""

import hashlib
import zlib
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from pileus.object_store.s3.errors import S3Error

CRCS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}  # bytes
SIZES = {**CRCS, "sha1": 20, "sha256": 32}
DEFAULT = "crc64nvme"
HEADER = "x-amz-checksum-"
FULL, COMPOSITE = "FULL_OBJECT", "COMPOSITE"


class Sum(Protocol):
    """A sum that grows."""

    def update(self, chunk: bytes) -> None: ...
    def digest(self) -> bytes: ...


class Crc:
    """A cyclic redundancy check."""

    def __init__(self, name: str) -> None:
        self._function = _crc(name)
        self._size = CRCS[name]
        self._value = 0

    def update(self, chunk: bytes) -> None:
        """The bytes count too."""
        self._value = self._function(chunk, self._value)

    def digest(self) -> bytes:
        """The sum, its highest byte first."""
        return self._value.to_bytes(self._size, "big")


def _crc(name: str) -> Callable[[bytes, int], int]:
    if name == "crc32":
        return zlib.crc32
    from awscrt import checksums  # it takes 80 ms to load, and most clouds never need it

    found: Callable[[bytes, int], int] = checksums.crc32c if name == "crc32c" else checksums.crc64nvme
    return found


def sum_of(name: str) -> Sum:
    """A new sum of this kind: one of SIZES, or md5."""
    if name in CRCS:
        return Crc(name)
    if name == "md5":
        return hashlib.md5(usedforsecurity=False)
    return hashlib.sha1(usedforsecurity=False) if name == "sha1" else hashlib.sha256()


class Checksum(msgspec.Struct, frozen=True):
    """The sum of an object: of what kind, in Base64 (with the number of parts if it is made of theirs), of what."""

    name: str
    value: str
    of: str = FULL

    @property
    def text(self) -> str:
        """As it is kept with the object."""
        return f"{self.name} {self.value} {self.of}"


def kept(text: str) -> Checksum | None:
    """The sum that is kept with an object."""
    parts = text.split(" ")
    return Checksum(*parts) if len(parts) == 3 and parts[0] in SIZES else None


def encoded(digest: bytes) -> str:
    """A digest in Base64."""
    return b64encode(digest).decode()


def decoded(text: str, size: int) -> bytes | None:
    """The digest of this size that a Base64 text stands for; None when it stands for none."""
    try:
        found = b64decode(text, validate=True)
    except (BadBase64, ValueError):
        return None
    return found if len(found) == size else None


def named(text: str) -> str:
    """The name of the sum that a client names; raises InvalidRequest."""
    name = text.strip().lower()
    if name not in SIZES:
        raise S3Error("InvalidRequest", f"Checksum algorithm '{text}' is not one of {', '.join(SIZES)}.")
    return name


def kind_of(name: str, wanted: str) -> str:
    """Of what the checksum of a multipart upload is: FULL_OBJECT or COMPOSITE; raises InvalidRequest."""
    found = wanted.upper() or (FULL if name == DEFAULT else COMPOSITE)
    if (
        found not in {FULL, COMPOSITE}
        or (found == FULL and name not in CRCS)
        or (found == COMPOSITE and name == DEFAULT)
    ):
        raise S3Error("InvalidRequest", f"The {wanted} checksum type cannot be used with the {name} algorithm.")
    return found


def whole(name: str, of: str, parts: Sequence[tuple[str, int]]) -> Checksum:
    """The sum of an object from those of its parts, each with the part's size."""
    digests = [(b64decode(value), size) for value, size in parts]
    if of == COMPOSITE:
        sum = sum_of(name)
        for digest, _ in digests:
            sum.update(digest)
        return Checksum(name, f"{encoded(sum.digest())}-{len(parts)}", of)
    from awscrt import checksums

    combine = {
        "crc32": checksums.combine_crc32,
        "crc32c": checksums.combine_crc32c,
        "crc64nvme": checksums.combine_crc64nvme,
    }[name]
    value = 0
    for digest, size in digests:
        value = combine(value, int.from_bytes(digest, "big"), size)
    return Checksum(name, encoded(value.to_bytes(CRCS[name], "big")), of)
