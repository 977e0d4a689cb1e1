"""Uploads in parts: begun, listed and given up; their parts are sent in parts.py and put together in completion.py.

An upload is a marker in a hidden container, called by key and id; its parts are objects of `<bucket>+segments`, called by id
and number. What was said when it began lies with the marker until the object is made of it.
"""

import secrets
from urllib.parse import quote

import msgspec

from pileus.object_store.features.version_lists import Row
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import ticks_of
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.acls import READ, WRITE, owner_xml, require_plain_acl
from pileus.object_store.s3.call import MARKS, Call, own_name, segments_of
from pileus.object_store.s3.checksums import DEFAULT, HEADER, kind_of, named
from pileus.object_store.s3.described import iso_date, said_of
from pileus.object_store.s3.errors import S3Error, wrong_argument
from pileus.object_store.s3.locks import lock_of
from pileus.object_store.s3.tags import tags_of_header
from pileus.object_store.s3.xml import box, document, given, tag

XML = {"content-type": "application/xml"}
MOST = 1000
SUM = f"{MARKS}upload-sum"  # the algorithm and of what its sum is
PLAIN_SUM = f"{MARKS}upload-sum-said"  # whether the client named it


def uploads_of(bucket: Path) -> Path:
    """Where the markers of uploads to a bucket are."""
    return Path(bucket.account, f"\0uploads\0{bucket.container}")


def marker_of(path: Path, upload: str) -> Path:
    """The marker of one upload."""
    return Path(path.account, uploads_of(path).container, f"\0{path.object}\0{upload}")


class Upload(msgspec.Struct, frozen=True):
    """An upload under way: what was said when it began."""

    id: str
    headers: dict[str, str]
    sum: str
    of: str
    named: bool


async def upload_of(call: Call) -> Upload:
    """The upload that the query names; raises NoSuchUpload."""
    id = call.request.query["uploadId"]
    wrong = S3Error("NoSuchUpload", about={"UploadId": id[:100]})
    if not id.isascii() or not id.isalnum() or len(id) > 64:
        raise wrong
    answer = await call.known(marker_of(call.object, id), cloud=True)
    if answer is None:
        raise wrong
    sum, _, of = answer.headers.get(SUM, f"{DEFAULT} {kind_of(DEFAULT, '')}").partition(" ")
    return Upload(id, answer.headers, sum, of, PLAIN_SUM in answer.headers)


async def upload_create(call: Call) -> Answer:
    """An upload has begun."""
    headers = said_of(call) | tags_of_header(call) | lock_of(call)
    require_plain_acl(call)
    facts = await call.writable()
    given_sum = call.header("x-amz-checksum-algorithm")
    sum = named(given_sum) if given_sum else DEFAULT
    of = kind_of(sum, call.header(f"{HEADER}type"))
    headers[SUM] = f"{sum} {of}"
    if given_sum:
        headers[PLAIN_SUM] = "true"
    stamp = call.app.cluster.stamps.next()
    id = f"{ticks_of(stamp):013x}{secrets.token_hex(10)}"
    marker = call.ask("PUT", marker_of(call.object, id), headers={**headers, "content-length": "0"}).by_cloud()
    policy = call.app.cluster.rings.policies.get(facts.policy)
    about = {name: facts.metadata[name] for name in (READ, WRITE) if name in facts.metadata}
    about |= {"x-storage-policy": policy.name} if policy is not None else {}
    await _ensure(call, segments_of(call.bucket), about)
    await _ensure(call, uploads_of(call.bucket), {})
    await call.tell(marker)
    body = document(
        "InitiateMultipartUploadResult",
        tag("Bucket", str(call.request.bucket)),
        tag("Key", str(call.request.key)),
        tag("UploadId", id),
    )
    told = {f"{HEADER}algorithm": sum.upper(), f"{HEADER}type": of} if given_sum else {}
    return Answer(headers={**XML, **told}, body=body)


async def _ensure(call: Call, path: Path, headers: dict[str, str]) -> None:
    if await call.app.cluster.container(path) is None:
        await call.tell(call.ask("PUT", path, headers=headers).by_cloud())


