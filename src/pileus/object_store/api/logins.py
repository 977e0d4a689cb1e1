"""Logins of the first kind, `GET /auth/v1.0`: user and key in headers, a token and the account's address back.

Programs from before identity know no other (`swift -A`, old backup tools). It is a login with a password like any other: identity
says who it is, and locks out who guesses.
"""

from collections.abc import Awaitable, Callable

import msgspec

from pileus.object_store.proxy.asks import Answer, Ask, Refused

PLACE = ["auth", "v1.0"]
FORM = "X-Auth-User must be PROJECT:USER, and X-Auth-Key the password.\n"


class LoggedIn(msgspec.Struct, frozen=True):
    """A token, what it is for, and how many seconds it lasts."""

    token: str
    project_id: str
    seconds: int


# Project, user, password and the client's address; None when identity lets nobody in with them.
Login = Callable[[str, str, str, str], Awaitable[LoggedIn | None]]


async def logged_in(login: Login, ask: Ask) -> Answer:
    """The token and the address; refuses who is not known."""
    if ask.method not in {"GET", "HEAD"}:
        raise Refused(405, headers={"allow": "GET, HEAD"})
    given = ask.headers.get("x-auth-user") or ask.headers.get("x-storage-user", "")
    key = ask.headers.get("x-auth-key") or ask.headers.get("x-storage-pass", "")
    project, colon, user = _text(given).partition(":")
    unknown = {"www-authenticate": 'Swift realm="unknown"'}
    if not (colon and project and user and key):
        raise Refused(401, FORM, unknown)
    found = await login(project, user, _text(key), ask.remote)
    if found is None:
        raise Refused(401, headers=unknown)
    headers = {
        "x-auth-token": found.token,
        "x-storage-token": found.token,
        "x-auth-token-expires": str(found.seconds),
        "x-storage-url": f"{ask.base}/v1/AUTH_{found.project_id}",
        "content-type": "text/plain; charset=UTF-8",
    }
    return Answer(headers=headers, body=b"")


def _text(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Refused(412, "Invalid UTF8") from None
