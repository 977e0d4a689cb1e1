"""Object storage's logins of the first kind, passed on to identity as what they are: logins with a password."""

import datetime as dt
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec

from pileus.kit.clock import Clock
from pileus.kit.http.kernel import Kernel
from pileus.object_store.api.logins import LoggedIn

PLACE = "/identity/v3/auth/tokens"


class _Project(msgspec.Struct):
    id: str


class _Token(msgspec.Struct):
    expires_at: dt.datetime
    project: _Project


class _Issued(msgspec.Struct):
    token: _Token


class FirstLogins:
    """Asks identity in this process, through its own API; projects and users are those of the default domain."""

    def __init__(self, kernel: Kernel, clock: Clock) -> None:
        self._kernel = kernel
        self._clock = clock

    async def __call__(self, project: str, user: str, password: str, remote: str) -> LoggedIn | None:
        """The token of who they are; None when identity refuses."""
        domain = {"id": "default"}
        said = {"name": user, "domain": domain, "password": password}
        wanted = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": said}},
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        status, headers, body = await self._asked(msgspec.json.encode(wanted), remote)
        if status != 201:
            return None
        token = msgspec.json.decode(body, type=_Issued).token
        left = (token.expires_at - self._clock.now()).total_seconds()
        return LoggedIn(headers["x-subject-token"], token.project.id, max(int(left), 0))

    async def _asked(self, body: bytes, remote: str) -> tuple[int, Mapping[str, str], bytes]:
        sent: list[Any] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": PLACE,
            "raw_path": PLACE.encode(),
            "query_string": b"",
            "scheme": "http",
            "client": (remote, 0),
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        }
        await self._kernel.http(scope, receive, send)
        told = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])
