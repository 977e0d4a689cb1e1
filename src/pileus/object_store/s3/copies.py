"""Copies: an object becomes another one, or a part of one, without its bytes going to the client and back."""

from collections.abc import AsyncIterator
from urllib.parse import unquote

import msgspec

from pileus.object_store.features.segments import content_of
from pileus.object_store.models.conditions import unmet
from pileus.object_store.models.paths import Path
from pileus.object_store.models.ranges import ranges_of
from pileus.object_store.models.stamps import iso
from pileus.object_store.proxy.asks import Answer, Content, Landed
from pileus.object_store.s3.acls import require_plain_acl
from pileus.object_store.s3.bodies import Sums
from pileus.object_store.s3.call import Call
from pileus.object_store.s3.checksums import DEFAULT, FULL, Checksum, encoded, kept, named, sum_of
from pileus.object_store.s3.described import (
    CHECKSUM,
    KEPT_META,
    PLAIN,
    REDIRECT,
    TAGS,
    conditions_of,
    etag_of,
    iso_date,
    said_of,
    version_header,
    version_told,
)
from pileus.object_store.s3.encryption import sealed_header
from pileus.object_store.s3.errors import S3Error, wrong_argument
from pileus.object_store.s3.locks import lock_of
from pileus.object_store.s3.objects import conditional, forget_parts, replaced
from pileus.object_store.s3.policies import permit_for
from pileus.object_store.s3.tags import tags_of_header
from pileus.object_store.s3.xml import document, tag

SOURCE = "x-amz-copy-source"
DIRECTIVES = {"COPY", "REPLACE"}
XML = {"content-type": "application/xml"}


class Part:
    """Some of an object's bytes."""

    def __init__(self, whole: Content, start: int, size: int) -> None:
        self._whole = whole
        self._start = start
        self.size = size

    def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there, counted from the part's beginning."""
        return self._whole.read(self._start + start, length)

    async def close(self) -> None:
        """It is not read any more."""
        await self._whole.close()


