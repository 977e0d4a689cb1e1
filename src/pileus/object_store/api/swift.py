"""The Swift API: everything below the mount, and the few addresses clients look for at the root of the host."""

import random
from collections.abc import Mapping
from typing import Any

from pileus.kit.auth import NOBODY, Caller
from pileus.kit.errors import Unauthorized
from pileus.kit.http.call import Disconnected, Receive
from pileus.kit.http.pace import Pace, TooSlow
from pileus.kit.http.send import Send
from pileus.kit.observe.log import log_of, within_request
from pileus.object_store.api.logins import PLACE, Login, logged_in
from pileus.object_store.api.pages import page
from pileus.object_store.api.permits import Permits
from pileus.object_store.api.watched import recon
from pileus.object_store.api.wire import body_of, headers_of, parts_of, path_of, query_of, send_answer
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.models.hosts import below, named_by
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import date_of
from pileus.object_store.proxy.asks import Answer, Ask, Refused, refusal
from pileus.object_store.proxy.parts import finished

log = log_of(__name__)

METHODS = {"GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS"}
OUTWARD = (
    "x-account-sysmeta-",
    "x-container-sysmeta-",
    "x-object-sysmeta-",
    "x-object-transient-sysmeta-",
    "x-backend-",
)
VERSIONS = {"v1", "v1.0"}


class SwiftApi:
    """Answers HTTP requests of the Swift API (ASGI)."""

    def __init__(self, app: ObjectStoreApp, mount: str, login: Login | None = None) -> None:
        self._app = app
        self._login = login
        self._mount = mount
        self._permits = Permits(app.config)
        self._domains = app.config.storage_domains
        self._pace = Pace(app.config.client_timeout_s, app.config.client_least_rate)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> int:
        """The request is answered; return the status."""
        request_id = f"tx{random.getrandbits(84):021x}-{int(self._app.cluster.stamps.now()):010x}"
        ask: Ask | None = None
        with within_request(request_id):
            try:
                ask, answer = await self._answer(scope, receive, request_id)
            except Refused as refused:
                answer = refused.answer
            except TooSlow:
                answer = refusal(408)
            except Disconnected:
                answer = refusal(499)
            except Exception as bug:  # noqa: BLE001  a bug must not take the connection down
                log.broke("request failed", bug, method=scope["method"], path=scope["path"])
                answer = refusal(500)
            if answer.status == 408:
                answer.headers["connection"] = "close"  # the rest of the body may come yet
            self._mark(answer, request_id)
            if ask is None and scope["method"] == "HEAD":
                answer.body = b""
            await send_answer(ask, answer, send, receive, pace=self._pace)
        return answer.status

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, request_id: str) -> tuple[Ask, Answer]:
        headers = headers_of(scope)
        parts = parts_of(scope)
        base = f"{scope['scheme']}://{headers.get('host', 'localhost')}/{self._mount}"
        labels = below(headers.get("host", ""), self._domains)
        if labels is not None:
            parts = _remapped(labels, scope)
        elif parts and parts[0] == self._mount:
            parts = parts[1:]
        if not parts or parts[0] not in VERSIONS:
            ask = Ask(method=scope["method"], path=_NOWHERE, headers=headers, query=query_of(scope), base=base)
            if parts == PLACE and self._login is not None:
                ask.remote = str((scope.get("client") or ("",))[0])
                return ask, await logged_in(self._login, ask)
            if parts[:1] == ["recon"]:
                return ask, await recon(self._app, ask, await self._caller(headers), parts[1:])
            return ask, await page(self._app, ask, parts)
        rest = [*parts[1:3], "/".join(parts[3:])] if len(parts) > 3 else parts[1:]
        client = scope.get("client") or ("", 0)
        ask = Ask(
            method=scope["method"],
            path=path_of(["", *rest]),
            headers=headers,
            query=query_of(scope),
            body=body_of(headers, self._pace.receiving(receive)),
            permit=self._permits,
            caller=await self._caller(headers),
            base=base,
            request_id=request_id,
            remote=client[0],
            slash=len(rest) > 1 and not rest[-1],
            sent=_sent(scope).decode("latin-1") if labels is not None else "",
        )
        if ask.method not in METHODS:
            raise Refused(405, headers={"allow": ", ".join(sorted(METHODS))})
        return ask, await finished(ask, await self._app.pipeline(ask))

    def claims(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is for us wherever its path leads: its host names an account."""
        if not self._domains:
            return False
        hosts = (value.decode("latin-1") for name, value in scope["headers"] if name == b"host")
        return any(below(host, self._domains) is not None for host in hosts)

    async def _caller(self, headers: Mapping[str, str]) -> Caller:
        token = headers.get("x-auth-token") or headers.get("x-storage-token")
        if not token:
            return NOBODY
        try:
            caller = await self._app.people.caller(token)
        except Unauthorized:
            return NOBODY  # a container may be open to anybody; else it is 401 after all
        # Nobody says here which certificate was shown: what is bound to one is worth nothing.
        return caller if caller.certificate is None else NOBODY

    def _mark(self, answer: Answer, request_id: str) -> None:
        for name in [name for name in answer.headers if name.startswith(OUTWARD) or name == "x-match-etag"]:
            del answer.headers[name]
        answer.headers["x-trans-id"] = request_id
        answer.headers["x-openstack-request-id"] = request_id
        answer.headers["date"] = date_of(int(self._app.cluster.stamps.now()))


def _remapped(labels: str, scope: Mapping[str, Any]) -> list[str]:
    """The path that a host and the path below it mean together."""
    named = named_by(labels)
    if named is None:
        raise Refused(400, "Bad domain in host header")
    account, container = named
    return parts_of({"raw_path": f"/v1{Path(account, container).quoted}".encode() + _sent(scope)})


def _sent(scope: Mapping[str, Any]) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]


_NOWHERE = path_of(["", "."])
