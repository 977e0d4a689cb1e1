"""Delegation by OAuth 1.0a: a consumer asks to act in a project, a user grants it some of their roles there.

consumer: request token -> user: authorize -> consumer: access token -> consumer: tokens, again and again
"""

import datetime as dt
import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.delegation import chosen_roles, reach_in, refuse_less_than_user
from pileus.identity.errors import BadOAuth, BadOAuthRequest, Missing, NotYoursToTrust
from pileus.identity.models import Extra, ValidToken, new_id
from pileus.identity.models.oauth1 import (
    FRESH_S,
    AccessToken,
    Consumer,
    RequestToken,
    Signed,
    is_fresh,
    signature_is,
)
from pileus.identity.models.reach import Reach, widening
from pileus.identity.store import changing
from pileus.identity.store.oauth import ACCESSES, CONSUMERS, REQUESTS, request_take, requests_forget
from pileus.identity.store.once import nonce_use
from pileus.identity.store.projects import project_find

LETTERS = string.ascii_letters + string.digits
VERIFIER = 8


class Keys(msgspec.Struct, frozen=True):
    """A token with its secret, as the consumer gets them."""

    id: str
    secret: str
    expires_at: dt.datetime | None


def _opened(app: Identity, sealed: str) -> str:
    opened = app.vault.open(sealed)
    if opened is None:
        raise BadOAuth
    return opened.decode()


async def create_consumer(app: Identity, description: str | None, extra: Extra) -> tuple[Consumer, str]:
    """The consumer exists; and its secret, which is told this once."""
    secret = secrets.token_hex(16)
    consumer = Consumer(id=new_id(), description=description, sealed=app.vault.seal(secret.encode()), extra=extra)
    async with changing(app):
        await CONSUMERS.create(app, consumer)
    return consumer, secret


async def change_consumer(app: Identity, consumer: Consumer, given: Mapping[str, Any]) -> Consumer:
    """The consumer has these values."""
    async with changing(app):
        await CONSUMERS.change(app, consumer.id, **given)
    return await CONSUMERS.find(app, consumer.id) or consumer


async def delete_consumer(app: Identity, consumer: Consumer) -> None:
    """The consumer is gone with everything that was granted to it, and every token that came from that is void."""
    async with changing(app):
        await CONSUMERS.delete(app, consumer.id)


async def _consumer_proven(app: Identity, signed: Signed | None, token_sealed: str | None) -> Consumer:
    """The consumer who signed the request, with the token's secret where there is one; raises BadOAuth."""
    if signed is None:
        raise BadOAuth
    consumer = await CONSUMERS.find(app, signed.said.get("oauth_consumer_key", ""))
    # Without a consumer there is still something to compare with, so that the time tells nothing.
    secret = secrets.token_hex(16) if consumer is None else _opened(app, consumer.sealed)
    right = signature_is(signed, secret, "" if token_sealed is None else _opened(app, token_sealed))
    if consumer is None or not right or not is_fresh(signed, app.clock.now()):
        raise BadOAuth
    nonce = "/".join((consumer.id, signed.said["oauth_timestamp"], signed.said.get("oauth_nonce", "")))
    if not await nonce_use(app, f"oauth1/{nonce}", app.clock.now() + dt.timedelta(seconds=2 * FRESH_S)):
        raise BadOAuth
    return consumer


async def create_request(app: Identity, signed: Signed | None, project_id: str) -> Keys:
    """The consumer wishes to act in the project."""
    consumer = await _consumer_proven(app, signed, None)
    if signed is not None and signed.said.get("oauth_callback") != "oob":
        raise BadOAuthRequest(why="oauth_callback must be oob, as verifiers are told to people")
    if await project_find(app, project_id) is None:
        raise Missing(kind="project", id=project_id)
    secret = secrets.token_hex(16)
    expires_at = app.clock.now() + dt.timedelta(seconds=app.config.oauth1_request_token_s)
    made = RequestToken(
        id=new_id(),
        consumer_id=consumer.id,
        sealed=app.vault.seal(secret.encode()),
        project_id=project_id,
        expires_at=expires_at,
    )
    async with changing(app):
        await requests_forget(app)
        await REQUESTS.create(app, made)
    return Keys(made.id, secret, expires_at)


async def authorize(
    app: Identity, token: ValidToken, request_id: str, named: Sequence[tuple[str | None, str | None]]
) -> str:
    """The holder of the token grants these of their roles in the project; the verifier is what the consumer is told."""
    refuse_less_than_user(token, "no access by OAuth")
    found = await REQUESTS.find(app, request_id)
    if found is None or found.expires_at <= app.clock.now():
        raise Missing(kind="request token", id=request_id)
    # Roles of groups that are in the token alone are none that could be granted: the consumer has no part in it.
    source = await reach_in(app, token.user.id, found.project_id)
    roles, beyond = await chosen_roles(app, source, named)
    wanted = Reach(user_id=token.user.id, project_id=found.project_id, role_ids=frozenset(role.id for role in roles))
    why = f"you do not have the role {beyond} there" if beyond is not None else widening(source, wanted)
    if why is not None:
        raise NotYoursToTrust(why=why)
    verifier = "".join(secrets.choice(LETTERS) for _ in range(VERIFIER))
    async with changing(app):
        await REQUESTS.change(
            app, found.id, user_id=token.user.id, role_ids=tuple(role.id for role in roles), verifier=verifier
        )
    return verifier


async def create_access(app: Identity, signed: Signed | None) -> Keys:
    """The consumer, who shows the verifier, may act with what was granted; its request token is used up."""
    found = await REQUESTS.find(app, signed.said.get("oauth_token", "")) if signed is not None else None
    consumer = await _consumer_proven(app, signed, found.sealed if found else "")
    if found is None or signed is None or found.consumer_id != consumer.id or found.user_id is None:
        raise BadOAuth
    secret = secrets.token_hex(16)
    lasts = app.config.oauth1_access_token_s
    now = app.clock.now()
    made = AccessToken(
        id=new_id(),
        consumer_id=consumer.id,
        sealed=app.vault.seal(secret.encode()),
        project_id=found.project_id,
        user_id=found.user_id,
        role_ids=found.role_ids,
        expires_at=now + dt.timedelta(seconds=lasts) if lasts else None,
    )
    if found.expires_at <= now:
        raise BadOAuth
    async with changing(app):
        if not await request_take(app, found.id, signed.said.get("oauth_verifier", "")):
            raise BadOAuth
        await ACCESSES.create(app, made)
    return Keys(made.id, secret, made.expires_at)


async def access_proven(app: Identity, signed: Signed | None) -> AccessToken:
    """The access token a request is signed with; raises BadOAuth."""
    found = await ACCESSES.find(app, signed.said.get("oauth_token", "")) if signed is not None else None
    consumer = await _consumer_proven(app, signed, found.sealed if found else "")
    if found is None or found.consumer_id != consumer.id or not found.holds(app.clock.now()):
        raise BadOAuth
    return found


async def delete_access(app: Identity, access: AccessToken) -> None:
    """The access token is gone, and every token that came from it is void."""
    async with changing(app):
        await ACCESSES.delete(app, access.id)
