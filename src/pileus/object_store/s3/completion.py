"""The end of an upload: its parts become one object, which the Swift API knows as a static large object."""

from binascii import unhexlify
from hashlib import md5
from itertools import pairwise

import msgspec

from pileus.object_store.features.slo import KNOWN
from pileus.object_store.models.manifests import Entry, etag_of
from pileus.object_store.proxy.asks import Answer, Bytes, Landed
from pileus.object_store.s3.call import LATER, Call, document_of, segments_of
from pileus.object_store.s3.checksums import FULL, HEADER, SIZES, Checksum, whole
from pileus.object_store.s3.described import (
    CHECKSUM,
    ETAG,
    KEPT_META,
    PLAIN,
    REDIRECT,
    UPLOAD,
    listed,
    plain_etag,
    version_header,
)
from pileus.object_store.s3.encryption import sealed_header
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.objects import conditional, forget_parts, replaced
from pileus.object_store.s3.parts import MOST_PARTS, PartRow, parts_of
from pileus.object_store.s3.uploads import Upload, forget, marker_of, upload_of
from pileus.object_store.s3.xml import document, parsed, tag

XML = {"content-type": "application/xml"}
MOST_XML = 4 << 20


class Wanted(msgspec.Struct, frozen=True):
    """A part as the client names it."""

    number: int
    etag: str
    sums: dict[str, str] = {}


async def upload_complete(call: Call) -> Answer:
    """The object is made of the parts."""
    await call.writable()
    wanted = _wanted(await document_of(call, MOST_XML))
    try:
        upload = await upload_of(call)
    except S3Error as gone:
        return await _again(call, gone)
    there = {part.number: part for part in await parts_of(call, upload.id)}
    parts = [_found(one, there, upload) for one in wanted]
    for part in parts[:-1]:
        if part.bytes < call.app.config.s3_min_part_size:
            raise S3Error("EntityTooSmall", about={"PartNumber": str(part.number), "ETag": part.hash})
    sum = _sum(call, upload, parts)
    etag = f"{md5(b''.join(unhexlify(part.hash) for part in parts), usedforsecurity=False).hexdigest()}-{len(parts)}"
    _require_size(call, parts)
    before = await replaced(call)
    async with conditional(call) as said:
        answer = await _keep(call, upload, parts, {ETAG: etag, CHECKSUM: sum.text}, said)
    await call.app.pipeline(call.ask("DELETE", marker_of(call.object, upload.id)).by_cloud())
    await forget(call, upload.id, frozenset(part.name for part in parts))
    if before != upload.id:
        await forget_parts(call, call.object, before)
    return _told(call, etag, sum, version_header(answer.headers) | sealed_header(answer.headers))


def _wanted(raw: bytes) -> list[Wanted]:
    root = parsed(raw, "CompleteMultipartUpload")
    found = []
    for one in root.all("Part"):
        number = one.needs("PartNumber")
        if not number.isdigit() or not 1 <= int(number) <= MOST_PARTS:
            raise S3Error("InvalidArgument", f"PartNumber must be between 1 and {MOST_PARTS}")
        sums = {name: one.said(f"Checksum{name.upper()}") for name in SIZES if one.said(f"Checksum{name.upper()}")}
        found.append(Wanted(int(number), plain_etag(one.needs("ETag")), sums))
    if not found or len(found) > MOST_PARTS:
        raise S3Error("MalformedXML")
    if any(one.number >= other.number for one, other in pairwise(found)):
        raise S3Error("InvalidPartOrder")
    return found


def _found(wanted: Wanted, there: dict[int, PartRow], upload: Upload) -> PartRow:
    part = there.get(wanted.number)
    about = {"UploadId": upload.id, "PartNumber": str(wanted.number), "ETag": wanted.etag}
    if part is None or part.hash != wanted.etag:
        raise S3Error("InvalidPart", about=about)
    sum = part.checksum
    for name, value in wanted.sums.items():
        if sum is None or sum.name != name or sum.value != value:
            raise S3Error("InvalidPart", about=about)
    return part


def _sum(call: Call, upload: Upload, parts: list[PartRow]) -> Checksum:
    """The sum of the whole; raises BadDigest if the client knows another one."""
    given = call.header(f"{HEADER}type")
    if given and given.upper() != upload.of:
        raise S3Error(
            "InvalidRequest", f"The upload was created using the {upload.of} checksum mode; complete it with it."
        )
    sums = []
    for part in parts:
        sum = part.checksum
        if sum is None or sum.name != upload.sum:
            raise S3Error("InvalidPart", about={"UploadId": upload.id, "PartNumber": str(part.number)})
        sums.append((sum.value, part.bytes))
    found = whole(upload.sum, upload.of, sums)
    for name in SIZES:
        said = call.header(f"{HEADER}{name}")
        if said and (name != found.name or said.partition("-")[0] != found.value.partition("-")[0]):
            raise S3Error("BadDigest", f"The {name} you specified did not match the calculated checksum.")
    return found


def _require_size(call: Call, parts: list[PartRow]) -> None:
    said = call.header("x-amz-mp-object-size")
    size = sum(part.bytes for part in parts)
    if said and (not said.isdigit() or int(said) != size):
        raise S3Error(
            "InvalidRequest", f"The provided 'x-amz-mp-object-size' header does not match what was computed: {size}."
        )


async def _keep(
    call: Call, upload: Upload, parts: list[PartRow], marks: dict[str, str], said: dict[str, str]
) -> Answer:
    container = segments_of(call.object).container
    entries = [
        Entry(
            name=f"/{container}/{part.name}",
            hash=part.hash,
            bytes=part.bytes,
            content_type=part.content_type,
            last_modified=part.last_modified,
        )
        for part in parts
    ]
    headers = {
        name: value
        for name, value in upload.headers.items()
        if name in PLAIN or name.startswith((KEPT_META, LATER)) or name == REDIRECT
    }
    headers |= {**marks, UPLOAD: upload.id, **said, KNOWN: "true"}

    def late(landed: Landed) -> dict[str, str]:
        text = marks[CHECKSUM].replace(" ", ":")
        return listed(landed.etag, marks[ETAG], slo=etag_of(entries), checksum=text)

    raw = msgspec.json.encode(entries)
    ask = call.ask("PUT", call.object, headers=headers, query={"multipart-manifest": "put"}, body=Bytes(raw))
    return await call.tell(msgspec.structs.replace(ask, late=late))


async def _again(call: Call, gone: S3Error) -> Answer:
    """An upload that was completed is told so once more, to a client that did not hear it the first time."""
    now = await call.known(call.object)
    if now is None or now.headers.get(UPLOAD) != call.request.query["uploadId"]:
        raise gone
    name, value, of = (now.headers.get(CHECKSUM) or "- - -").split(" ")
    return _told(call, now.headers.get(ETAG, ""), Checksum(name, value, of), version_header(now.headers))


def _told(call: Call, etag: str, sum: Checksum, headers: dict[str, str]) -> Answer:

    body = document(
        "CompleteMultipartUploadResult",
        tag("Location", f"{call.request.scheme}://{call.request.host}{call.request.sent}"),
        tag("Bucket", str(call.request.bucket)),
        tag("Key", str(call.request.key)),
        tag("ETag", f'"{etag}"'),
        tag(f"Checksum{sum.name.upper()}", sum.value) if sum.name in SIZES else "",
        tag("ChecksumType", sum.of) if sum.of in {FULL, "COMPOSITE"} else "",
    )
    return Answer(headers={**XML, **headers}, body=body)
