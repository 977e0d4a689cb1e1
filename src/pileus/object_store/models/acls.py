"""Access lists of containers (`.r:*,.rlistings,project:user,role`) and of accounts (JSON)."""

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

import msgspec

GRANTS = ("read-only", "read-write", "admin")


class BadAcl(ValueError):
    """An access list that cannot be understood."""


def cleaned(text: str, *, writing: bool) -> str:
    """The list in the form it is kept in; raises BadAcl."""
    found = []
    for part in text.split(","):
        value = part.strip()
        if not value:
            continue
        first, colon, second = (bit.strip() for bit in value.partition(":"))
        if not colon or not first.startswith("."):
            found.append(value)
            continue
        if first not in {".r", ".ref", ".referer", ".referrer"}:
            raise BadAcl(f"Unknown designator {first!r} in ACL: {value!r}")
        if writing:
            raise BadAcl(f"Referrers not allowed in write ACL: {value!r}")
        negated = second.startswith("-")
        host = second.lstrip("-").strip()
        if host != "*" and host.startswith("*"):
            host = host[1:].strip()
        if not host or host == ".":
            raise BadAcl(f"No host/domain value after referrer designation in ACL: {value!r}")
        found.append(f".r:{'-' if negated else ''}{host}")
    return ",".join(found)


def parsed(text: str) -> tuple[list[str], list[str]]:
    """Referrers and groups of a list."""
    referrers, groups = [], []
    for part in text.split(","):
        if part.startswith(".r:"):
            referrers.append(part[3:])
        elif part:
            groups.append(unquote(part))
    return referrers, groups


def referrer_allowed(referrer: str, allowed: Iterable[str]) -> bool:
    """Whether a page may show what is in the container; the last entry that fits decides."""
    allow = False
    host = urlsplit(referrer).hostname or "unknown" if referrer else "unknown"
    for entry in allowed:
        negated = entry.startswith("-")
        name = entry.lstrip("-")
        if name in {"*", host} or (name.startswith(".") and host.endswith(name)):
            allow = not negated
    return allow


def account_acl(text: str) -> dict[str, list[str]]:
    """Who may what in a whole account; raises BadAcl."""
    if not text:
        return {}
    try:
        found = msgspec.json.decode(text, type=dict[str, list[str]])
    except (msgspec.DecodeError, msgspec.ValidationError) as bad:
        raise BadAcl(f"X-Account-Access-Control is no JSON object of lists: {bad}") from bad
    odd = found.keys() - set(GRANTS)
    if odd:
        raise BadAcl(f"X-Account-Access-Control knows {', '.join(GRANTS)}, not {', '.join(sorted(odd))}")
    return found
