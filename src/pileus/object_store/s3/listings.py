"""Listings of a bucket: its objects, in the first and the second version of the API, and their versions."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Sequence
from urllib.parse import quote

import msgspec

from pileus.object_store.features.version_lists import MARKER
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.acls import owner_xml
from pileus.object_store.s3.call import Call, own_name
from pileus.object_store.s3.checksums import kept
from pileus.object_store.s3.described import iso_date
from pileus.object_store.s3.errors import wrong_argument
from pileus.object_store.s3.xml import box, document, given, tag

XML = {"content-type": "application/xml"}
MOST = 1000


class Entry(msgspec.Struct):
    """An object, a version or what begins so, as the container lists it."""

    name: str = ""
    subdir: str = ""
    bytes: int = 0
    hash: str = ""
    content_type: str = ""
    last_modified: str = ""
    slo_etag: str = ""
    s3_etag: str = ""
    s3_checksum: str = ""
    version_id: str = ""
    is_latest: bool = False
    versions_null: str = ""

    @property
    def etag(self) -> str:
        """The tag as S3 tells it, in quotes."""
        slo = self.slo_etag.strip('"')
        return f'"{self.s3_etag or (f"{slo}-N" if slo else self.hash)}"'

    @property
    def last(self) -> str:
        """What a listing that ends here goes on from."""
        return self.name or self.subdir


Encode = Callable[[str], str]


def encoding_of(call: Call) -> Encode:
    """How names are written: as they are, or as in URLs where the client wants to see names that XML cannot say."""
    wanted = call.request.query.get("encoding-type")
    if not wanted:
        return str
    if wanted.lower() != "url":
        raise wrong_argument("encoding-type", wanted, "Invalid Encoding Method specified in Request")
    return lambda text: quote(text, safe="/-_.~*", errors="surrogateescape")


async def object_list(call: Call) -> Answer:
    """The bucket's objects."""
    if call.request.query.get("list-type") == "2":
        return await _list_2(call)
    query = call.request.query
    encode = encoding_of(call)
    most = call.request.number("max-keys", MOST, MOST)
    entries, more = await _entries(call, most, query.get("marker", ""))
    delimiter = query.get("delimiter", "")
    body = document(
        "ListBucketResult",
        tag("Name", str(call.request.bucket)),
        tag("Prefix", encode(query.get("prefix", ""))),
        tag("Marker", encode(query.get("marker", ""))),
        given("NextMarker", encode(entries[-1].last) if more and delimiter else ""),
        tag("MaxKeys", most),
        given("Delimiter", encode(delimiter)),
        given("EncodingType", query.get("encoding-type")),
        tag("IsTruncated", "true" if more else "false"),
        *_contents(entries, encode, own_name(call.bucket)),
    )
    return Answer(headers=dict(XML), body=body)


async def _list_2(call: Call) -> Answer:
    query = call.request.query
    encode = encoding_of(call)
    most = call.request.number("max-keys", MOST, MOST)
    token = query.get("continuation-token")
    marker = _marker_of(token) if token is not None else query.get("start-after", "")
    entries, more = await _entries(call, most, marker)
    owner = own_name(call.bucket) if query.get("fetch-owner", "").lower() == "true" else ""
    body = document(
        "ListBucketResult",
        tag("Name", str(call.request.bucket)),
        tag("Prefix", encode(query.get("prefix", ""))),
        tag("MaxKeys", most),
        given("Delimiter", encode(query.get("delimiter", ""))),
        given("EncodingType", query.get("encoding-type")),
        tag("KeyCount", len(entries)),
        tag("IsTruncated", "true" if more else "false"),
        given("ContinuationToken", token),
        given("NextContinuationToken", _token_of(entries[-1].last) if more else ""),
        given("StartAfter", encode(query.get("start-after", ""))),
        *_contents(entries, encode, owner),
    )
    return Answer(headers=dict(XML), body=body)


def _token_of(name: str) -> str:
    return urlsafe_b64encode(b"1" + name.encode("utf-8", "surrogateescape")).decode()


