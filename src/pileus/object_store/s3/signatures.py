"""What a request was signed with, and the text that was signed: versions 4 and 2, in the headers or in the query.

Everything here is a function of the request. Source: the vendor's "Signature Calculations for the Authorization Header",
"Using Query Parameters", and "Signing and Authenticating REST Requests" (version 2).
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import msgspec

from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.requests import Request

V4 = "AWS4-HMAC-SHA256"
V4_FIELDS = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
LONGEST_S = 604_800
UNSIGNED = "UNSIGNED-PAYLOAD"
# What of a query is part of the resource in version 2.
RESOURCE_2 = frozenset(
    {
        "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "partNumber", "policy",
        "requestPayment", "restore", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions",
        "website", "object-lock", "retention", "legal-hold", "encryption", "replication", "accelerate", "analytics",
        "inventory", "metrics", "select", "select-type", "policyStatus", "publicAccessBlock", "ownershipControls",
        "intelligent-tiering", "attributes", "response-content-type", "response-content-language", "response-expires",
        "response-cache-control", "response-content-disposition", "response-content-encoding",
    }
)  # fmt: skip
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_HEADER_4 = re.compile(
    rf"{V4}\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[^,\s]+)"
)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of its signature."""

    version: int
    access: str
    signature: str
    presigned: bool = False
    stamp: str = ""  # 20260102T030405Z, version 4
    scope: str = ""  # 20260102/region/s3/aws4_request, version 4
    signed: tuple[str, ...] = ()  # names of headers, version 4
    expires: str = ""  # seconds from the stamp in version 4, since 1970 in version 2


def said_of(request: Request) -> Said | None:
    """What the request says of its signature; None when it carries none. Raises S3Error when that makes no sense."""
    header = request.headers.get("authorization", "")
    in_query = "X-Amz-Signature" in request.query or "X-Amz-Algorithm" in request.query
    old_query = "AWSAccessKeyId" in request.query and "Signature" in request.query
    if header and (in_query or old_query):
        raise S3Error("InvalidArgument", "Only one way of authentication may be used in a request.")
    if header.startswith(V4):
        return _of_header_4(request, header)
    if header.startswith("AWS "):
        access, _, signature = header[4:].strip().rpartition(":")
        if not access or not signature:
            raise S3Error(
                "InvalidArgument", "The Authorization header must be AWS followed by a key, : and a signature."
            )
        return Said(version=2, access=access, signature=signature)
    if header:
        raise S3Error("InvalidArgument", "Unsupported Authorization Type")
    if in_query:
        return _of_query_4(request)
    if old_query:
        query = request.query
        return Said(
            version=2,
            access=query["AWSAccessKeyId"],
            signature=query["Signature"],
            presigned=True,
            expires=query.get("Expires", ""),
        )
    return None


def _of_header_4(request: Request, header: str) -> Said:
    found = _HEADER_4.fullmatch(header.strip())
    if found is None:
        raise S3Error("AuthorizationHeaderMalformed")
    stamp = request.headers.get("x-amz-date", "")
    if not stamp and request.headers.get("date"):
        stamp = _stamp_of(request.headers["date"])
    if not _STAMP.fullmatch(stamp):
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header.")
    access, scope = _credential(found["credential"], stamp, "AuthorizationHeaderMalformed")
    return Said(
        version=4,
        access=access,
        signature=found["signature"],
        stamp=stamp,
        scope=scope,
        signed=tuple(found["signed"].lower().split(";")),
    )


def _of_query_4(request: Request) -> Said:
    query, wrong = request.query, "AuthorizationQueryParametersError"
    if query.get("X-Amz-Algorithm") != V4:
        raise S3Error(wrong, f'X-Amz-Algorithm only supports "{V4}".')
    missing = [name for name in V4_FIELDS if not query.get(name)]
    if missing:
        raise S3Error(wrong, f"Query-string authentication version 4 requires {', '.join(V4_FIELDS)}.")
    stamp, lasts = query["X-Amz-Date"], query["X-Amz-Expires"]
    if not _STAMP.fullmatch(stamp):
        raise S3Error(wrong, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\".")
    if not (lasts.isascii() and lasts.isdigit() and len(lasts) < 9):
        raise S3Error(wrong, "X-Amz-Expires should be a number.")
    if not 1 <= int(lasts) <= LONGEST_S:
        raise S3Error(wrong, f"X-Amz-Expires must be between 1 and {LONGEST_S} seconds.")
    access, scope = _credential(query["X-Amz-Credential"], stamp, wrong)
    return Said(
        version=4,
        access=access,
        signature=query["X-Amz-Signature"],
        presigned=True,
        stamp=stamp,
        scope=scope,
        signed=tuple(query["X-Amz-SignedHeaders"].lower().split(";")),
        expires=lasts,
    )


