"""What an object is, in one answer: its tag, size, sum and parts."""

from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.call import Call
from pileus.object_store.s3.checksums import kept
from pileus.object_store.s3.described import CHECKSUM, UPLOAD, etag_of, version_header
from pileus.object_store.s3.errors import wrong_argument
from pileus.object_store.s3.parts import MOST_PARTS, parts_of
from pileus.object_store.s3.tags import described_object
from pileus.object_store.s3.xml import box, document, tag

KNOWN = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
MOST = 1000


async def attributes_get(call: Call) -> Answer:
    """The attributes that were asked for."""
    wanted = {name.strip() for name in call.header("x-amz-object-attributes").split(",") if name.strip()}
    if not wanted or wanted - KNOWN:
        raise wrong_argument(
            "x-amz-object-attributes", ",".join(sorted(wanted))[:200], "Invalid attribute name specified."
        )
    now = await described_object(call)
    inner = []
    sum = kept(now.headers.get(CHECKSUM, ""))
    if "ETag" in wanted:
        inner.append(tag("ETag", etag_of(now.headers)))
    if "Checksum" in wanted and sum is not None:
        inner.append(box("Checksum", tag(f"Checksum{sum.name.upper()}", sum.value), tag("ChecksumType", sum.of)))
    if "ObjectParts" in wanted and now.headers.get(UPLOAD):
        inner.append(await _parts(call, now.headers[UPLOAD]))
    if "StorageClass" in wanted:
        inner.append(tag("StorageClass", "STANDARD"))
    if "ObjectSize" in wanted:
        inner.append(tag("ObjectSize", now.headers.get("content-length", "0")))
    told = {"content-type": "application/xml", "last-modified": now.headers.get("last-modified", "")}
    return Answer(headers=told | version_header(now.headers), body=document("GetObjectAttributesResponse", *inner))


async def _parts(call: Call, upload: str) -> str:
    most = int(call.header("x-amz-max-parts") or MOST) if call.header("x-amz-max-parts").isdigit() else MOST
    after = (
        int(call.header("x-amz-part-number-marker") or 0) if call.header("x-amz-part-number-marker").isdigit() else 0
    )
    all = await parts_of(call, upload)
    shown = [part for part in all if part.number > min(after, MOST_PARTS)][:most]
    more = bool(shown) and shown[-1].number < all[-1].number
    parts = []
    for part in shown:
        sum = part.checksum
        told = tag(f"Checksum{sum.name.upper()}", sum.value) if sum is not None else ""
        parts.append(box("Part", told, tag("PartNumber", part.number), tag("Size", part.bytes)))
    return box(
        "ObjectParts",
        tag("IsTruncated", "true" if more else "false"),
        tag("MaxParts", most),
        tag("NextPartNumberMarker", shown[-1].number if shown else 0),
        tag("PartNumberMarker", after),
        tag("PartsCount", len(all)),
        *parts,
    )
