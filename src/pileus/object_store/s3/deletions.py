"""Many objects deleted at once."""

import asyncio

import msgspec

from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.call import Call, document_of
from pileus.object_store.s3.checksums import HEADER, SIZES
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.objects import deleted
from pileus.object_store.s3.policies import permit_for
from pileus.object_store.s3.xml import box, document, given, parsed, tag

MOST = 1000
MOST_XML = 2 << 20
AT_ONCE = 8


class Doomed(msgspec.Struct, frozen=True):
    """What is to be deleted."""

    key: str
    version: str = ""
    etag: str = ""


async def objects_delete(call: Call) -> Answer:
    """Each of the objects is gone, or the answer says why not."""
    await call.facts()
    headers = call.request.headers
    if not any(name in headers for name in ("content-md5", "x-amz-trailer", *(f"{HEADER}{name}" for name in SIZES))):
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5")
    root = parsed(await document_of(call, MOST_XML), "Delete")
    quiet = root.said("Quiet").lower() == "true"
    doomed = [Doomed(one.key("Key"), one.said("VersionId"), one.said("ETag")) for one in root.all("Object")]
    if not doomed or len(doomed) > MOST or any(not one.key for one in doomed):
        raise S3Error("MalformedXML", f"A Delete names 1 to {MOST} objects.")
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(what: Doomed) -> str:
        async with gate:
            return await _delete(call, what, quiet=quiet)

    # One after the other where a key comes twice, as versions of one object do.
    keys: dict[str, list[Doomed]] = {}
    for what in doomed:
        keys.setdefault(what.key, []).append(what)

    async def all_of(several: list[Doomed]) -> list[str]:
        return [await one(what) for what in several]

    said = await asyncio.gather(*(all_of(several) for several in keys.values()))
    body = document("DeleteResult", *(text for several in said for text in several))
    return Answer(headers={"content-type": "application/xml"}, body=body)


async def _delete(call: Call, what: Doomed, *, quiet: bool) -> str:
    top = tag("Key", what.key) + given("VersionId", what.version)
    path = Path(call.account, call.request.bucket, what.key)
    action = "DeleteObjectVersion" if what.version else "DeleteObject"
    try:
        judged = msgspec.structs.replace(call, permit=await permit_for(call, action, path))
        headers = await deleted(judged, path, what.version or None, match=what.etag)
    except S3Error as wrong:
        return box("Error", top, tag("Code", wrong.code), tag("Message", wrong.message))
    if quiet:
        return ""
    marker = headers.get("x-amz-delete-marker")
    id = headers.get("x-amz-version-id")
    return box(
        "Deleted",
        top,
        given("DeleteMarker", marker),
        given("DeleteMarkerVersionId", id if marker else ""),
    )
