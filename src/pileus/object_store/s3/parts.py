"""Parts of uploads: sent, copied from other objects, and listed."""

from collections.abc import Sequence

import msgspec

from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import iso
from pileus.object_store.proxy.asks import Answer, Body, Landed
from pileus.object_store.s3.acls import owner_xml
from pileus.object_store.s3.bodies import Verified
from pileus.object_store.s3.call import Call, own_name, segments_of
from pileus.object_store.s3.checksums import FULL, HEADER, SIZES, Checksum, kept
from pileus.object_store.s3.copies import Summed, source_of
from pileus.object_store.s3.described import CHECKSUM, iso_date, listed
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.uploads import Upload, upload_of
from pileus.object_store.s3.xml import box, document, given, tag

MOST_PARTS = 10_000
MOST = 1000
XML = {"content-type": "application/xml"}


class PartRow(msgspec.Struct):
    """A part, as its container lists it."""

    name: str
    hash: str
    bytes: int
    last_modified: str
    content_type: str = ""
    s3_checksum: str = ""

    @property
    def number(self) -> int:
        """Which part it is."""
        return int(self.name.rpartition("/")[2])

    @property
    def checksum(self) -> Checksum | None:
        """The part's sum."""
        return kept(self.s3_checksum.replace(":", " "))


def part_path(path: Path, upload: str, number: int) -> Path:
    """Where a part is."""
    top = segments_of(path)
    return Path(top.account, top.container, f"{upload}/{number:05d}")


async def parts_of(call: Call, upload: str, after: int = 0, most: int = MOST_PARTS) -> list[PartRow]:
    """The parts of an upload that are there, in their order."""
    query = {"prefix": f"{upload}/", "limit": str(most), "marker": f"{upload}/{after:05d}"}
    return msgspec.json.decode(await call.listing(segments_of(call.object), query, cloud=True), type=list[PartRow])


def _number(call: Call) -> int:
    text = call.request.query.get("partNumber", "")
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= MOST_PARTS):
        raise S3Error("InvalidArgument", f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive")
    return int(text)


async def part_put(call: Call) -> Answer:
    """The part is kept."""
    await call.writable()
    number, upload = _number(call), await upload_of(call)
    _require_fitting(call, upload)
    body = call.opened((upload.sum,))
    if body.length is None:
        raise S3Error("MissingContentLength")
    answer = await _keep(call, upload, number, body)
    told = {f"{HEADER}{upload.sum}": body.checksums[upload.sum]} if upload.sum in body.checksums else {}
    return Answer(headers={"etag": f'"{answer.headers["etag"]}"', **told})


def _require_fitting(call: Call, upload: Upload) -> None:
    """A part is summed as the upload was begun to be."""
    given_sums = [name for name in SIZES if call.header(f"{HEADER}{name}")]
    given_sums += [call.header("x-amz-trailer").strip().lower().removeprefix(HEADER)] * bool(
        call.header("x-amz-trailer")
    )
    if upload.named and given_sums and upload.sum not in given_sums:
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.sum}, actual checksum Type: {given_sums[0]}",
        )


async def _keep(call: Call, upload: Upload, number: int, body: "Verified | Summed") -> Answer:
    def late(landed: Landed) -> dict[str, str]:
        sum = Checksum(upload.sum, body.checksums[upload.sum], FULL)
        return {CHECKSUM: sum.text, **listed(landed.etag, "", checksum=sum.text.replace(" ", ":"))}

    whole: Body = body
    ask = call.ask(
        "PUT", part_path(call.object, upload.id, number), body=whole, headers={"content-type": "binary/octet-stream"}
    )
    return await call.tell(msgspec.structs.replace(ask.by_cloud(), late=late))


async def part_copy(call: Call) -> Answer:
    """The part is what an object, or a range of one, was."""
    await call.writable()
    number, upload = _number(call), await upload_of(call)
    source = await source_of(call, ranged=True)
    try:
        body = Summed(source.content, upload.sum)
        answer = await _keep(call, upload, number, body)
    finally:
        await source.content.close()
    sum = Checksum(upload.sum, body.checksums[upload.sum], FULL)
    made = iso_date(iso(answer.headers["x-timestamp"]))
    inner = tag("LastModified", made) + tag("ETag", f'"{answer.headers["etag"]}"') + _sum_xml(sum)
    return Answer(headers={**XML, **source.version}, body=document("CopyPartResult", inner))


def _sum_xml(sum: Checksum | None) -> str:
    return "" if sum is None else tag(f"Checksum{sum.name.upper()}", sum.value)


async def part_list(call: Call) -> Answer:
    """The parts of an upload."""
    await call.writable()
    upload = await upload_of(call)
    most = call.request.number("max-parts", MOST, MOST)
    after = call.request.number("part-number-marker", MOST_PARTS, 0)
    parts = await parts_of(call, upload.id, after, most + 1)
    more = bool(most) and len(parts) > most
    shown = parts[:most]
    owner = own_name(call.bucket)
    body = document(
        "ListPartsResult",
        tag("Bucket", str(call.request.bucket)),
        tag("Key", str(call.request.key)),
        tag("UploadId", upload.id),
        owner_xml(owner, "Initiator"),
        owner_xml(owner),
        tag("StorageClass", "STANDARD"),
        tag("PartNumberMarker", after),
        given("NextPartNumberMarker", shown[-1].number if shown else ""),
        tag("MaxParts", most),
        tag("IsTruncated", "true" if more else "false"),
        tag("ChecksumAlgorithm", upload.sum.upper()) + tag("ChecksumType", upload.of) if upload.named else "",
        *_described(shown),
    )
    return Answer(headers=dict(XML), body=body)


def _described(parts: Sequence[PartRow]) -> list[str]:
    return [
        box(
            "Part",
            tag("PartNumber", one.number),
            tag("LastModified", iso_date(one.last_modified)),
            tag("ETag", f'"{one.hash}"'),
            tag("Size", one.bytes),
            _sum_xml(one.checksum),
        )
        for one in parts
    ]
