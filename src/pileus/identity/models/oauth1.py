"""OAuth 1.0a: programs (consumers) that people let act for them, and how their requests are signed (RFC 5849)."""

import base64
import datetime as dt
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from pileus.identity.models.entities import Extra

DIGESTS = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256", "HMAC-SHA512": "sha512"}
FRESH_S = 600  # how far the clock of who signs may be from ours


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """A program people may let act for them; `sealed` is the secret it signs with."""

    id: str
    description: str | None = None
    sealed: str
    extra: Extra = {}


class RequestToken(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer's wish to act in a project; somebody who may do so grants it, and the verifier proves that."""

    id: str
    consumer_id: str
    sealed: str
    project_id: str
    user_id: str | None = None
    role_ids: tuple[str, ...] = ()
    verifier: str | None = None
    expires_at: dt.datetime


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer logs in with: some roles of a user in one project."""

    id: str
    consumer_id: str
    sealed: str
    project_id: str
    user_id: str
    role_ids: tuple[str, ...]
    expires_at: dt.datetime | None = None

    def holds(self, now: dt.datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of an access token."""
        return {"user_id": self.user_id, "project_id": self.project_id}


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A request with an OAuth signature: what was signed, and what its `oauth_` parameters say."""

    method: str
    url: str
    params: Sequence[tuple[str, str]]
    said: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Signed(method={self.method}, url={self.url})"


def signed_of(method: str, url: str, authorization: str, form: str = "") -> Signed | None:
    """The signed request in a request; None when its header is none of OAuth, or says something twice."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "oauth":
        return None
    pairs = []
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            return None
        if name.lower() != "realm":
            pairs.append((unquote(name), unquote(value.strip('"'))))
    said = dict(pairs)
    if len(said) != len(pairs):
        return None
    parts = urlsplit(url)
    pairs += parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True)
    port = "" if parts.port in {None, 80 if parts.scheme == "http" else 443} else f":{parts.port}"
    bare = f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}{port}{parts.path}"
    return Signed(method=method.upper(), url=bare, params=pairs, said=said)


def _quoted(text: str) -> str:
    return quote(text, safe="-._~")


def signature_is(signed: Signed, consumer_secret: str, token_secret: str = "") -> bool:
    """Whether the request was signed with both secrets, by a method that proves it (PLAINTEXT does not)."""
    digest = DIGESTS.get(signed.said.get("oauth_signature_method", ""))
    if digest is None:
        return False
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in signed.params if name != "oauth_signature")
    params = "&".join(f"{name}={value}" for name, value in pairs)
    text = "&".join((signed.method, _quoted(signed.url), _quoted(params)))
    key = f"{_quoted(consumer_secret)}&{_quoted(token_secret)}"
    made = base64.b64encode(hmac.digest(key.encode(), text.encode(), digest))
    return hmac.compare_digest(made, signed.said.get("oauth_signature", "").encode())


def is_fresh(signed: Signed, now: dt.datetime) -> bool:
    """Whether the request was signed a moment ago."""
    text = signed.said.get("oauth_timestamp", "")
    return text.isdecimal() and len(text) < 12 and abs(now.timestamp() - int(text)) <= FRESH_S
