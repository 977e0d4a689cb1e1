"""Buckets: made, listed, described and deleted, and how they keep versions."""

import re

import msgspec

from pileus.object_store.features.object_locks import LOCK, rule_of
from pileus.object_store.features.version_lists import Row
from pileus.object_store.features.versions import ENABLED, HEADER
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, true
from pileus.object_store.s3.acls import lists_of, owner_xml
from pileus.object_store.s3.call import ABOUT, SEGMENTS, Call, document_of, segments_of
from pileus.object_store.s3.described import iso_date
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.uploads import uploads_of
from pileus.object_store.s3.xml import box, document, given, parsed, tag

XML = {"content-type": "application/xml"}
PLACE = f"{ABOUT}location"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
PAGE = 1000


class Bucket(msgspec.Struct):
    """A container, as an account lists it."""

    name: str
    last_modified: str = ""


async def bucket_list(call: Call) -> Answer:
    """The caller's buckets."""
    if not call.signed:
        raise S3Error("AccessDenied")
    most = call.request.number("max-buckets", 10_000, 0)
    query = {"prefix": call.request.query.get("prefix", ""), "marker": call.request.query.get("continuation-token", "")}
    found: list[Bucket] = []
    while True:
        raw = await call.listing(Path(call.account), {**query, "limit": str(PAGE)}, cloud=False)
        rows = msgspec.json.decode(raw, type=list[Bucket])
        found += [row for row in rows if not row.name.endswith(SEGMENTS)]
        if len(rows) < PAGE or (most and len(found) > most):
            break
        query["marker"] = rows[-1].name
    shown = found[:most] if most else found
    more = shown[-1].name if len(shown) < len(found) else ""
    buckets = (box("Bucket", tag("Name", one.name), tag("CreationDate", iso_date(one.last_modified))) for one in shown)
    owner = call.caller.project_id or ""
    body = document(
        "ListAllMyBucketsResult", owner_xml(owner), box("Buckets", *buckets), given("ContinuationToken", more)
    )
    return Answer(headers=dict(XML), body=body)


async def bucket_put(call: Call) -> Answer:
    """The bucket is there, and it is new."""
    name = str(call.request.bucket)
    if not _NAME.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        raise S3Error("InvalidBucketName", about={"BucketName": name})
    raw = await document_of(call)
    place = parsed(raw, "CreateBucketConfiguration").said("LocationConstraint") if raw.strip() else ""
    headers = dict(lists_of(call) or {})
    if place:
        headers[PLACE] = place[:100]
    locks = call.header("x-amz-bucket-object-lock-enabled").lower() == "true"
    answer = await call.tell(call.ask("PUT", call.bucket, headers=headers))
    if answer.status == 202:
        raise S3Error("BucketAlreadyOwnedByYou", about={"BucketName": name})
    if locks:
        await call.tell(call.ask("POST", call.bucket, headers={HEADER: "true"}))
        await call.tell(call.ask("POST", call.bucket, headers={LOCK: "{}"}))
    return Answer(headers={"location": f"/{name}"})


async def bucket_head(call: Call) -> Answer:
    """The bucket is there."""
    await call.tell(call.ask("HEAD", call.bucket))
    facts = await call.facts()
    return Answer(headers={"x-amz-bucket-region": facts.metadata.get(PLACE) or call.app.config.s3_region})


async def bucket_delete(call: Call) -> Answer:
    """The bucket is gone, with what was left of uploads to it."""
    ask = call.ask("DELETE", call.bucket)
    answer = await call.app.pipeline(ask)
    if answer.status == 409:
        raise S3Error("BucketNotEmpty", about={"BucketName": str(call.request.bucket)})
    if not answer.ok:
        raise await call.refusal(ask, answer)
    for path in (segments_of(call.bucket), uploads_of(call.bucket)):
        if await call.app.cluster.container(path) is not None:
            await _empty(call, path)
    return Answer(status=204)


async def _empty(call: Call, path: Path) -> None:
    """The hidden container and all that is in it are gone."""
    while True:
        rows = msgspec.json.decode(await call.listing(path, {"limit": str(PAGE)}, cloud=True), type=list[Row])
        for row in rows:
            await call.app.pipeline(call.ask("DELETE", Path(path.account, path.container, row.name)).by_cloud())
        if len(rows) < PAGE:
            break
    await call.app.pipeline(call.ask("DELETE", path).by_cloud())


async def location_get(call: Call) -> Answer:
    """Where the bucket is; the first region has no name, as ever."""
    facts = await call.owned()
    place = facts.metadata.get(PLACE) or call.app.config.s3_region
    body = document("LocationConstraint", "" if place == "us-east-1" else place)
    return Answer(headers=dict(XML), body=body)


async def versioning_get(call: Call) -> Answer:
    """Whether the bucket keeps versions."""
    facts = await call.owned()
    said = facts.metadata.get(ENABLED)
    status = "" if said is None else tag("Status", "Enabled" if true(said) else "Suspended")
    return Answer(headers=dict(XML), body=document("VersioningConfiguration", status))


async def versioning_put(call: Call) -> Answer:
    """The bucket keeps versions from now on, or no new ones."""
    facts = await call.owned()
    root = parsed(await document_of(call), "VersioningConfiguration")
    status = root.said("Status")
    if root.said("MfaDelete") == "Enabled":
        raise S3Error("NotImplemented", "There are no MFA devices here.")
    if status not in {"Enabled", "Suspended"}:
        raise S3Error("MalformedXML")
    if status == "Suspended" and rule_of(facts) is not None:
        raise S3Error(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
    await call.tell(call.ask("POST", call.bucket, headers={HEADER: "true" if status == "Enabled" else "false"}))
    return Answer()


async def nothing_logged(call: Call) -> Answer:
    """Access is not logged into buckets."""
    await call.owned()
    return Answer(headers=dict(XML), body=document("BucketLoggingStatus"))


async def logging_refused(call: Call) -> Answer:
    """Never: access is not logged into buckets, and S3's answer to who asks for what there is not is 501."""
    await call.owned()
    raise S3Error("NotImplemented", "Access to buckets is not logged into buckets here.")


async def nothing_notified(call: Call) -> Answer:
    """Nobody is notified."""
    await call.owned()
    return Answer(headers=dict(XML), body=document("NotificationConfiguration"))


async def nothing_accelerated(call: Call) -> Answer:
    """There is one way to the bucket."""
    await call.owned()
    return Answer(headers=dict(XML), body=document("AccelerateConfiguration"))


async def payer_get(call: Call) -> Answer:
    """Who owns the bucket pays for it."""
    await call.owned()
    return Answer(headers=dict(XML), body=document("RequestPaymentConfiguration", tag("Payer", "BucketOwner")))


ABSENT = {
    "replication": "ReplicationConfigurationNotFoundError",
    "website": "NoSuchWebsiteConfiguration",
    "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "ownershipControls": "OwnershipControlsNotFoundError",
}


async def absent(call: Call) -> Answer:
    """What buckets here never have, said as clients expect of one without."""
    await call.owned()
    raise S3Error(ABSENT[call.request.asked], about={"BucketName": str(call.request.bucket)})
