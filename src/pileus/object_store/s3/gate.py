"""Who asks: the signature of a request is checked, its time, and what it promises of its body."""

from collections.abc import AsyncIterator, Mapping

import msgspec

from pileus.kit.auth import NOBODY, Caller
from pileus.kit.http.call import Receive, Stream
from pileus.object_store.s3.bodies import CHUNKS, Chain, Chunked, Promised, Verified
from pileus.object_store.s3.checksums import HEADER, SIZES, decoded, named
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.requests import Request
from pileus.object_store.s3.signatures import (
    UNSIGNED,
    Said,
    moment_of,
    moment_of_2,
    said_of,
    text_4,
    texts_2,
    unsigned_headers,
)
from pileus.ports.identity import AccessKeys

SKEW_S = 900.0
PAYLOAD = "x-amz-content-sha256"


class Signed(msgspec.Struct, frozen=True):
    """Who asks, and what they signed with; `said` is None for anybody."""

    caller: Caller = NOBODY
    said: Said | None = None
    key: bytes | None = None


class Gate:
    """Lets in who signed what they ask."""

    def __init__(self, keys: AccessKeys) -> None:
        self._keys = keys

    async def signed(self, request: Request, now: float) -> Signed:
        """Who asks; raises S3Error when they are not who they say, or too late."""
        said = said_of(request)
        if said is None:
            return Signed()
        if not (said.access + said.signature + said.scope).isascii():  # a query may hold bytes that are no text at all
            raise S3Error("SignatureDoesNotMatch")
        _require_time(request, said, now)
        if said.version == 2:
            return await self._version_2(request, said)
        left_out = unsigned_headers(request, said)
        if left_out:
            names = ", ".join(left_out)
            raise S3Error(
                "AccessDenied",
                "There were headers present in the request which were not signed.",
                about={"HeadersNotSigned": names},
            )
        text = text_4(request, said, _payload(request, said))
        signer = await self._keys.signer(said.access, text, said.signature)
        if signer is None:
            raise _unmatched(said, text)
        return Signed(signer.caller, said, signer.key)

    async def _version_2(self, request: Request, said: Said) -> Signed:
        texts = texts_2(request, said)
        for text in texts:
            signer = await self._keys.signer(said.access, text, said.signature)
            if signer is not None:
                return Signed(signer.caller, said)
        raise _unmatched(said, texts[0])

    async def of_form(self, access: str, policy: str, signature: str, scope: str) -> Caller:
        """Who signed a form's policy; `scope` is empty in version 2."""
        signer = await self._keys.signer(access, policy.encode("latin-1", "replace"), signature, scope or None)
        if signer is None:
            raise S3Error("SignatureDoesNotMatch", about={"AWSAccessKeyId": access})
        return signer.caller


def _unmatched(said: Said, text: bytes) -> S3Error:
    return S3Error(
        "SignatureDoesNotMatch",
        about={
            "AWSAccessKeyId": said.access,
            "SignatureProvided": said.signature,
            "StringToSign": text.decode("utf-8", "replace"),
        },
    )


def _payload(request: Request, said: Said) -> str:
    """What stands for the body in the signature."""
    given = request.headers.get(PAYLOAD)
    if given is None:
        if said.presigned:
            return UNSIGNED
        raise S3Error("InvalidRequest", f"Missing required header for this request: {PAYLOAD}")
    if given == UNSIGNED or given in CHUNKS:
        return given
    if len(given) != 64 or any(digit not in "0123456789abcdef" for digit in given):
        raise S3Error(
            "InvalidArgument",
            f"{PAYLOAD} must be {UNSIGNED}, {', '.join(CHUNKS)}, or a valid sha256 value.",
            about={"ArgumentName": PAYLOAD, "ArgumentValue": given},
        )
    # A presigned request may carry the hash of a body its signer did not know.
    return UNSIGNED if said.presigned and PAYLOAD not in said.signed else given


