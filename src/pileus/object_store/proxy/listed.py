"""What accounts and containers share: which part of a listing is asked for, in which type, and what was said about them."""

from collections.abc import Mapping, Sequence

from pileus.object_store.models.acls import BadAcl, account_acl, cleaned
from pileus.object_store.models.limits import wrong_metadata
from pileus.object_store.models.listings import Entry, Wanted, as_json, as_plain, as_xml, content_type, described
from pileus.object_store.proxy.asks import Answer, Ask, Refused

UTF8 = {"application/json", "application/xml", "text/xml", "text/plain"}
# What is set by these names and not by x-<kind>-meta-.
SAID = {
    "account": ("x-account-access-control",),
    "container": (
        "x-container-read",
        "x-container-write",
        "x-container-sync-key",
        "x-container-sync-to",
    ),
}
# Only who runs the account sees these.
OWNERS = (
    "x-container-read", "x-container-write", "x-container-sync-key", "x-container-sync-to", "x-account-access-control",
    "x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2", "x-container-meta-temp-url-key",
    "x-container-meta-temp-url-key-2",
)  # fmt: skip


def wanted_of(ask: Ask, most: int) -> Wanted:
    """The part of a listing that a query asks for; refuses what it cannot be."""
    query = ask.query
    limit = most
    if query.get("limit"):
        text = query["limit"]
        if text.isascii() and text.isdigit():
            limit = int(text)
    if limit > most:
        raise Refused(412, f"Maximum limit is {most}")
    for name in ("marker", "end_marker", "prefix", "delimiter", "path"):
        value = query.get(name, "")
        if _unspeakable(value) or ("\0" in value and not ask.hidden):
            raise Refused(412, "Invalid UTF8 or contains NULL")
    return Wanted(
        limit=limit,
        marker=query.get("marker", ""),
        end_marker=query.get("end_marker", ""),
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        path=query.get("path"),
        reverse=query.get("reverse", "").lower() in {"1", "true", "yes", "on", "t", "y"},
        reserved=ask.hidden,
    )


def _unspeakable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def type_of(ask: Ask) -> str:
    """The type of a listing; refuses when none is accepted."""
    found = content_type(ask.query.get("format"), ask.headers.get("accept", ""))
    if found is None:
        raise Refused(406)
    return found


def written(entries: Sequence[Entry], kind: str, root: str, name: str, headers: Mapping[str, str]) -> Answer:
    """The answer that lists some entries."""
    if kind == "application/json":
        body = as_json(entries)
    elif kind.endswith("xml"):
        body = as_xml([described(entry) for entry in entries], root, name)
    else:
        body = as_plain(entries)
    type_header = {"content-type": f"{kind}; charset=utf-8"}
    if kind == "text/plain" and not body:
        return Answer(status=204, headers={**headers, **type_header})
    return Answer(status=200, headers={**headers, **type_header, "vary": "Accept"}, body=body)


def said_of(ask: Ask, kind: str) -> dict[str, str]:
    """What the headers of a PUT or POST say about an account or a container; an empty value takes back."""
    wrong = wrong_metadata(ask.headers, kind)
    if wrong is not None:
        raise Refused(400, wrong)
    said: dict[str, str] = {}
    for name, value in ask.headers.items():
        plain = f"x-{name.removeprefix('x-remove-')}" if name.startswith("x-remove-") else name
        if _about(plain, kind):
            said[plain] = "" if plain != name else value
    for name in ("x-container-read", "x-container-write"):
        if ask.headers.get(name):
            ask.headers[name] = _acl(ask.headers[name], writing=name.endswith("write"))
    if ask.headers.get("x-account-access-control"):
        _require_acl(ask.headers["x-account-access-control"])
    # Both in one request: what is set counts.
    return {**said, **{name: value for name, value in ask.headers.items() if name in said and value}}


def _acl(text: str, *, writing: bool) -> str:
    try:
        return cleaned(text, writing=writing)
    except BadAcl as bad:
        raise Refused(400, str(bad)) from bad


def _require_acl(text: str) -> None:
    try:
        account_acl(text)
    except BadAcl as bad:
        raise Refused(400, str(bad)) from bad


def _about(name: str, kind: str) -> bool:
    if name in SAID[kind]:
        return True
    return name.startswith((f"x-{kind}-meta-", f"x-{kind}-sysmeta-")) and name != f"x-{kind}-meta-"


def shown(metadata: Mapping[str, str], *, owner: bool) -> dict[str, str]:
    """What of the metadata the asker sees."""
    return {name: value for name, value in metadata.items() if owner or name not in OWNERS}