class Summed:
    """What is read of one object as the body of another, summed as it passes."""

    def __init__(self, content: Content, name: str) -> None:
        self._content = content
        self._name = name
        self.length: int | None = content.size
        self.checksums: dict[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        sums = Sums({self._name: sum_of(self._name)})
        try:
            async for chunk in self._content.read(0, self._content.size):
                await sums.add(chunk)
                yield chunk
            await sums.end()
        finally:
            await sums.drop()
        self.checksums = {self._name: encoded(sums.digest(self._name))}


class Source(msgspec.Struct, frozen=True):
    """What is copied: where it is, its headers, its bytes, and the header that tells its version."""

    path: Path
    headers: dict[str, str]
    content: Content
    version: dict[str, str]


async def source_of(call: Call, *, ranged: bool = False) -> Source:
    """What the request says is to be copied, open; raises S3Error when it may not be, or is not as it must be."""
    path, version = _named(call)
    ask = call.ask("GET", path, query={"version-id": version} if version else None)
    action = "GetObjectVersion" if version else "GetObject"
    ask = msgspec.structs.replace(ask, permit=await permit_for(call, action, path))
    answer = await call.tell(ask)
    content = content_of(answer)
    try:
        wrong = unmet(
            conditions_of(call, f"{SOURCE}-"),
            frozenset({etag_of(answer.headers)}),
            answer.headers.get("last-modified", ""),
        )
        if wrong is not None:
            raise S3Error("PreconditionFailed")
        if ranged and call.header(f"{SOURCE}-range"):
            content = _ranged(call, content)
        if content.size > call.app.config.max_file_size:
            raise S3Error(
                "InvalidRequest",
                "The specified copy source is larger than the maximum allowable size for a copy source.",
            )
    except S3Error:
        await answer.close()
        raise
    id = version_told(answer.headers)
    told = {f"{SOURCE}-version-id": id} if id is not None else {}
    return Source(path, answer.headers, content, told)


def _named(call: Call) -> tuple[Path, str]:
    text, _, query = call.header(SOURCE).partition("?")
    try:
        plain = unquote(text, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        plain = ""
    bucket, _, key = plain.partition("/")
    project, colon, other = bucket.rpartition(":")
    if not bucket or not key or "\0" in plain or (colon and not project):
        raise wrong_argument(
            SOURCE, text[:200], "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        )
    account = f"AUTH_{project}" if colon else f"AUTH_{call.caller.project_id}"
    name, _, version = query.partition("=")
    if query and name != "versionId":
        raise wrong_argument(SOURCE, query[:200], "Unsupported copy source parameter.")
    return Path(account, other, key), version


def _ranged(call: Call, content: Content) -> Content:
    text = call.header(f"{SOURCE}-range")
    first, dash, last = text.removeprefix("bytes=").partition("-")
    parts = (
        ranges_of(text, content.size)
        if dash and first.isdigit() and last.isdigit() and text.startswith("bytes=")
        else None
    )
    if parts is None:
        raise wrong_argument(
            f"{SOURCE}-range", text[:100], "The x-amz-copy-source-range value must be of the form bytes=first-last."
        )
    if len(parts) != 1 or int(last) >= content.size:
        raise S3Error("InvalidArgument", f"Range specified is not valid for source object of size: {content.size}")
    return Part(content, parts[0].start, parts[0].length)


async def object_copy(call: Call) -> Answer:
    """The object is a copy."""
    require_plain_acl(call)
    meta, tagging = _directive(call, "metadata"), _directive(call, "tagging")
    before = await replaced(call)
    source = await source_of(call)
    try:
        if (
            source.path == call.object
            and meta == "COPY"
            and not source.version
            and not call.header("x-amz-tagging-directive")
        ):
            raise S3Error(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes.",
            )
        headers = _headers(call, source, meta, tagging)
        body = Summed(source.content, _sum(call, source))
        answer = await _kept(call, headers, body)
    finally:
        await source.content.close()
    if source.path != call.object or before:
        await forget_parts(call, call.object, before)
    (name, value), *_ = body.checksums.items()
    inner = tag("LastModified", iso_date(iso(answer.headers["x-timestamp"]))) + tag(
        "ETag", f'"{answer.headers["etag"].strip(chr(34))}"'
    )
    inner += tag("ChecksumType", FULL) + tag(f"Checksum{name.upper()}", value)
    told = {**XML, **source.version, **version_header(answer.headers), **sealed_header(answer.headers)}
    return Answer(headers=told, body=document("CopyObjectResult", inner))


async def _kept(call: Call, headers: dict[str, str], body: Summed) -> Answer:
    def late(_landed: Landed) -> dict[str, str]:
        (name, value), *_ = body.checksums.items()
        return {CHECKSUM: Checksum(name, value, FULL).text}

    async with conditional(call) as said:
        ask = call.ask("PUT", call.object, headers={**headers, **said}, body=body)
        return await call.tell(msgspec.structs.replace(ask, late=late))


def _directive(call: Call, of: str) -> str:
    found = call.header(f"x-amz-{of}-directive") or "COPY"
    if found not in DIRECTIVES:
        raise wrong_argument(f"x-amz-{of}-directive", found[:50], f"Unknown {of} directive.")
    return found


def _sum(call: Call, source: Source) -> str:
    """The copy is summed as the client wants, or as the source was."""
    wanted = call.header("x-amz-checksum-algorithm")
    if wanted:
        return named(wanted)
    found = kept(source.headers.get(CHECKSUM, ""))
    return found.name if found is not None else DEFAULT


def _headers(call: Call, source: Source, meta: str, tagging: str) -> dict[str, str]:
    """What the copy says of itself: as the source does, or as the request says."""
    said = said_of(call)
    if meta == "COPY":
        redirect = {REDIRECT: said[REDIRECT]} if REDIRECT in said else {}
        said = {name: value for name, value in source.headers.items() if name in PLAIN or name.startswith(KEPT_META)}
        said |= redirect
    tags = (
        tags_of_header(call)
        if tagging == "REPLACE"
        else {TAGS: source.headers[TAGS]}
        if source.headers.get(TAGS)
        else {}
    )
    return {**said, **tags, **lock_of(call)}
