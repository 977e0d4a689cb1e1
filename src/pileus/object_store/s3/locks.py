"""Object lock: how long a version must stay, and whether it is held; features/object_locks.py keeps it so for every API."""

import datetime as dt

import msgspec

from pileus.object_store.features.object_locks import BYPASS, LOCK, Rule, retention_of, rule_of
from pileus.object_store.features.versions import ENABLED
from pileus.object_store.proxy.asks import Answer, true
from pileus.object_store.s3.call import Call, document_of
from pileus.object_store.s3.described import HOLD, RETAIN
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.tags import described_anew, described_object
from pileus.object_store.s3.xml import Node, box, document, parsed, tag

MODES = {"GOVERNANCE", "COMPLIANCE"}
LONGEST_DAYS, LONGEST_YEARS = 36_500, 100
XML = {"content-type": "application/xml"}


def bypass_of(call: Call) -> dict[str, str]:
    """What tells the feature that governance may be bypassed; it holds only for who runs the account."""
    return {BYPASS: "true"} if call.header("x-amz-bypass-governance-retention").lower() == "true" else {}


def lock_of(call: Call) -> dict[str, str]:
    """The lock that a write puts on its object, as it is kept; raises S3Error."""
    mode, until = call.header("x-amz-object-lock-mode"), call.header("x-amz-object-lock-retain-until-date")
    hold = call.header("x-amz-object-lock-legal-hold")
    found = {}
    if bool(mode) != bool(until):
        raise S3Error(
            "InvalidArgument",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )
    if mode:
        found[RETAIN] = _retention(call, mode, until, "InvalidArgument")
    if hold:
        if hold not in {"ON", "OFF"}:
            raise S3Error("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'")
        found[HOLD] = hold
    return found


def _retention(call: Call, mode: str, until: str, code: str) -> str:
    if mode not in MODES:
        raise S3Error(code, "Unknown wormMode directive." if code == "InvalidArgument" else None)
    moment = _moment(until)
    if moment is None:
        raise S3Error(code)
    if moment.timestamp() <= call.app.cluster.stamps.now():
        raise S3Error("InvalidArgument", "The retain until date must be in the future!")
    return f"{mode} {moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}"


def _moment(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(dt.UTC) if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


async def _rule(call: Call) -> Rule:
    """The lock of the bucket; raises S3Error where there is none."""
    rule = rule_of(await call.facts())
    if rule is None:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    return rule


async def configuration_get(call: Call) -> Answer:
    """How objects of the bucket are locked when nobody says."""
    rule = rule_of(await call.owned())
    if rule is None:
        raise S3Error("ObjectLockConfigurationNotFoundError")
    inner = ""
    if rule.mode:
        lasts = tag("Days", rule.days) if rule.days else tag("Years", rule.years)
        inner = box("Rule", box("DefaultRetention", tag("Mode", rule.mode), lasts))
    return Answer(
        headers=dict(XML), body=document("ObjectLockConfiguration", tag("ObjectLockEnabled", "Enabled"), inner)
    )


async def configuration_put(call: Call) -> Answer:
    """So objects are locked from now on; the bucket keeps versions for ever."""
    facts = await call.owned()
    root = parsed(await document_of(call), "ObjectLockConfiguration")
    if root.said("ObjectLockEnabled") != "Enabled":
        raise S3Error("MalformedXML")
    if not true(facts.metadata.get(ENABLED, "")):
        raise S3Error(
            "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
        )
    rule = _rule_of_document(root)
    await call.tell(call.ask("POST", call.bucket, headers={LOCK: msgspec.json.encode(rule).decode()}))
    return Answer()


def _rule_of_document(root: Node) -> Rule:
    found = root.one("Rule")
    if found is None:
        return Rule()
    default = found.one("DefaultRetention")
    if default is None or default.said("Mode") not in MODES:
        raise S3Error("MalformedXML")
    days, years = default.said("Days"), default.said("Years")
    if bool(days) == bool(years) or not (days or years).lstrip("-").isdigit():
        raise S3Error("MalformedXML")
    most = LONGEST_DAYS if days else LONGEST_YEARS
    if not 1 <= int(days or years) <= most:
        raise S3Error("InvalidArgument", "Default retention period must be a positive integer value.")
    return Rule(mode=default.said("Mode"), days=int(days or 0), years=int(years or 0))


async def retention_get(call: Call) -> Answer:
    """How long the version must stay."""
    await _rule(call)
    now = await described_object(call)
    if not now.headers.get(RETAIN):
        raise S3Error("NoSuchObjectLockConfiguration")
    mode, _, until = now.headers[RETAIN].partition(" ")
    return Answer(headers=dict(XML), body=document("Retention", tag("Mode", mode), tag("RetainUntilDate", until)))


async def retention_put(call: Call) -> Answer:
    """The version stays so long."""
    await _rule(call)
    root = parsed(await document_of(call), "Retention")
    wanted = ""
    if root.children:
        wanted = _retention(call, root.said("Mode"), root.said("RetainUntilDate"), "MalformedXML")
    if bypass_of(call):
        await call.owned()
    now = await described_object(call)
    _require_longer(call, now.headers.get(RETAIN, ""), wanted)
    return Answer(headers=await described_anew(call, {RETAIN: wanted}))


def _require_longer(call: Call, before: str, wanted: str) -> None:
    """A retention that runs is never shortened, but for governance by who may bypass it."""
    held = retention_of(before)
    if held is None or held.until <= call.app.cluster.stamps.now():
        return
    then = retention_of(wanted)
    if then is not None and then.until >= held.until and held.mode in {then.mode, "GOVERNANCE"}:
        return
    if held.mode == "GOVERNANCE" and bypass_of(call):
        return
    raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")


async def legal_hold_get(call: Call) -> Answer:
    """Whether the version is held."""
    await _rule(call)
    now = await described_object(call)
    if not now.headers.get(HOLD):
        raise S3Error("NoSuchObjectLockConfiguration")
    return Answer(headers=dict(XML), body=document("LegalHold", tag("Status", now.headers[HOLD])))


async def legal_hold_put(call: Call) -> Answer:
    """The version is held, or not any more."""
    await _rule(call)
    status = parsed(await document_of(call), "LegalHold").said("Status")
    if status not in {"ON", "OFF"}:
        raise S3Error("MalformedXML")
    return Answer(headers=await described_anew(call, {HOLD: status}))
