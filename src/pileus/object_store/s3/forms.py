"""Forms: a browser uploads right into a bucket, and a signed policy says what it may. Source: "POST Object" of the vendor's API."""

import datetime as dt
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from html import escape
from urllib.parse import quote, urlencode

import msgspec

from pileus.object_store.features.multipart import BadForm, Form, Part
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.bodies import Verified
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.requests import Request
from pileus.object_store.s3.signatures import V4
from pileus.object_store.s3.tags import MOST_OF_OBJECT, tags_of_document
from pileus.object_store.s3.xml import document, parsed, tag

MOST_FIELDS = 20_480
UNCHECKED = {"policy", "signature", "x-amz-signature", "awsaccesskeyid", "file", "file-type"}
HEADERS = {"cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "expires"}
Fields = Mapping[str, str]


class Terms(msgspec.Struct):
    """What a policy lets: until when, what fields must say, and how long the file may be."""

    exact: list[tuple[str, str]] = []
    begins: list[tuple[str, str]] = []
    least: int = 0
    most: int | None = None


class Sized:
    """The file of a form, no shorter and no longer than its policy allows."""

    def __init__(self, part: Part, terms: Terms, most: int) -> None:
        self._part = part
        self._least = terms.least
        self._most = min(most, most if terms.most is None else terms.most)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        got = 0
        try:
            async for chunk in self._part:
                got += len(chunk)
                if got > self._most:
                    raise S3Error("EntityTooLarge", about={"MaxSizeAllowed": str(self._most)})
                yield chunk
        except BadForm as bad:
            raise S3Error("MalformedPOSTRequest", str(bad)) from bad
        if got < self._least:
            raise S3Error("EntityTooSmall", about={"MinSizeAllowed": str(self._least)})


def is_form(request: Request) -> bool:
    """Whether the request is a form that is sent to a bucket."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return request.method == "POST" and request.key is None and not request.asked and kind == "multipart/form-data"


def form_of(request: Request, body: Verified) -> Form:
    """The form in the body."""
    for parameter in request.headers["content-type"].split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "boundary" and value.strip('"'):
            return Form(aiter(body), value.strip('"'))
    raise S3Error("MalformedPOSTRequest")


async def until_file(form: Form, fields: dict[str, str]) -> AsyncIterator[Part]:
    """The file, once all fields before it are known; what follows it means nothing."""
    size = 0
    try:
        async for part in form:
            name = (part.parameter("name") or "").lower()
            if name == "file":
                fields["file"] = part.parameter("filename") or ""
                fields.setdefault("file-type", part.head.get("content-type", ""))
                yield part
                return
            text = b""
            async for chunk in part:
                text += chunk
                size += len(chunk)
                if size > MOST_FIELDS:
                    raise S3Error("MaxPostPreDataLengthExceededError")
            fields[name] = text.decode("utf-8", "replace")
    except BadForm as bad:
        raise S3Error("MalformedPOSTRequest", str(bad)) from bad
    raise S3Error("InvalidArgument", "POST requires exactly one file upload per request.")


class Signature(msgspec.Struct, frozen=True):
    """What a form says of its signature."""

    access: str
    signature: str
    scope: str = ""


def signature_of(fields: Fields) -> Signature:
    """How the policy is signed; raises S3Error."""
    if not fields.get("policy"):
        raise S3Error("AccessDenied", "A form must carry a policy that somebody signed.")
    if "x-amz-signature" in fields:
        if fields.get("x-amz-algorithm") != V4:
            raise S3Error("InvalidArgument", f"x-amz-algorithm only supports {V4}.")
        access, _, scope = fields.get("x-amz-credential", "").partition("/")
        parts = scope.split("/")
        if (
            len(parts) != 4
            or parts[2:] != ["s3", "aws4_request"]
            or not fields.get("x-amz-date", "").startswith(parts[0] or "?")
        ):
            raise S3Error("InvalidArgument", "x-amz-credential must be <key>/<yyyymmdd>/<region>/s3/aws4_request.")
        return Signature(access, fields["x-amz-signature"], scope)
    if not fields.get("awsaccesskeyid") or not fields.get("signature"):
        raise S3Error("InvalidArgument", "Bucket POST must contain a field named 'AWSAccessKeyId' and a 'signature'.")
    return Signature(fields["awsaccesskeyid"], fields["signature"])


def terms_of(text: str, now: float) -> Terms:
    """What the policy lets; raises AccessDenied when it is over."""
    wrong = S3Error("InvalidPolicyDocument", "Invalid Policy: the document is not what it must be.")
    try:
        raw = msgspec.json.decode(b64decode(text, validate=False))
        until = dt.datetime.fromisoformat(raw["expiration"])
        conditions = raw["conditions"]
    except (ValueError, msgspec.DecodeError, RecursionError, KeyError, TypeError) as bad:
        raise wrong from bad
    if not isinstance(conditions, list):
        raise wrong
    if (until if until.tzinfo is not None else until.replace(tzinfo=dt.UTC)).timestamp() <= now:
        raise S3Error("AccessDenied", "Invalid according to Policy: Policy expired.")
    terms = Terms()
    for one in conditions:
        if not _taken(terms, one):
            raise wrong
    return terms


def _taken(terms: Terms, one: object) -> bool:
    """Whether the condition is one; then the terms know it."""
    match one:
        case {**pairs} if len(pairs) == 1:
            (name, value), *_ = pairs.items()
            terms.exact.append((str(name).lower(), str(value)))
        case ["content-length-range", int(least), int(most)] | ["content-length-range", str(least), str(most)]:
            terms.least, terms.most = int(least), int(most)
        case [str(kind), str(name), str(value)] if kind.lower() in {"eq", "starts-with"} and name.startswith("$"):
            (terms.exact if kind.lower() == "eq" else terms.begins).append((name[1:].lower(), value))
        case _:
            return False
    return True


def require_terms(terms: Terms, fields: Fields, bucket: str) -> None:
    """The fields say what the policy wants, and nothing it does not speak of; raises AccessDenied."""
    said = {**fields, "bucket": bucket}
    for name, value in terms.exact:
        if said.get(name, "") != value:
            raise S3Error(
                "AccessDenied", f'Invalid according to Policy: Policy Condition failed: ["eq", "${name}", "{value}"]'
            )
    for name, value in terms.begins:
        several = said.get(name, "").split(",") if name == "content-type" else [said.get(name, "")]
        if not all(text.strip().startswith(value) for text in several):
            raise S3Error(
                "AccessDenied",
                f'Invalid according to Policy: Policy Condition failed: ["starts-with", "${name}", "{value}"]',
            )
    spoken = {name for name, _ in (*terms.exact, *terms.begins)}
    extra = sorted(name for name in fields if name not in spoken | UNCHECKED and not name.startswith("x-ignore-"))
    if extra:
        raise S3Error("AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")


def put_of(request: Request, fields: Fields) -> Request:
    """The form as the PUT it means."""
    if not fields.get("key"):
        raise S3Error("InvalidArgument", "Bucket POST must contain a field named 'key'.")
    headers = {name: _latin(value) for name, value in fields.items() if value and (name in HEADERS or _kept(name))}
    if fields.get("file-type"):
        headers.setdefault("content-type", _latin(fields["file-type"]))
    if fields.get("acl"):
        headers["x-amz-acl"] = fields["acl"]
    if fields.get("tagging"):
        pairs = tags_of_document(parsed(fields["tagging"].encode(), "Tagging"), MOST_OF_OBJECT)
        headers["x-amz-tagging"] = urlencode(pairs)
    key = fields["key"].replace("${filename}", re.split(r"[/\\]", fields.get("file", ""))[-1])
    if "\0" in key:
        raise S3Error("InvalidURI")
    return msgspec.structs.replace(request, method="PUT", key=key, headers={**headers, "host": request.host})


def _kept(name: str) -> bool:
    return name.startswith(("x-amz-meta-", "x-amz-checksum-", "x-amz-object-lock-")) or name in {
        "x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption",
    }  # fmt: skip


def _latin(text: str) -> str:
    return text.encode().decode("latin-1")


def told(request: Request, fields: Fields, answer: Answer) -> Answer:
    """What the browser is told: where to go on, or as much as the form wants to know."""
    etag, key = answer.headers["etag"], str(request.key)
    place = f"{request.scheme}://{request.host}{request.sent.rstrip('/')}/{quote(key)}"
    headers = {**answer.headers, "location": place}
    target = fields.get("success_action_redirect") or fields.get("redirect", "")
    if target.startswith(("http://", "https://")):
        query = urlencode({"bucket": str(request.bucket), "key": key, "etag": etag})
        to = f"{target}{'&' if '?' in target else '?'}{query}".replace("\n", "").replace("\r", "")
        page = f'<html><body><a href="{escape(to)}">Click to continue</a></body></html>'
        return Answer(status=303, headers={**headers, "location": to, "content-type": "text/html"}, body=page.encode())
    status = fields.get("success_action_status", "204")
    if status != "201":
        return Answer(status=200 if status == "200" else 204, headers=headers)
    inner = tag("Location", place), tag("Bucket", str(request.bucket)), tag("Key", key), tag("ETag", etag)
    return Answer(
        status=201, headers={**headers, "content-type": "application/xml"}, body=document("PostResponse", *inner)
    )
