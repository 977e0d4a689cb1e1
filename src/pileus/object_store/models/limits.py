"""How long and how many: what clients may say, as `/info` tells them."""

from collections.abc import Mapping

NAME_LENGTH = {"account": 256, "container": 256, "object": 1024}
HIDDEN = 64  # bytes more for names that the cloud makes of clients' names
META_NAME, META_VALUE, META_COUNT, META_OVERALL = 128, 256, 90, 4096
HEADER = 8192


def wrong_name(kind: str, name: str, *, hidden: bool) -> str | None:
    """What is wrong with a name, if something is."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "Invalid UTF8 or contains NULL"
    if "\0" in name and not (hidden and name.startswith("\0")):
        return "Invalid UTF8 or contains NULL"
    if kind == "container" and "/" in name:
        return "Container name cannot contain slashes"
    if length > NAME_LENGTH[kind] + (HIDDEN if name.startswith("\0") else 0):
        return f"{kind.capitalize()} name length of {length} longer than {NAME_LENGTH[kind]}"
    return None


def wrong_metadata(headers: Mapping[str, str], kind: str) -> str | None:
    """What is wrong with the metadata in some headers, if something is."""
    prefix = f"x-{kind}-meta-"
    count = overall = 0
    for header, value in headers.items():
        if len(value) > HEADER:
            return f"Header value too long: {header[:META_NAME]}"
        if not header.startswith(prefix):
            continue
        name = header.removeprefix(prefix)
        wrong = _wrong_entry(name, value)
        if wrong is not None:
            return wrong
        count += 1
        overall += len(name) + len(value)
    if count > META_COUNT:
        return f"Too many metadata items; max {META_COUNT}"
    if overall > META_OVERALL:
        return f"Total metadata too large; max {META_OVERALL}"
    return None


def _wrong_entry(name: str, value: str) -> str | None:
    if not name:
        return "Metadata name cannot be empty"
    if len(name) > META_NAME:
        return f"Metadata name too long: {name}"
    if len(value) > META_VALUE:
        return f"Metadata value longer than {META_VALUE}: {name}"
    try:
        (name + value).encode("latin-1").decode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        return "Metadata must be valid UTF-8"
    return None
