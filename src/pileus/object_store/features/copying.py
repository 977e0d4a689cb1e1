"""Copies: an object becomes another one without its bytes going to the client and back.

COPY with `Destination`, and PUT with `X-Copy-From`, are the same. Large objects are copied as what they stand for, unless their
manifest is asked for.
"""

from collections.abc import AsyncIterator
from urllib.parse import quote, unquote

import msgspec

from pileus.object_store.models.paths import Path, object_path
from pileus.object_store.proxy.asks import Answer, Ask, Bytes, Content, Handler, Refused, answered, true
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.parts import finished

COPIED = (
    "x-object-meta-",
    "content-disposition",
    "content-encoding",
    "content-language",
    "cache-control",
    "x-delete-at",
)
KEPT_ALWAYS = ("x-object-transient-sysmeta-",)
LINK = {"x-symlink-target", "x-symlink-target-account", "x-symlink-target-etag"}
FORM = "<container name>/<object name>"


class Copying:
    """Answers COPY, and PUT with X-Copy-From."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The copy, made."""
        if ask.path.depth != 3:
            if ask.method == "COPY":
                raise Refused(412 if ask.path.depth == 2 else 405)
            return await rest(ask)
        if ask.method == "COPY":
            return await self._copy(_turned(ask), rest)
        if ask.method == "PUT" and "x-copy-from" in ask.headers:
            return await self._copy(ask, rest)
        return await rest(ask)

    async def _copy(self, ask: Ask, rest: Handler) -> Answer:
        if ask.body.length not in {None, 0}:
            raise Refused(400, "Copy requests require a zero byte body")
        source = _path(
            ask.headers["x-copy-from"], "X-Copy-From", ask.headers.get("x-copy-from-account", ask.path.account)
        )
        wanted = {name: ask.headers[name] for name in _CONDITIONS if name in ask.headers}
        query = {
            name: value
            for name, value in ask.query.items()
            if name in {"multipart-manifest", "version-id", "symlink", "format"}
        }
        asked = ask.again("GET", source, headers={**wanted, "x-newest": "true"}, query={**query, **_raw(query)})
        got = await finished(asked, await answered(rest, asked))
        if not got.ok:
            await got.close()
            return Answer(status=got.status, headers=got.headers)
        size = got.body.size if not isinstance(got.body, bytes) else len(got.body)
        try:
            if size > self._cluster.config.max_file_size:
                raise Refused(413, "The object is too large to be copied whole.")
            made = await rest(_sink(ask, got, size))
        finally:
            await got.close()
        return self._told(ask, source, got, made)

    def _told(self, ask: Ask, source: Path, got: Answer, made: Answer) -> Answer:
        if not made.ok:
            return made
        headers = {
            **made.headers,
            "x-copied-from": quote(f"{source.container}/{source.object}"),
            "x-copied-from-account": quote(source.account),
        }
        if "last-modified" in got.headers:
            headers["x-copied-from-last-modified"] = got.headers["last-modified"]
        if "x-object-version-id" in got.headers:
            headers["x-copied-from-version-id"] = got.headers["x-object-version-id"]
        fresh = true(ask.headers.get("x-fresh-metadata", ""))
        said = [*(() if fresh else got.headers.items()), *ask.headers.items()]
        headers |= {name: value for name, value in said if name.startswith("x-object-meta-")}
        return msgspec.structs.replace(made, headers=headers)


_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range")


def _raw(query: dict[str, str]) -> dict[str, str]:
    """A copied manifest is copied as a client would have written it."""
    return {"format": "raw"} if query.get("multipart-manifest") == "get" else {}


def _turned(ask: Ask) -> Ask:
    """A COPY as the PUT it means."""
    if "destination" not in ask.headers:
        raise Refused(412, f"Destination header required; it must be of the form {FORM}")
    account = unquote(ask.headers.get("destination-account", ask.path.account))
    target = _path(ask.headers["destination"], "Destination", account)
    source = quote(f"/{ask.path.container}/{ask.path.object}")
    headers = {**ask.headers, "x-copy-from": source, "x-copy-from-account": quote(ask.path.account)}
    for name in ("destination", "destination-account"):
        headers.pop(name, None)
    return msgspec.structs.replace(ask, method="PUT", path=target, headers=headers)


def _path(text: str, header: str, account: str) -> Path:
    account = unquote(account)
    if "/" in account or not account:
        raise Refused(412, "Account name cannot contain slashes")
    found = object_path(unquote(text.partition("?")[0]), account)
    if found is None:
        raise Refused(412, f"{header} header must be of the form {FORM}")
    return found


def _sink(ask: Ask, got: Answer, size: int) -> Ask:
    """The PUT of the copy."""
    dropped = {"x-copy-from", "x-copy-from-account", "x-fresh-metadata", "transfer-encoding", *_CONDITIONS}
    headers = {name: value for name, value in ask.headers.items() if name not in dropped}
    _inherit(ask, got, headers)
    if not headers.get("content-type") or headers["content-type"] == "application/x-www-form-urlencoded":
        headers["content-type"] = got.headers.get("content-type", "application/octet-stream")
    query = {}
    if ask.query.get("multipart-manifest") == "get":
        if true(got.headers.get("x-static-large-object", "")):
            query["multipart-manifest"] = "put"
        elif "x-object-manifest" in got.headers:
            headers.setdefault("x-object-manifest", got.headers["x-object-manifest"])
    if ask.query.get("symlink") == "get":
        headers |= {name: value for name, value in got.headers.items() if name in LINK}
    headers["content-length"] = str(size)
    body = Bytes(got.body) if isinstance(got.body, bytes) else Flowing(got.body)
    return msgspec.structs.replace(ask, method="PUT", headers=headers, query=query, body=body)


def _inherit(ask: Ask, got: Answer, headers: dict[str, str]) -> None:
    """The copy has the source's metadata, but for what the request says itself."""
    if true(ask.headers.get("x-fresh-metadata", "")):
        return
    expires = {"x-delete-at", "x-delete-after", "x-remove-delete-at"} & headers.keys()
    for name, value in got.headers.items():
        if name.startswith((*COPIED, *KEPT_ALWAYS)) and not (name == "x-delete-at" and expires):
            headers.setdefault(name, value)


class Flowing:
    """What is read from one object, as the body of another."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.length: int | None = content.size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._content.read(0, self._content.size)
