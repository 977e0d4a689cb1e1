"""Manifests of static large objects: what clients write, what is kept, and what is wrong with one."""

import binascii
import builtins
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import md5
from typing import Any

import msgspec

from pileus.object_store.models.ranges import ranges_of

MOST_SEGMENTS = 1000
MOST_BYTES = 8 << 20
KEYS = {"path", "etag", "size_bytes", "range", "data"}


class Entry(msgspec.Struct, omit_defaults=True):
    """One segment, as a manifest keeps it."""

    name: str = ""  # /container/object
    hash: str = ""
    bytes: int = 0
    content_type: str = ""
    last_modified: str = ""
    range: str = ""  # first-last, both in
    sub_slo: bool = False
    data: str = ""  # bytes in place of an object, Base64

    @property
    def inline(self) -> builtins.bytes:
        """The bytes that stand in the manifest itself."""
        return b64decode(self.data) if self.data else b""

    @property
    def part(self) -> tuple[int, int]:
        """Where the part of the object that is used begins, and how long it is."""
        if self.data:
            return 0, len(self.inline)
        if not self.range:
            return 0, self.bytes
        first, _, last = self.range.partition("-")
        return int(first), int(last) - int(first) + 1


class WrongManifest(ValueError):
    """Why a manifest cannot be taken; `status` of HTTP."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def parsed(raw: bytes) -> list[dict[str, Any]]:
    """The entries of a client's manifest, each with path, etag, size_bytes and range or None, or data. Raises WrongManifest."""
    if len(raw) > MOST_BYTES:
        raise WrongManifest(f"Manifest File > {MOST_BYTES} bytes", 413)
    try:
        given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        raise WrongManifest("Manifest must be valid JSON.\n") from bad
    if not isinstance(given, list):
        raise WrongManifest("Manifest must be a list.\n")
    if not given or not any(isinstance(one, dict) and "path" in one for one in given):
        raise WrongManifest(
            "Manifest must contain at least one object-backed segment.\n" if given else "Manifest must not be empty.\n"
        )
    if len(given) > MOST_SEGMENTS:
        raise WrongManifest(f"Number of object-backed segments must be <= {MOST_SEGMENTS}", 413)
    wrong = [f"Index {at}: {why}" for at, one in enumerate(given) for why in _wrong(one)]
    if wrong:
        raise WrongManifest("".join(f"{why}\n" for why in wrong))
    return [_plain(one) for one in given]


def _wrong(one: object) -> list[str]:
    if not isinstance(one, dict):
        return ["not a JSON object"]
    found = [f'extraneous keys "{key}"' for key in sorted(one.keys() - KEYS)]
    if "data" in one:
        return found + _wrong_data(one)
    if "path" not in one:
        return [*found, 'missing required key "path"']
    path = one["path"]
    if not isinstance(path, str) or len([part for part in path.lstrip("/").split("/", 1) if part]) < 2:
        found.append("path does not refer to an object. Path must be of the form /container/object.")
    if one.get("etag") is not None and not isinstance(one["etag"], str):
        found.append("etag must be a string")
    return found + _wrong_size(one.get("size_bytes")) + _wrong_range(one.get("range"))


def _wrong_size(size: object) -> list[str]:
    if size is None:
        return []
    digits = size if isinstance(size, str) else str(size) if type(size) is int else ""
    if not re.fullmatch(r"-?[0-9]{1,20}", digits):
        return ["invalid size_bytes"]
    size = int(digits)
    return [] if size >= 1 else ["too small; each segment must be at least 1 byte."]


def _wrong_range(text: object) -> list[str]:
    if text is None:
        return []
    if not isinstance(text, str) or ranges_of(f"bytes={text}", 1 << 62) is None:
        return ["invalid range"]
    return ["multiple ranges (only one allowed)"] if "," in text else []


def _wrong_data(one: Mapping[str, Any]) -> list[str]:
    try:
        decoded = b64decode(one["data"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        return ["data must be valid base64"]
    return [] if decoded else ["too small; each segment must be at least 1 byte."]


def _plain(one: Mapping[str, Any]) -> dict[str, Any]:
    if "data" in one:
        return {"data": b64encode(b64decode(one["data"])).decode()}
    path = "/" + one["path"].lstrip("/")
    size = one.get("size_bytes")
    etag = one.get("etag")
    return {
        "path": path,
        "etag": etag.strip('"') if etag else None,
        "size_bytes": None if size is None else int(size),
        "range": one.get("range") or None,
    }


def etag_of(entries: list[Entry]) -> str:
    """The tag of the large object: the MD5 of its segments' tags and ranges."""
    text = "".join(
        md5(entry.inline, usedforsecurity=False).hexdigest()
        if entry.data
        else f"{entry.hash}:{entry.range};"
        if entry.range
        else entry.hash
        for entry in entries
    )
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def as_client(entries: list[Entry]) -> bytes:
    """The manifest as a client would write it."""
    return msgspec.json.encode(
        [
            {"data": entry.data}
            if entry.data
            else {
                "path": entry.name,
                "etag": entry.hash,
                "size_bytes": entry.bytes,
                **({"range": entry.range} if entry.range else {}),
            }
            for entry in entries
        ]
    )
