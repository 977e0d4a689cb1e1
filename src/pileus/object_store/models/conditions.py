"""Conditions of a request: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since."""

from collections.abc import Mapping

from pileus.object_store.models.stamps import seconds_of_date


def tags(header: str) -> set[str]:
    """The entity tags of a header, without quotes; `*` stands for itself."""
    return {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",") if tag.strip()}


def unmet(headers: Mapping[str, str], etags: frozenset[str], last_modified: str) -> int | None:
    """304 or 412 when a condition does not hold for a thing that has these tags; None when all do."""
    none_match = headers.get("if-none-match")
    if none_match is not None and _matches(none_match, etags):
        return 304
    match = headers.get("if-match")
    if match is not None and not _matches(match, etags):
        return 412
    if "if-modified-since" not in headers and "if-unmodified-since" not in headers:
        return None
    changed = seconds_of_date(last_modified) if last_modified else None
    if changed is None:
        return None
    since = seconds_of_date(headers.get("if-modified-since", ""))
    if none_match is None and since is not None and changed <= since:
        return 304
    until = seconds_of_date(headers.get("if-unmodified-since", ""))
    if until is not None and changed > until:
        return 412
    return None


def _matches(header: str, etags: frozenset[str]) -> bool:
    wanted = tags(header)
    return "*" in wanted or bool(wanted & etags)