async def upload_abort(call: Call) -> Answer:
    """The upload never was."""
    await call.writable()
    upload = await upload_of(call)
    await call.tell(call.ask("DELETE", marker_of(call.object, upload.id)).by_cloud())
    await forget(call, upload.id)
    return Answer(status=204)


async def forget(call: Call, upload: str, keep: frozenset[str] = frozenset()) -> None:
    """The parts of an upload are gone, but for those that are needed."""
    top, marker = segments_of(call.object), ""
    while True:
        query = {"prefix": f"{upload}/", "limit": str(MOST), "marker": marker}
        rows = msgspec.json.decode(await call.listing(top, query, cloud=True), type=list[Row])
        for row in rows:
            if row.name not in keep:
                await call.app.pipeline(call.ask("DELETE", Path(top.account, top.container, row.name)).by_cloud())
        if len(rows) < MOST:
            return
        marker = rows[-1].name


async def upload_list(call: Call) -> Answer:
    """The uploads under way."""
    await call.owned()
    query = call.request.query
    most = call.request.number("max-uploads", MOST, MOST)
    if query.get("encoding-type", "url").lower() != "url":
        raise wrong_argument("encoding-type", query["encoding-type"], "Invalid Encoding Method specified in Request")

    def encode(text: str) -> str:
        return quote(text, safe="/-_.~*") if "encoding-type" in query else text

    key, id = query.get("key-marker", ""), query.get("upload-id-marker", "")
    found, more = await _uploads(call, most, key, id)
    next_key, next_id = (found[-1][0], found[-1][1]) if more and found else ("", "")
    owner = own_name(call.bucket)
    body = document(
        "ListMultipartUploadsResult",
        tag("Bucket", str(call.request.bucket)),
        tag("KeyMarker", encode(key)),
        tag("UploadIdMarker", id),
        given("NextKeyMarker", encode(next_key)),
        given("NextUploadIdMarker", next_id),
        tag("Prefix", encode(query.get("prefix", ""))),
        given("Delimiter", encode(query.get("delimiter", ""))),
        given("EncodingType", query.get("encoding-type")),
        tag("MaxUploads", most),
        tag("IsTruncated", "true" if more else "false"),
        *(_described(name, id, since, encode(name), owner) for name, id, since in found),
    )
    return Answer(headers=dict(XML), body=body)


def _described(name: str, id: str, since: str, shown: str, owner: str) -> str:
    if not id:
        return box("CommonPrefixes", tag("Prefix", shown))
    people = owner_xml(owner, "Initiator") + owner_xml(owner)
    return box(
        "Upload",
        tag("Key", shown),
        tag("UploadId", id),
        people,
        tag("StorageClass", "STANDARD"),
        tag("Initiated", iso_date(since)),
    )


async def _uploads(call: Call, most: int, key: str, id: str) -> tuple[list[tuple[str, str, str]], bool]:
    """A page of uploads: key, id and when it began; or what keys begin with. And whether there are more."""
    prefix, delimiter = call.request.query.get("prefix", ""), call.request.query.get("delimiter", "")
    # Without an id, the listing goes on behind all uploads of the key: NUL ends it, and 1 is the next character.
    marker = (f"\0{key}\0{id}" if id else f"\0{key}\x01") if key else ""
    found: list[tuple[str, str, str]] = []
    while len(found) <= most:
        query = {"prefix": f"\0{prefix}", "marker": marker, "limit": str(MOST)}
        rows = msgspec.json.decode(await call.listing(uploads_of(call.bucket), query, cloud=True), type=list[Row])
        for row in rows:
            name, _, upload = row.name[1:].rpartition("\0")
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            one = (name, upload, row.last_modified) if end < 0 else (name[: end + len(delimiter)], "", "")
            if (not found or found[-1] != one) and not (end >= 0 and one[0] == key):
                found.append(one)
        if len(rows) < MOST:
            break
        marker = rows[-1].name
    return found[:most], bool(most) and len(found) > most