def _credential(text: str, stamp: str, code: str) -> tuple[str, str]:
    """The access key and the scope of a credential, which must be of the day of the stamp and for S3."""
    access, *scope = text.split("/")
    if len(scope) > 4:  # keys may hold slashes
        access, scope = "/".join([access, *scope[:-4]]), scope[-4:]
    if not access or len(scope) != 4 or not all(scope):
        raise S3Error(code, "The Credential must be <key>/<yyyymmdd>/<region>/s3/aws4_request.")
    day, _, service, end = scope
    if service != "s3" or end != "aws4_request":
        raise S3Error(code, 'The Credential must end in "/s3/aws4_request".')
    if day != stamp[:8]:
        raise S3Error(code, f'The date of the Credential must be that of the request: "{stamp[:8]}".')
    return access, "/".join(scope)


def _stamp_of(date: str) -> str:
    if _STAMP.fullmatch(date):
        return date
    try:
        return parsedate_to_datetime(date).astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    except (TypeError, ValueError, IndexError, OverflowError):
        return ""


def moment_of(stamp: str) -> float | None:
    """Seconds since 1970 of a version 4 stamp; None when there is no such moment."""
    try:
        return dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return None


def moment_of_2(request: Request) -> float | None:
    """When a version 2 request says it was made."""
    stamp = _stamp_of(request.headers.get("x-amz-date") or request.headers.get("date", ""))
    return moment_of(stamp) if stamp else None


def canonical(request: Request, said: Said, body: str) -> bytes:
    """The request as version 4 signs it; `body` is what stands for the body's hash."""
    pairs = [(name, value) for name, value in request.pairs if name != "X-Amz-Signature"]
    query = "&".join(
        f"{name}={value}" for name, value in sorted((_quoted(name), _quoted(value)) for name, value in pairs)
    )
    headers = "".join(f"{name}:{' '.join(_value(request, name).split())}\n" for name in said.signed)
    path = quote(request.path, safe="/-_.~")
    whole = "\n".join((request.method, path, query, headers, ";".join(said.signed), body))
    return whole.encode("latin-1")


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~", errors="surrogateescape")


def _value(request: Request, name: str) -> str:
    return request.headers.get(name, "")


def text_4(request: Request, said: Said, body: str) -> bytes:
    """What is signed in version 4."""
    digest = hashlib.sha256(canonical(request, said, body)).hexdigest()
    return f"{V4}\n{said.stamp}\n{said.scope}\n{digest}".encode()


def unsigned_headers(request: Request, said: Said) -> list[str]:
    """Headers that must be signed in version 4 and are not."""
    needed = [
        name
        for name in request.headers
        if name.startswith("x-amz-") and not (said.presigned and name == "x-amz-content-sha256")
    ]
    return sorted({"host", *needed} - set(said.signed))


def texts_2(request: Request, said: Said) -> list[bytes]:
    """What may have been signed in version 2: clients differ in whether our mount is part of the resource."""
    headers = request.headers
    amz = sorted(name for name in headers if name.startswith("x-amz-"))
    date = said.expires if said.presigned else "" if "x-amz-date" in headers else headers.get("date", "")
    lines = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in amz]
    top = "\n".join(lines)
    return [f"{top}\n{place}{_resource_2(request.pairs)}".encode("latin-1") for place in _places_2(request)]


def _places_2(request: Request) -> list[str]:
    sent = request.sent
    if request.by_host:
        return [f"/{request.bucket}{sent}"]
    found = [sent]
    if request.mount and sent.startswith(request.mount):
        found.append(sent.removeprefix(request.mount) or "/")
    if request.bucket is not None and request.key is None and not sent.endswith("/"):
        found.append(f"{found[-1]}/")  # a bucket by itself, as botocore has it
    return found


def _resource_2(pairs: Iterable[tuple[str, str]]) -> str:
    found = sorted((name, value) for name, value in pairs if name in RESOURCE_2)
    text = "&".join(f"{name}={value}" if value else name for name, value in found)
    # Values are signed decoded, as bytes.
    return f"?{text}".encode("utf-8", "surrogateescape").decode("latin-1") if text else ""
