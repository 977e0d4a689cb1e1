"""What programs that speak Amazon's dialects sign requests with: version 2 and 4 of EC2 queries, and texts of S3.

Everything here is a function of the secret and of what was signed; source: the vendor's signature version 2 and 4.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

V4 = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset({"Signature", "X-Amz-Signature"})


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was signed; `params` are those of its query, without a version they are signed the old way."""

    access: str
    signature: str
    verb: str = "GET"
    host: str = ""
    path: str = "/"
    params: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body_hash: str = ""

    def __repr__(self) -> str:
        return f"SignedRequest(access={self.access}, verb={self.verb}, path={self.path})"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _query(params: Mapping[str, str], safe: str) -> str:
    pairs = sorted((quote(name, safe=safe), quote(str(value), safe=safe)) for name, value in params.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def signing_key(secret: str, scope: str) -> bytes:
    """The key of one day, region and service, made of the secret; `scope` is `20260102/region/service/aws4_request`."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def request_is_signed(secret: str, asked: SignedRequest) -> bool:
    """Whether the request was signed with this secret; some clients leave the port out of what they sign."""
    hosts = [asked.host, asked.host.rpartition(":")[0]] if ":" in asked.host else [asked.host]
    return any(_same(_signature(secret, asked, host), asked.signature) for host in hosts)


def _same(ours: str | None, theirs: str) -> bool:
    return ours is not None and hmac.compare_digest(ours.encode(), theirs.encode())


def _signature(secret: str, asked: SignedRequest, host: str) -> str | None:
    headers = {name.lower(): value for name, value in asked.headers.items()}
    if asked.params.get("X-Amz-Algorithm") == V4 or headers.get("authorization", "").startswith(V4):
        return _version_4(secret, asked, headers, host)
    params = {name: value for name, value in asked.params.items() if name not in _UNSIGNED}
    match params.get("SignatureVersion"):
        case "2":
            return _version_2(secret, asked, params, host)
        case "1":
            text = "".join(name + params[name] for name in sorted(params, key=str.lower))
        case "0":
            text = params.get("Action", "") + params.get("Timestamp", "")
        case _:
            return None
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def _version_2(secret: str, asked: SignedRequest, params: Mapping[str, str], host: str) -> str:
    method = params.get("SignatureMethod", "HmacSHA256")
    text = "\n".join((asked.verb, host, asked.path, _query(params, "-_~")))
    digest = "sha1" if method == "HmacSHA1" else "sha256"
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), digest)).decode()


def _authorization(asked: SignedRequest, headers: Mapping[str, str]) -> Mapping[str, str]:
    """What a version 4 request says of its signature, in a header or in the query."""
    if not headers.get("authorization", "").startswith(V4):
        return {name.removeprefix("X-Amz-"): value for name, value in asked.params.items()}
    parts = (part.strip().partition("=") for part in headers["authorization"].removeprefix(V4).split(","))
    return {name: value for name, _, value in parts}


def _version_4(secret: str, asked: SignedRequest, headers: Mapping[str, str], host: str) -> str | None:
    said = _authorization(asked, headers)
    access, _, scope = said.get("Credential", "").partition("/")
    stamp = asked.params.get("X-Amz-Date") or headers.get("x-amz-date", "")
    if access != asked.access or not stamp.startswith(scope.partition("/")[0] or "?"):
        return None
    names = said.get("SignedHeaders", "").split(";")
    lines = [f"{name}:{host if name == 'host' else ' '.join(headers.get(name, '').split())}\n" for name in names]
    params = {name: value for name, value in asked.params.items() if name not in _UNSIGNED}
    canonical = "\n".join(
        (asked.verb, asked.path, _query(params, "-_.~"), "".join(lines), ";".join(names), asked.body_hash)
    )
    text = "\n".join((V4, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return _hmac(signing_key(secret, scope), text).hex()


def signed_at(asked: SignedRequest) -> dt.datetime | None:
    """The moment a request says it was signed at; None when it says none, or nothing that is one."""
    headers = {name.lower(): value for name, value in asked.headers.items()}
    text = asked.params.get("Timestamp") or asked.params.get("X-Amz-Date") or headers.get("x-amz-date")
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def text_signature(secret: str, text: bytes, scope: str | None = None) -> str:
    """The signature of an S3 request's text: version 4 in hexadecimals if it begins so, version 2 in base64 else.

    With a scope the text is of version 4 whatever it begins with: a form's policy.
    """
    if scope is not None:
        return hmac.digest(signing_key(secret, scope), text, "sha256").hex()
    if not text.startswith(V4.encode()):
        return base64.b64encode(hmac.digest(secret.encode(), text, "sha1")).decode()
    return hmac.digest(key_of_text(secret, text) or b"", text, "sha256").hex()


def key_of_text(secret: str, text: bytes) -> bytes | None:
    """The signing key of a version 4 text, which signs the chunks of its body too; None for other texts."""
    lines = text.decode("utf-8", "replace").split("\n")
    if lines[0] != V4 or len(lines) != 4:
        return None
    return signing_key(secret, lines[2])