def _require_time(request: Request, said: Said, now: float) -> None:
    """The request is of these minutes, or its signature still lasts."""
    if said.version == 2 and said.presigned:
        _require_unexpired_2(said, now)
        return
    moment = moment_of(said.stamp) if said.version == 4 else moment_of_2(request)
    if moment is None:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header.")
    if not said.presigned and abs(moment - now) > SKEW_S:
        raise S3Error("RequestTimeTooSkewed", about={"MaxAllowedSkewMilliseconds": str(int(SKEW_S * 1000))})
    if said.presigned and moment - now > SKEW_S:
        raise S3Error("AccessDenied", "Request is not yet valid")
    if said.presigned and moment + int(said.expires) < now:
        raise S3Error("AccessDenied", "Request has expired", about={"X-Amz-Expires": said.expires})


def _require_unexpired_2(said: Said, now: float) -> None:
    if not (said.expires.isascii() and said.expires.isdigit() and len(said.expires) < 16):
        raise S3Error("AccessDenied", "Invalid date (should be seconds since epoch): Expires")
    if int(said.expires) < now:
        raise S3Error("AccessDenied", "Request has expired", about={"Expires": said.expires})


def body_of(request: Request, signed: Signed, receive: Receive, computed: tuple[str, ...] = ()) -> Verified:
    """The body of the request; it ends only if it is what headers, trailers and signature say."""
    headers = request.headers
    sent = _length(headers, "content-length")
    payload = headers.get(PAYLOAD, "")
    promised = Promised(length=sent, computed=computed)
    promised.md5 = _md5(headers)
    promised.sums = _sums(headers)
    source = aiter(Stream(receive, sent))
    if payload not in CHUNKS:
        promised.payload = payload if len(payload) == 64 else ""
        _require_announced(headers, promised)
        return Verified(source, promised)
    is_signed, trailing = CHUNKS[payload]
    if signed.said is None and is_signed:
        raise S3Error("AccessDenied")
    promised.length = _length(headers, "x-amz-decoded-content-length")
    if promised.length is None:
        raise S3Error("MissingContentLength", "x-amz-decoded-content-length is missing.")
    promised.trailer = _trailer(headers) if trailing else ""
    _require_announced(headers, promised)
    chain = _chain(signed) if is_signed else None
    chunked = Chunked(source, chain, trailing=trailing and "x-amz-trailer" in headers)
    return Verified(source, promised, chunked)


def body_of_form(request: Request, source: AsyncIterator[bytes], computed: tuple[str, ...] = ()) -> Verified:
    """The file of a form; it ends only if it is what the fields say."""
    return Verified(source, Promised(sums=_sums(request.headers), computed=computed))


def _chain(signed: Signed) -> Chain:
    said = signed.said
    if said is None or signed.key is None:
        raise S3Error("AccessDenied", "Chunks are signed with version 4.")
    return Chain(signed.key, said.stamp, said.scope, said.signature)


def _length(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise S3Error(
            "InvalidArgument", f"{name} must be a number.", about={"ArgumentName": name, "ArgumentValue": text}
        )
    return int(text)


def _md5(headers: Mapping[str, str]) -> bytes | None:
    text = headers.get("content-md5")
    if text is None:
        return None
    found = decoded(text, 16)
    if found is None:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.")
    return found


def _sums(headers: Mapping[str, str]) -> dict[str, bytes]:
    """The sum that a header promises; there is one at most."""
    found = {}
    for name, size in SIZES.items():
        text = headers.get(f"{HEADER}{name}")
        if text is None:
            continue
        digest = decoded(text, size)
        if digest is None:
            raise S3Error("InvalidRequest", f"Value for {HEADER}{name} header is invalid.")
        found[name] = digest
    if len(found) > 1:
        raise S3Error("InvalidRequest", f"Expecting a single {HEADER} header.")
    return found


def _trailer(headers: Mapping[str, str]) -> str:
    text = headers.get("x-amz-trailer", "").strip().lower()
    if not text:
        return ""
    if not text.startswith(HEADER) or text.removeprefix(HEADER) not in SIZES:
        raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported.")
    return text.removeprefix(HEADER)


def _require_announced(headers: Mapping[str, str], promised: Promised) -> None:
    """Who names an algorithm says the sum too."""
    text = headers.get("x-amz-sdk-checksum-algorithm")
    if text is None or text.strip().upper() == "MD5":
        return
    if named(text) not in {*promised.sums, promised.trailer}:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
        )