def _marker_of(token: str) -> str:
    try:
        raw = urlsafe_b64decode(token.encode())
        if raw[:1] == b"1":
            return raw[1:].decode()
    except (BadBase64, ValueError):
        pass
    raise wrong_argument("continuation-token", token[:200], "The continuation token provided is incorrect")


async def _entries(call: Call, most: int, marker: str) -> tuple[list[Entry], bool]:
    """A page, and whether something follows it."""
    query = {name: call.request.query.get(name, "") for name in ("prefix", "delimiter")}
    raw = await call.listing(call.bucket, {**query, "marker": marker, "limit": str(most + 1)})
    entries = msgspec.json.decode(raw or b"[]", type=list[Entry])
    return entries[:most], bool(most) and len(entries) > most


def _contents(entries: Sequence[Entry], encode: Encode, owner: str) -> list[str]:
    keys = [
        box(
            "Contents",
            tag("Key", encode(one.name)),
            tag("LastModified", iso_date(one.last_modified)),
            tag("ETag", one.etag),
            _sum(one),
            tag("Size", one.bytes),
            tag("StorageClass", "STANDARD"),
            owner_xml(owner) if owner else "",
        )
        for one in entries
        if one.name
    ]
    return [*keys, *(box("CommonPrefixes", tag("Prefix", encode(one.subdir))) for one in entries if one.subdir)]


def _sum(one: Entry) -> str:
    found = kept(one.s3_checksum.replace(":", " "))
    return "" if found is None else tag("ChecksumAlgorithm", found.name.upper()) + tag("ChecksumType", found.of)


async def version_list(call: Call) -> Answer:
    """All versions of the bucket's objects, and the markers of those deleted."""
    query = call.request.query
    encode = encoding_of(call)
    most = call.request.number("max-keys", MOST, MOST)
    marker, version = query.get("key-marker", ""), query.get("version-id-marker", "")
    if version and not marker:
        raise wrong_argument(
            "version-id-marker", version, "A version-id marker cannot be specified without a key marker."
        )
    asked = {"versions": "", "prefix": query.get("prefix", ""), "delimiter": query.get("delimiter", "")}
    asked |= {"marker": marker, "limit": str(most + 1), **({"version_marker": version} if version else {})}
    entries = msgspec.json.decode(await call.listing(call.bucket, asked) or b"[]", type=list[Entry])
    more = bool(most) and len(entries) > most
    shown = entries[:most]
    body = document(
        "ListVersionsResult",
        tag("Name", str(call.request.bucket)),
        tag("Prefix", encode(query.get("prefix", ""))),
        tag("KeyMarker", encode(marker)),
        tag("VersionIdMarker", version),
        given("NextKeyMarker", encode(shown[-1].last) if more else ""),
        given("NextVersionIdMarker", (shown[-1].version_id or ("null" if shown[-1].name else "")) if more else ""),
        tag("MaxKeys", most),
        given("Delimiter", encode(query.get("delimiter", ""))),
        given("EncodingType", query.get("encoding-type")),
        tag("IsTruncated", "true" if more else "false"),
        *(_version(one, encode, own_name(call.bucket)) for one in shown),
    )
    return Answer(headers=dict(XML), body=body)


def _version(one: Entry, encode: Encode, owner: str) -> str:
    if one.subdir:
        return box("CommonPrefixes", tag("Prefix", encode(one.subdir)))
    # Where there never were versions, everything is the newest and the only one.
    newest = one.is_latest or not one.version_id
    top = (
        tag("Key", encode(one.name)),
        tag("VersionId", "null" if one.versions_null else one.version_id or "null"),
        tag("IsLatest", "true" if newest else "false"),
        tag("LastModified", iso_date(one.last_modified)),
    )
    if one.content_type == MARKER:
        return box("DeleteMarker", *top, owner_xml(owner))
    rest = (tag("ETag", one.etag), _sum(one), tag("Size", one.bytes), tag("StorageClass", "STANDARD"))
    return box("Version", *top, *rest, owner_xml(owner))
