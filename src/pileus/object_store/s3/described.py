"""Objects as S3 describes them: which headers are kept with one, and which are shown of it."""

import re
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime

from pileus.object_store.features.version_lists import NULL
from pileus.object_store.features.versions import NULLED
from pileus.object_store.models.stamps import ticks_of
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.proxy.kept import LISTED
from pileus.object_store.s3.call import LATER, MARKS, Call
from pileus.object_store.s3.checksums import HEADER, kept
from pileus.object_store.s3.encryption import require_encryption, sealed_header
from pileus.object_store.s3.errors import S3Error, wrong_argument

ETAG, CHECKSUM, UPLOAD, REDIRECT = f"{MARKS}etag", f"{MARKS}checksum", f"{MARKS}upload", f"{MARKS}redirect"
TAGS, RETAIN, HOLD = f"{LATER}tags", f"{LATER}retain", f"{LATER}hold"
META, KEPT_META = "x-amz-meta-", "x-object-meta-"
PLAIN = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")
MOST_META = 2048
DEFAULT_TYPE = "binary/octet-stream"
OVERRIDES = {f"response-{name}": name for name in PLAIN}
SHOWN = {
    "x-amz-object-lock-legal-hold": HOLD,
    "x-amz-website-redirect-location": REDIRECT,
}
CLASSES = {"STANDARD", "REDUCED_REDUNDANCY"}  # kept alike: how many copies there are is the bucket's storage policy
_ETAG = re.compile(r'"?([0-9a-fA-F]{32}(?:-\d+)?)"?')


def said_of(call: Call) -> dict[str, str]:
    """What of a request's headers is kept with the object it writes; raises S3Error."""
    headers = call.request.headers
    require_encryption(call)
    storage = headers.get("x-amz-storage-class", "STANDARD")
    if storage not in CLASSES:
        raise S3Error("InvalidStorageClass", f"There is one storage class, STANDARD; not {storage[:40]}.")
    said = {name: headers[name] for name in PLAIN if headers.get(name)}
    encodings = [part.strip() for part in said.pop("content-encoding", "").split(",")]
    encoding = ",".join(part for part in encodings if part and part != "aws-chunked")
    if encoding:
        said["content-encoding"] = encoding
    said.setdefault("content-type", DEFAULT_TYPE)
    return said | _metadata(headers) | _redirect(headers)


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name.removeprefix(META): value for name, value in headers.items() if name.startswith(META)}
    size = sum(len(name) + len(value) for name, value in found.items())
    if size > MOST_META:
        raise S3Error("MetadataTooLarge", about={"Size": str(size), "MaxSizeAllowed": str(MOST_META)})
    return {f"{KEPT_META}{name}": value for name, value in found.items()}


def _redirect(headers: Mapping[str, str]) -> dict[str, str]:
    place = headers.get("x-amz-website-redirect-location")
    if place and not place.startswith(("/", "http://", "https://")):
        raise S3Error("InvalidRequest", "The website redirect location must begin with /, http:// or https://.")
    return {REDIRECT: place} if place else {}


def etag_of(headers: Mapping[str, str]) -> str:
    """The tag of an object as S3 tells it, without quotes."""
    own = headers.get(ETAG)
    if own:
        return own
    etag = headers.get("etag", "").strip('"')
    # A large object that was made with Swift's API: no MD5 of anything S3 knows, and clients look for the dash.
    return f"{etag}-N" if "x-manifest-etag" in headers or "x-object-manifest" in headers else etag


def shown(call: Call, answer: Answer) -> dict[str, str]:
    """The headers that describe an object to a client of S3."""
    found = answer.headers
    told = {name: found[name] for name in (*PLAIN, "content-length", "last-modified", "accept-ranges") if name in found}
    told["etag"] = f'"{etag_of(found)}"'
    for name, value in found.items():
        if name.startswith(KEPT_META):
            told[f"{META}{name.removeprefix(KEPT_META)}"] = value
    for name, marked in SHOWN.items():
        if found.get(marked):
            told[name] = found[marked]
    told |= version_header(found) | sealed_header(found)
    if found.get(TAGS):
        told["x-amz-tagging-count"] = str(len(found[TAGS].split("&")))
    if found.get(RETAIN):
        told["x-amz-object-lock-mode"], _, told["x-amz-object-lock-retain-until-date"] = found[RETAIN].partition(" ")
    checksum = kept(found.get(CHECKSUM, ""))
    if checksum is not None and call.header("x-amz-checksum-mode").upper() == "ENABLED":
        told |= {f"{HEADER}{checksum.name}": checksum.value, f"{HEADER}type": checksum.of}
    return told


def overridden(call: Call, headers: dict[str, str]) -> None:
    """The headers say what the query wants them to; only who signed may want that."""
    wanted = {name: call.request.query[asked] for asked, name in OVERRIDES.items() if asked in call.request.query}
    if wanted and not call.signed:
        raise S3Error("InvalidRequest", "Request specific response headers cannot be used for anonymous requests.")
    headers |= wanted


def listed(etag: str, own: str, *, slo: str = "", checksum: str = "") -> dict[str, str]:
    """How a container lists an object whose tag for S3 is not that of its bytes."""
    parts = [etag, *([f"slo_etag={slo}"] if slo else []), *([f"s3_etag={own}"] if own else [])]
    return {f"{LISTED}etag": "; ".join([*parts, *([f"s3_checksum={checksum}"] if checksum else [])])}


def iso_date(text: str) -> str:
    """A moment of a listing, to the millisecond."""
    return f"{text[:23]}Z"


def http_date_of(stamp: str) -> str:
    """A stamp as Last-Modified has it: whole seconds, never before it was."""
    return formatdate(-(-ticks_of(stamp) // 100_000), usegmt=True)


def version_asked(call: Call) -> str | None:
    """The version that the query names; raises InvalidArgument."""
    id = call.request.query.get("versionId")
    if id is None:
        return None
    if id != "null" and not re.fullmatch(r"\d{10}\.\d{5}", id):
        raise wrong_argument("versionId", id[:100], "Invalid version id specified")
    return id


def conditions_of(call: Call, prefix: str = "") -> dict[str, str]:
    """The conditions of a request (or about the source of a copy), as RFC 9110 orders them: tags before times."""
    names = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    found = {name: call.header(f"{prefix}{name}") for name in names if call.header(f"{prefix}{name}")}
    if "if-match" in found:
        found.pop("if-unmodified-since", None)
    if "if-none-match" in found:
        found.pop("if-modified-since", None)
    for name in ("if-modified-since", "if-unmodified-since"):
        if name in found and not _is_date(found[name]):
            del found[name]
    return found


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return False
    return True


def plain_etag(text: str) -> str:
    """A tag that a client gave back, without quotes and in lower case."""
    found = _ETAG.fullmatch(text.strip())
    return found[1].lower() if found else text.strip().strip('"')


def version_header(headers: Mapping[str, str]) -> dict[str, str]:
    """The version that was made, in buckets that have versions."""
    id = version_told(headers)
    return {"x-amz-version-id": id} if id is not None else {}


def version_told(headers: Mapping[str, str]) -> str | None:
    """The id of a version as S3 tells it; None in buckets that have none."""
    return NULL if headers.get(NULLED) else headers.get("x-object-version-id")
