"""Temporary URLs: whoever has the signature may do this one thing with this one object (or prefix) until then."""

import datetime as dt
import hmac
import ipaddress
import re
from base64 import urlsafe_b64decode
from hashlib import sha1, sha256, sha512
from urllib.parse import quote

import msgspec

from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import http_date, of_ticks
from pileus.object_store.proxy.asks import Answer, Ask, Guards, Handler, Permit, Refused
from pileus.object_store.proxy.cluster import Cluster

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
DIGESTS = {"sha1": sha1, "sha256": sha256, "sha512": sha512}
BY_LENGTH = {40: "sha1", 64: "sha256", 128: "sha512"}
UNSAFE = ("x-object-manifest", "x-symlink-target", "x-timestamp")
KEYS = ("meta-temp-url-key", "meta-temp-url-key-2")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d{4})")


class TemporaryUrls:
    """Lets in who brings a good signature."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What the signature allows, done."""
        if "temp_url_sig" not in ask.query and "temp_url_expires" not in ask.query:
            return await rest(ask)
        if ask.method == "OPTIONS":
            return await rest(ask)
        expires = self._expiry(ask)
        scope = await self._scope(ask)
        prefix = ask.query.get("temp_url_prefix")
        if ask.method in {"PUT", "POST"} and any(name in ask.headers for name in UNSAFE):
            raise Refused(400, "The header is not allowed in a request with a temporary URL.")
        query = {name: value for name, value in ask.query.items() if not name.startswith("temp_url")}
        asked = msgspec.structs.replace(ask, permit=within(scope, ask.method), query=query)
        answer = await rest(asked)
        if ask.method in {"GET", "HEAD"} and answer.ok:
            answer.headers["expires"] = http_date(of_ticks(expires * 100_000))
            answer.headers["content-disposition"] = _disposition(ask, answer, prefix)
            for name in [name for name in answer.headers if _is_private(name)]:
                del answer.headers[name]
        return answer

    def _expiry(self, ask: Ask) -> int:
        text = ask.query.get("temp_url_expires", "")
        if _ISO.fullmatch(text):
            moment = _moment(text)
        elif text.isdigit() and len(text) < 12:
            moment = int(text)
        else:
            raise refused()
        if moment < self._cluster.stamps.now():
            raise refused()
        return moment

    async def _scope(self, ask: Ask) -> Path:
        """The account or container whose key signed the request; refuses when none did."""
        if ask.path.depth != 3 or ask.method not in METHODS:
            raise refused()
        signature, digest = _signature(ask.query.get("temp_url_sig", ""))
        methods = ("HEAD", "GET", "PUT", "POST", "DELETE") if ask.method == "HEAD" else (ask.method,)
        texts = [_signed(ask, method, mount) for method in methods for mount in mounts(ask)]
        for scope, key in await keys(self._cluster, ask.path):
            for text in texts:
                expected = hmac.new(
                    key.encode("latin-1", "replace"), text.encode("utf-8", "surrogateescape"), DIGESTS[digest]
                ).hexdigest()
                if hmac.compare_digest(expected, signature):
                    return scope
        raise refused()


def within(scope: Path, method: str) -> Permit:
    """The permit of a signature: in this account or container, and to read, or to do what was signed."""

    def check(ask: Ask, _guards: Guards) -> None:
        inside = ask.path.account == scope.account and scope.container in {None, ask.path.container}
        if not inside or ask.method not in {method, "GET", "HEAD"}:
            raise refused()

    return check


async def keys(cluster: Cluster, path: Path) -> list[tuple[Path, str]]:
    """The keys that may sign for a path, each with what it holds for."""
    account, container = await cluster.account(path), await cluster.container(path)
    found = []
    if account is not None:
        found += [(Path(path.account), account.metadata.get(f"x-account-{key}", "")) for key in KEYS]
    if container is not None:
        found += [(path.above, container.metadata.get(f"x-container-{key}", "")) for key in KEYS]
    return [(scope, key) for scope, key in found if key]


def refused() -> Refused:
    """What is said to whoever has no good signature."""
    return Refused(401, "401 Unauthorized: Temp URL invalid\n", {"www-authenticate": 'Swift realm="unknown"'})


def _signature(text: str) -> tuple[str, str]:
    name, colon, rest = text.partition(":")
    if colon and name in DIGESTS:
        try:
            raw = urlsafe_b64decode(rest + "=" * (-len(rest) % 4))
        except ValueError:
            raise refused() from None
        return raw.hex(), name
    digest = BY_LENGTH.get(len(text))
    if digest is None or not text.isascii():
        raise refused()
    return text.lower(), digest


def _signed(ask: Ask, method: str, mount: str) -> str:
    """What a signature is of."""
    expires = ask.query["temp_url_expires"]
    if _ISO.fullmatch(expires):
        expires = str(_moment(expires))
    path = f"{mount}/v1{ask.path}"
    prefix = ask.query.get("temp_url_prefix")
    if prefix is not None:
        assert ask.path.object is not None
        if not ask.path.object.startswith(prefix):
            raise refused()
        path = f"prefix:{mount}/v1/{ask.path.account}/{ask.path.container}/{prefix}"
    lines = [method, expires, path]
    ip_range = ask.query.get("temp_url_ip_range")
    if ip_range is not None:
        try:
            if ipaddress.ip_address(ask.remote) not in ipaddress.ip_network(ip_range, strict=False):
                raise refused()
        except ValueError:
            raise refused() from None
        lines.insert(0, f"ip={ip_range}")
    return "\n".join(lines)


def _moment(text: str) -> int:
    """The second that a date says; refuses one that there is not."""
    try:
        return int(dt.datetime.strptime(text.replace("Z", "+0000"), "%Y-%m-%dT%H:%M:%S%z").timestamp())
    except (ValueError, OverflowError):
        raise refused() from None


def mounts(ask: Ask) -> tuple[str, str]:
    """What may stand before /v1 in what a client signs: most sign the whole path of their URL, some begin at /v1."""
    return "/" + ask.base.partition("://")[2].partition("/")[2], ""


def _disposition(ask: Ask, answer: Answer, prefix: str | None) -> str:
    """What the browser calls the file it saves."""
    kept = answer.headers.get("content-disposition")
    if "inline" in ask.query:
        name = ask.query.get("filename")
        return f"inline; filename=\"{_quotable(name)}\"; filename*=UTF-8''{quote(name)}" if name else "inline"
    name = ask.query.get("filename")
    if name is None and kept is not None:
        return kept
    if name is None:
        name = (ask.path.object or "").rstrip("/").rpartition("/")[2]
    return f"attachment; filename=\"{_quotable(name)}\"; filename*=UTF-8''{quote(name)}"


def _quotable(name: str) -> str:
    return quote(name, safe=" ()[]{}!@#$%^&+=,;'~`")


def _is_private(name: str) -> bool:
    """What a stranger is not shown: metadata, but for what is meant for all."""
    return name.startswith("x-object-meta-") and not name.startswith("x-object-meta-public-")
