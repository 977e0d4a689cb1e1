"""Ways to a server's console: tokens that are good once and not for long."""

import datetime as dt
import hashlib
import secrets

import msgspec


class ConsoleToken(msgspec.Struct, frozen=True, kw_only=True):
    """A way to a console. Only the token's hash is kept."""

    hash: str
    server_id: str
    host: str
    kind: str  # vnc or serial
    console_type: str  # novnc or serial
    expires_at: dt.datetime


def new_token() -> str:
    """A token nobody can guess."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
