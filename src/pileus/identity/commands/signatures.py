"""Requests that are signed instead of carrying a token: who signed them, by their access key.

A pair of keys is good in one project, with whatever roles its user has there at the moment; nothing that stands for less
than its user ever got one (`commands.credentials`). Whatever is wrong, the answer is the same.
"""

import datetime as dt
import hmac
import secrets

from pileus.identity.app import Identity
from pileus.identity.commands.attempts import Attempt, tell_failure, tell_success
from pileus.identity.commands.credentials import EC2, ec2_id, keys_of
from pileus.identity.commands.validity import stands_for
from pileus.identity.errors import NotAuthenticated
from pileus.identity.models import Credential, Method, Payload, Scope, ScopeKind, ValidToken, new_audit_id
from pileus.identity.models.logins import Named
from pileus.identity.models.signatures import (
    SignedRequest,
    key_of_text,
    request_is_signed,
    signed_at,
    text_signature,
)
from pileus.identity.store import follow
from pileus.identity.store.delegation import credential_find
from pileus.ports.identity import Signer

METHODS = ("ec2credential",)
FRESH = dt.timedelta(minutes=15)  # how far the clock of who signs may be from ours


async def signed_request(app: Identity, asked: SignedRequest) -> tuple[str, ValidToken]:
    """A new token for who signed the request a moment ago; raises Unauthorized."""
    found = await _keys_find(app, asked.access)
    right = request_is_signed(_secret(app, found), asked)
    at = signed_at(asked)
    if found is None or not right or (at is not None and abs(app.clock.now() - at) > FRESH):
        raise await _refused(app, asked.access)
    return await _token_of(app, found)


async def signed_text(app: Identity, access: str, text: bytes, signature: str) -> tuple[str, ValidToken]:
    """A new token for who signed the text; raises Unauthorized."""
    found = await _keys_find(app, access)
    right = hmac.compare_digest(text_signature(_secret(app, found), text).encode(), signature.encode())
    if found is None or not right:
        raise await _refused(app, access)
    return await _token_of(app, found)


async def signer_find(
    app: Identity, access: str, text: bytes, signature: str, scope: str | None = None
) -> Signer | None:
    """Who signed the text; the token they stand for is kept for as long as nothing changes."""
    await follow(app)
    found = await _keys_find(app, access)
    secret = _secret(app, found)
    right = hmac.compare_digest(text_signature(secret, text, scope).encode(), signature.encode())
    if found is None or not right:
        await _refused(app, access)
        return None
    remembered = f"signed/{access}"
    known = app.memory.token(remembered, app.clock.now())
    if known is None:
        generation = app.memory.generation
        try:
            _, known = await _token_of(app, found)
        except NotAuthenticated:
            return None
        app.memory.keep_token(remembered, known, generation)
    return Signer(known.caller, key_of_text(secret, text))


async def _keys_find(app: Identity, access: str) -> Credential | None:
    found = await credential_find(app, ec2_id(access))
    return found if found is not None and found.type == EC2 and found.project_id is not None else None


def _secret(app: Identity, found: Credential | None) -> str:
    # Without keys there is still something to compare with, so that the time tells nothing.
    return secrets.token_hex(16) if found is None else keys_of(app, found).secret


async def _refused(app: Identity, access: str) -> NotAuthenticated:
    """The refusal, of which auditors are told."""
    refusal = NotAuthenticated()
    await tell_failure(app, Attempt(METHODS, named=[Named(id=access)]), refusal.code)
    return refusal


async def _token_of(app: Identity, found: Credential) -> tuple[str, ValidToken]:
    now = app.clock.now()
    payload = Payload(
        user_id=found.user_id,
        methods=Method.EC2CREDENTIAL,
        scope=Scope(ScopeKind.KEYS, found.id),
        issued_at=now,
        expires_at=now.replace(microsecond=0) + dt.timedelta(seconds=app.config.token_lifetime_s),
        audit_ids=(new_audit_id(),),
    )
    token = app.tokens.issue(payload)
    stands = await stands_for(app, token, payload)
    if stands is None:
        raise await _refused(app, found.id)
    await tell_success(app, Attempt(METHODS, user_id=stands.user.id))
    return token, stands
