"""A request as S3 reads it: the bucket and key it names, by path or by host, and all that its signature covers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from pileus.object_store.models.hosts import below
from pileus.object_store.s3.errors import S3Error

# What a query may ask for besides the bucket or object itself, the more telling first.
SUBRESOURCES = (
    "uploads", "uploadId", "delete", "versions", "acl", "tagging", "versioning", "location", "cors", "lifecycle",
    "policy", "policyStatus", "object-lock", "retention", "legal-hold", "attributes", "logging", "encryption",
    "notification", "replication", "requestPayment", "website", "accelerate", "publicAccessBlock", "ownershipControls",
    "analytics", "inventory", "metrics", "intelligent-tiering", "torrent", "restore", "select",
)  # fmt: skip


class Request(msgspec.Struct, kw_only=True):
    """One request. Names are decoded; header values are bytes read as Latin-1."""

    method: str
    bucket: str | None = None
    key: str | None = None
    path: bytes = b"/"  # all of it, decoded
    sent: str = "/"  # as it was sent
    mount: str = ""  # the part of the path that is ours, as `/s3`
    by_host: bool = False  # whether the host names the bucket
    host: str = ""
    scheme: str = "http"
    headers: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    query: dict[str, str] = {}
    remote: str = ""

    @property
    def asked(self) -> str:
        """Which of the subresources it is about; empty for the thing itself."""
        return next((name for name in SUBRESOURCES if name in self.query), "")

    def number(self, name: str, most: int, default: int) -> int:
        """A number in the query, no more than `most`; raises InvalidArgument."""
        text = self.query.get(name)
        if text is None or text == "":
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) < 1 << 31):
            raise S3Error(
                "InvalidArgument",
                f"Argument {name} must be an integer between 0 and 2147483647.",
                about={"ArgumentName": name, "ArgumentValue": text},
            )
        return min(int(text), most)


def request_of(scope: Mapping[str, Any], mount: str, domains: tuple[str, ...]) -> Request:
    """The request in an ASGI scope; raises InvalidURI."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    sent: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    host = headers.get("host", "")
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
    made = Request(
        method=scope["method"],
        path=unquote_to_bytes(sent),
        sent=sent.decode("latin-1"),
        host=host,
        scheme=scope["scheme"],
        headers=headers,
        pairs=pairs,
        query=dict(reversed(pairs)),
        remote=str((scope.get("client") or ("",))[0]),
    )
    _name(made, mount, below(host, domains))
    return made


def _name(request: Request, mount: str, by_host: str | None) -> None:
    """The request knows its bucket and key."""
    try:
        path = request.path.decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI") from None
    if "\0" in path:
        raise S3Error("InvalidURI")
    if by_host is None and (path == f"/{mount}" or path.startswith(f"/{mount}/")):
        request.mount = f"/{mount}"
        path = path[len(mount) + 1 :]
    rest = path.removeprefix("/")
    if by_host:
        request.by_host = True
        request.bucket, request.key = by_host, rest or None
        return
    bucket, _, key = rest.partition("/")
    if not bucket and key:
        raise S3Error("InvalidURI")
    request.bucket, request.key = bucket or None, key or None
