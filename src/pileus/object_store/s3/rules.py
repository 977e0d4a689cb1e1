"""Lifecycle rules of a bucket: read, kept and shown; lifecycle.py holds them against what is in it."""

import datetime as dt

import msgspec

from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.call import Call, document_of
from pileus.object_store.s3.documents import kept_document, put_document
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.tags import checked
from pileus.object_store.s3.xml import Node, box, document, given, parsed, tag

NOTED = Path("\0s3", "lifecycle")  # an object for each bucket that has rules, called by account and bucket
MOST_RULES = 1000
XML = {"content-type": "application/xml"}


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ends when. Zero days, no date: not by this rule."""

    id: str = ""
    enabled: bool = True
    prefix: str = ""
    tags: dict[str, str] = {}
    larger: int = -1
    smaller: int = -1
    days: int = 0
    date: str = ""
    markers: bool = False
    noncurrent_days: int = 0
    newer_versions: int = 0
    abort_days: int = 0

    def about(self, key: str, size: int | None) -> bool:
        """Whether the rule is about objects of this name and size."""
        if not key.startswith(self.prefix):
            return False
        return size is None or (size > self.larger and (self.smaller < 0 or size < self.smaller))


def noted_name(call: Call) -> Path:
    """Where it is noted that the bucket has rules."""
    return Path(NOTED.account, NOTED.container, f"{call.account}/{call.request.bucket}")


async def lifecycle_get(call: Call) -> Answer:
    """The bucket's rules."""
    text = kept_document(await call.owned(), "lifecycle")
    if not text:
        raise S3Error("NoSuchLifecycleConfiguration", about={"BucketName": str(call.request.bucket)})
    rules = msgspec.json.decode(text, type=list[Rule])
    return Answer(headers=dict(XML), body=document("LifecycleConfiguration", *(_xml(rule) for rule in rules)))


async def lifecycle_put(call: Call) -> Answer:
    """These rules hold from now on."""
    await call.owned()
    root = parsed(await document_of(call), "LifecycleConfiguration")
    rules = [_rule(one, at) for at, one in enumerate(root.all("Rule"))]
    if not 1 <= len(rules) <= MOST_RULES:
        raise S3Error("MalformedXML", f"There must be 1 to {MOST_RULES} rules.")
    if len({rule.id for rule in rules}) != len(rules):
        raise S3Error("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
    if await call.app.cluster.container(NOTED) is None:
        await call.tell(call.ask("PUT", NOTED).by_cloud())
    await call.tell(call.ask("PUT", noted_name(call)).by_cloud())
    await put_document(call, "lifecycle", msgspec.json.encode(rules).decode())
    return Answer()


async def lifecycle_delete(call: Call) -> Answer:
    """Nothing ends by itself."""
    await call.owned()
    await put_document(call, "lifecycle", "")
    await call.app.pipeline(call.ask("DELETE", noted_name(call)).by_cloud())
    return Answer(status=204)


def _rule(node: Node, at: int) -> Rule:
    for name in ("Transition", "NoncurrentVersionTransition"):
        if node.one(name) is not None:
            raise S3Error("NotImplemented", "There is one storage class: nothing moves to another one.")
    status, id = node.said("Status"), node.said("ID") or f"rule-{at + 1}"
    if status not in {"Enabled", "Disabled"}:
        raise S3Error("MalformedXML")
    if len(id) > 255:
        raise S3Error("InvalidArgument", "ID length should not exceed allowed limit of 255")
    found = {"id": id, "enabled": status == "Enabled", **_filter(node), **_actions(node)}
    if not found.keys() & {"days", "date", "markers", "noncurrent_days", "abort_days"}:
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule.")
    return msgspec.convert(found, Rule)


def _filter(node: Node) -> dict[str, object]:
    """Which objects a rule is about."""
    top = node.one("Filter")
    if top is None:
        return {"prefix": node.key("Prefix")}
    if node.one("Prefix") is not None or len(top.children) > 1:
        raise S3Error("MalformedXML")
    inner = top.one("And") or top
    pairs = checked([(one.key("Key"), one.key("Value")) for one in inner.all("Tag")], 10)
    found: dict[str, object] = {"prefix": inner.key("Prefix"), "tags": dict(pairs)}
    for name, key in (("ObjectSizeGreaterThan", "larger"), ("ObjectSizeLessThan", "smaller")):
        if inner.one(name) is not None:
            found[key] = _number(inner, name, least=0)
    return found


def _actions(node: Node) -> dict[str, object]:
    found: dict[str, object] = {}
    expires = node.one("Expiration")
    if expires is not None:
        found |= _expiration(expires)
    old = node.one("NoncurrentVersionExpiration")
    if old is not None:
        found["noncurrent_days"] = _number(old, "NoncurrentDays")
        if old.one("NewerNoncurrentVersions") is not None:
            found["newer_versions"] = _number(old, "NewerNoncurrentVersions")
    abort = node.one("AbortIncompleteMultipartUpload")
    if abort is not None:
        found["abort_days"] = _number(abort, "DaysAfterInitiation")
    return found


def _expiration(node: Node) -> dict[str, object]:
    if len(node.children) != 1:
        raise S3Error("MalformedXML")
    if node.one("Days") is not None:
        return {"days": _number(node, "Days")}
    if node.one("Date") is not None:
        try:
            date = dt.datetime.fromisoformat(node.needs("Date"))
        except ValueError:
            raise S3Error("MalformedXML") from None
        date = date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)
        if date.time() != dt.time():
            raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")
        return {"date": date.isoformat()}
    if node.said("ExpiredObjectDeleteMarker") not in {"true", "false"}:
        raise S3Error("MalformedXML")
    return {"markers": node.said("ExpiredObjectDeleteMarker") == "true"}


def _number(node: Node, name: str, *, least: int = 1) -> int:
    text = node.needs(name)
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 16):
        raise S3Error("MalformedXML")
    if int(text) < least:
        raise S3Error("InvalidArgument", f"'{name}' must be {'a positive integer' if least else 'no less than 0'}")
    return int(text)


def _xml(rule: Rule) -> str:
    tags = [box("Tag", tag("Key", key), tag("Value", value)) for key, value in rule.tags.items()]
    sizes = [
        tag(name, value)
        for name, value in (("ObjectSizeGreaterThan", rule.larger), ("ObjectSizeLessThan", rule.smaller))
        if value >= 0
    ]
    inner = [tag("Prefix", rule.prefix), *tags, *sizes]
    if len(inner) > 2 or (len(inner) == 2 and rule.prefix):
        inner = [box("And", *inner)]
    elif len(inner) == 2:
        inner = inner[1:]
    ends = (
        given("Days", rule.days or "")
        + given("Date", rule.date)
        + (tag("ExpiredObjectDeleteMarker", "true") if rule.markers else "")
    )
    old = tag("NoncurrentDays", rule.noncurrent_days) + given("NewerNoncurrentVersions", rule.newer_versions or "")
    return box(
        "Rule",
        tag("ID", rule.id),
        box("Filter", *inner),
        tag("Status", "Enabled" if rule.enabled else "Disabled"),
        box("Expiration", ends) if ends else "",
        box("NoncurrentVersionExpiration", old) if rule.noncurrent_days else "",
        box("AbortIncompleteMultipartUpload", tag("DaysAfterInitiation", rule.abort_days)) if rule.abort_days else "",
    )
