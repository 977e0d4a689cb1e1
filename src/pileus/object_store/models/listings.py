"""What a listing is asked for, and what it answers: JSON, XML or plain text."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import msgspec

from pileus.object_store.models.stamps import iso


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a listing; all names compare as UTF-8 does."""

    limit: int = 10_000
    marker: str = ""
    end_marker: str = ""
    prefix: str = ""
    delimiter: str = ""
    path: str | None = None
    reverse: bool = False
    reserved: bool = False  # also names that begin with NUL, which clients never see


class ObjectRow(msgspec.Struct, frozen=True, kw_only=True):
    """An object as its container knows it. `changed` is when its metadata last did."""

    name: str
    stamp: str
    changed: str = ""
    size: int = 0
    type: str = ""
    etag: str = ""
    deleted: bool = False
    policy: int = 0

    @property
    def order(self) -> tuple[str, str]:
        """Of two rows of one name the one with the greater order counts."""
        return (self.stamp, max(self.changed, self.stamp))


class ContainerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A container as its account knows it."""

    name: str
    put_stamp: str = ""
    delete_stamp: str = ""
    count: int = 0
    bytes: int = 0
    policy: int = 0
    changed: str = ""  # when count and bytes were so

    @property
    def deleted(self) -> bool:
        """Whether it is gone."""
        return self.delete_stamp > self.put_stamp


class Subdir(msgspec.Struct, frozen=True):
    """All names that begin so, up to and with the delimiter."""

    name: str


Entry = ObjectRow | ContainerRow | Subdir

FORMATS = {"json": "application/json", "xml": "application/xml", "plain": "text/plain"}
TYPES = {
    "application/json": "application/json",
    "application/xml": "application/xml",
    "text/xml": "text/xml",
    "text/plain": "text/plain",
}


def after(prefix: str) -> str:
    """The first text beyond all those that begin so; empty when there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
        prefix = prefix[:-1]
    return ""


def content_type(given: str | None, accept: str) -> str | None:
    """The type a listing has: what `format` says, else the best that is accepted; None when nothing is."""
    if given is not None:
        return FORMATS.get(given.lower(), "text/plain")
    if not accept.strip():
        return "text/plain"
    best, found = 0.0, None
    for part in accept.split(","):
        kind, _, rest = part.strip().partition(";")
        quality = _quality(rest)
        match = TYPES.get(kind.strip().lower())
        if match is None and kind.strip() in {"*/*", "text/*"}:
            match = "text/plain"
        if match is None and kind.strip() == "application/*":
            match = "application/json"
        if match is not None and quality > best:
            best, found = quality, match
    return found


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def as_json(entries: Sequence[Entry]) -> bytes:
    """The listing as JSON."""
    return msgspec.json.encode([described(entry) for entry in entries])


def described(entry: Entry) -> dict[str, object]:
    """An entry as JSON shows it."""
    match entry:
        case Subdir(name=name):
            return {"subdir": name}
        case ObjectRow():
            etag, _, rest = entry.etag.partition(";")
            found: dict[str, object] = {
                "bytes": entry.size,
                "hash": etag.strip(),
                "name": entry.name,
                "content_type": entry.type,
                "last_modified": iso(entry.changed or entry.stamp),
            }
            extras = _extras(rest)
            if "versioned_etag" in extras:  # it stands for the newest of its versions, and looks like it
                found |= {"hash": extras.pop("versioned_etag"), "bytes": int(str(extras.pop("versioned_bytes")))}
                found["version_id"] = extras.pop("versioned_id", "")
            return {**found, **extras}
        case ContainerRow():
            return {
                "name": entry.name,
                "count": entry.count,
                "bytes": entry.bytes,
                "last_modified": iso(entry.put_stamp),
            }


def _extras(text: str) -> dict[str, object]:
    """What features say of an object in its container: `; slo_etag=...; symlink_target=...`."""
    found: dict[str, object] = {}
    for part in text.split(";"):
        key, sign, value = part.strip().partition("=")
        if not sign:
            continue
        if key == "slo_etag":
            found[key] = f'"{value}"'
        elif key == "symlink_target":
            found["symlink_path"] = value
        elif key in {"symlink_target_etag", "symlink_etag"}:
            found["symlink_etag"] = value
        elif key == "symlink_target_bytes":
            found["symlink_bytes"] = int(value)
        else:
            found[key] = value
    return found


def as_plain(entries: Sequence[Entry]) -> bytes:
    """The listing as one name a line."""
    return "".join(f"{entry.name}\n" for entry in entries).encode("utf-8", "surrogateescape")


def as_xml(entries: Sequence[dict[str, object]], root: str, name: str) -> bytes:
    """The listing as XML; `root` is what is listed: an account or a container."""
    inner = "object" if root == "container" else "container"
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} name={_attribute(name)}>']
    for entry in entries:
        if "subdir" in entry:
            subdir = str(entry["subdir"])
            parts.append(f"<subdir name={_attribute(subdir)}><name>{_text(subdir)}</name></subdir>")
            continue
        order = (
            ("name", "hash", "bytes", "content_type", "last_modified")
            if root == "container"
            else ("name", "count", "bytes", "last_modified")
        )
        fields = "".join(f"<{key}>{_text(str(entry[key]))}</{key}>" for key in order)
        parts.append(f"<{inner}>{fields}</{inner}>")
    parts.append(f"</{root}>")
    return "".join(parts).encode("utf-8", "surrogateescape")


def _text(text: str) -> str:
    return escape(_possible(text))


def _attribute(text: str) -> str:
    return quoteattr(_possible(text))


def _possible(text: str) -> str:
    # XML 1.0 cannot say these at all; a name that holds them is told by JSON.
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if (char < " " and char not in "\t\n\r") or char in "\ufffe\uffff" else char
        for char in text
    )
