"""Bucket policies: who may do what, in the vendor's language, as far as it maps.

    a principal  "*", a project (its id, or arn:aws:iam::PROJECT:root), a user of one (arn:aws:iam::PROJECT:user/USER)
    a resource   arn:aws:s3:::bucket, arn:aws:s3:::bucket/keys
    conditions   on the address, the prefix that is listed, the user, TLS; what is not known here is refused, not ignored

A Deny holds against everything else, an Allow adds to what roles and access lists allow. They bind S3 and not the Swift API.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import msgspec

from pileus.kit.auth import NOBODY, Caller
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Guards, Permit, Refused
from pileus.object_store.s3.call import Call, document_of, own_name
from pileus.object_store.s3.documents import kept_document, put_document
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.requests import Request
from pileus.object_store.s3.xml import document, tag

MOST = 20_480
OF_OWNER = {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}
KEYS = {"Version", "Id", "Statement"}
PARTS = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
OPERATORS = {
    "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "IpAddress", "NotIpAddress",
    "Bool",
}  # fmt: skip
ABOUT = {
    "aws:sourceip",
    "aws:securetransport",
    "aws:username",
    "aws:userid",
    "aws:referer",
    "aws:useragent",
    "s3:prefix",
    "s3:delimiter",
}


class Statement(msgspec.Struct, frozen=True):
    """One rule."""

    allows: bool
    principals: tuple[str, ...]
    all_but_principals: bool
    actions: tuple[str, ...]
    all_but_actions: bool
    resources: tuple[str, ...]
    all_but_resources: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


def _wrong(why: str) -> S3Error:
    return S3Error("MalformedPolicy", why)


@lru_cache(maxsize=256)
def parsed_policy(text: str) -> tuple[Statement, ...]:
    """The rules of a policy; raises MalformedPolicy."""
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        raise _wrong("Policies must be valid JSON and the first byte must be '{'") from bad
    if (
        not isinstance(raw, dict)
        or raw.keys() - KEYS
        or raw.get("Version", "2012-10-17") not in {"2012-10-17", "2008-10-17"}
    ):
        raise _wrong("A policy has a Version (2012-10-17), an Id and Statements.")
    statements = raw.get("Statement")
    several = [statements] if isinstance(statements, dict) else statements
    if not isinstance(several, list) or not several:
        raise _wrong("Missing required field Statement")
    return tuple(_statement(one) for one in several)


def _statement(raw: object) -> Statement:
    if not isinstance(raw, dict) or raw.keys() - PARTS:
        raise _wrong(f"A statement has {', '.join(sorted(PARTS))}.")
    if raw.get("Effect") not in {"Allow", "Deny"}:
        raise _wrong("Invalid effect")
    principals, but_principals = _either(raw, "Principal", _principals)
    actions, but_actions = _either(raw, "Action", _texts)
    resources, but_resources = _either(raw, "Resource", _texts)
    if any(not one.startswith("arn:aws:s3:::") for one in resources):
        raise _wrong("Policy has invalid resource")
    if any(one != "*" and not one.lower().startswith("s3:") for one in actions):
        raise _wrong("Policy has invalid action")
    return Statement(
        allows=raw["Effect"] == "Allow",
        principals=principals,
        all_but_principals=but_principals,
        actions=tuple(one.lower() for one in actions),
        all_but_actions=but_actions,
        resources=resources,
        all_but_resources=but_resources,
        conditions=_conditions(raw.get("Condition", {})),
    )


def _either(raw: Mapping[str, Any], name: str, read: Any) -> tuple[tuple[str, ...], bool]:
    given = [key for key in (name, f"Not{name}") if key in raw]
    if len(given) != 1:
        raise _wrong(f"A statement has either {name} or Not{name}.")
    return read(raw[given[0]]), given[0] != name


def _texts(raw: object) -> tuple[str, ...]:
    several = [raw] if isinstance(raw, str | bool) else raw
    if not isinstance(several, list) or not several or not all(isinstance(one, str | bool) for one in several):
        raise _wrong("A text, or a list of texts, is expected.")
    return tuple(str(one).lower() if isinstance(one, bool) else one for one in several)


def _principals(raw: object) -> tuple[str, ...]:
    if isinstance(raw, dict):
        if raw.keys() != {"AWS"}:
            raise _wrong("Invalid principal in policy")
        raw = raw["AWS"]
    found = []
    for text in _texts(raw):
        match = re.fullmatch(r"arn:aws:iam::([^:/]+):(root|user/(.+))", text)
        if match is not None:
            found.append(f"{match[1]}:{match[3] or '*'}")
        elif text == "*" or re.fullmatch(r"[\w-]+", text):
            found.append("*" if text == "*" else f"{text}:*")
        else:
            raise _wrong("Invalid principal in policy")
    return tuple(found)


def _conditions(raw: object) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    if not isinstance(raw, dict):
        raise _wrong("Condition must be an object.")
    found = []
    for operator, about in raw.items():
        if operator not in OPERATORS or not isinstance(about, dict):
            raise _wrong(f"Condition {str(operator)[:50]} is not known here.")
        for key, values in about.items():
            if key.lower() not in ABOUT:
                raise _wrong(f"Condition key {str(key)[:50]} is not known here.")
            texts = _texts(values)
            if "IpAddress" in operator:
                _networks(texts)
            found.append((operator, key.lower(), texts))
    return tuple(found)


def _networks(texts: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(text, strict=False) for text in texts]
    except ValueError as bad:
        raise _wrong(str(bad)) from bad


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"([*?])", text)
    return re.compile(
        "".join(".*" if part == "*" else "." if part == "?" else re.escape(part) for part in parts), re.DOTALL
    )


def _like(text: str, patterns: Sequence[str]) -> bool:
    return any(_pattern(one).fullmatch(text) is not None for one in patterns)


def verdict(
    policy: Sequence[Statement], caller: Caller, action: str, resource: str, about: Mapping[str, str]
) -> bool | None:
    """Whether the policy allows it (True), denies it (False), or says nothing."""
    fitting = [one for one in policy if _fits(one, caller, action.lower(), resource) and _holds(one, about)]
    if any(not one.allows for one in fitting):
        return False
    return True if fitting else None


def _fits(one: Statement, caller: Caller, action: str, resource: str) -> bool:
    names = {"*"}
    if caller is not NOBODY and caller.project_id is not None:
        names |= {f"{caller.project_id}:{name}" for name in ("*", caller.user_id, caller.user_name)}
    return (
        bool(names & set(one.principals)) != one.all_but_principals
        and _like(action, one.actions) != one.all_but_actions
        and _like(resource, one.resources) != one.all_but_resources
    )


def _holds(one: Statement, about: Mapping[str, str]) -> bool:
    return all(_condition(operator, about.get(key), texts) for operator, key, texts in one.conditions)


def _condition(operator: str, value: str | None, texts: tuple[str, ...]) -> bool:
    negative = "Not" in operator
    if value is None:
        return negative
    match operator.replace("Not", ""):
        case "IpAddress":
            try:
                found = any(ipaddress.ip_address(value) in network for network in _networks(texts))
            except ValueError:
                found = False
        case "StringLike":
            found = _like(value, texts)
        case "StringEqualsIgnoreCase" | "Bool":
            found = value.lower() in {text.lower() for text in texts}
        case _:
            found = value in texts
    return found != negative


def about_of(request: Request, caller: Caller) -> dict[str, str]:
    """What conditions may ask about a request."""
    found = {
        "aws:sourceip": request.remote,
        "aws:securetransport": "true" if request.scheme == "https" else "false",
        "aws:username": caller.user_name,
        "aws:userid": caller.user_id,
        "s3:prefix": request.query.get("prefix", ""),
        "s3:delimiter": request.query.get("delimiter", ""),
    }
    for header in ("referer", "user-agent"):
        if header in request.headers:
            found[f"aws:{header.replace('-', '')}"] = request.headers[header]
    return found


def judged(
    facts: ContainerFacts | None, permits: Permit, action: str, path: Path, request: Request, caller: Caller
) -> Permit:
    """The permit of an action on a bucket or object: what its policy says, and where it says nothing the usual one."""
    text = kept_document(facts, "policy") if facts is not None else ""
    if not text:
        return permits
    own = caller.project_id is not None and caller.project_id == own_name(path)
    resource = f"arn:aws:s3:::{path.container}" + (f"/{path.object}" if path.object is not None else "")
    said = verdict(parsed_policy(text), caller, action, resource, about_of(request, caller))
    if said is None or (own and action in OF_OWNER):
        return permits

    def permit(_ask: Ask, _guards: Guards) -> None:
        if not said:
            raise Refused(403)

    return permit


async def permit_for(call: Call, action: str, path: Path) -> Permit:
    """The permit of an action on something other than what the request names."""
    facts = await call.app.cluster.container(path)
    return judged(facts, call.permits, f"s3:{action}", path, call.request, call.caller)


async def policy_get(call: Call) -> Answer:
    """The bucket's policy, as it was put."""
    text = kept_document(await call.owned(), "policy")
    if not text:
        raise S3Error("NoSuchBucketPolicy", about={"BucketName": str(call.request.bucket)})
    return Answer(headers={"content-type": "application/json"}, body=text.encode())


async def policy_put(call: Call) -> Answer:
    """So it is decided from now on."""
    await call.owned()
    text = (await document_of(call, MOST)).decode("utf-8", "replace")
    bucket = f"arn:aws:s3:::{call.request.bucket}"
    for one in parsed_policy(text):
        if any(not _like(bucket, [place.partition("/")[0]]) for place in one.resources):
            raise _wrong("Policy has invalid resource")
    await put_document(call, "policy", text)
    return Answer(status=204)


async def policy_delete(call: Call) -> Answer:
    """Roles and access lists decide."""
    await call.owned()
    await put_document(call, "policy", "")
    return Answer(status=204)


async def policy_status(call: Call) -> Answer:
    """Whether the policy lets anybody in."""
    text = kept_document(await call.owned(), "policy")
    if not text:
        raise S3Error("NoSuchBucketPolicy", about={"BucketName": str(call.request.bucket)})
    public = any(one.allows and "*" in one.principals and not one.conditions for one in parsed_policy(text))
    return Answer(
        headers={"content-type": "application/xml"}, body=document("PolicyStatus", tag("IsPublic", str(public).lower()))
    )
