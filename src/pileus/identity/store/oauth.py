"""Consumers, their tokens, and the passcodes that were used, in the database."""

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models.oauth1 import AccessToken, Consumer, RequestToken
from pileus.identity.store.kept import Kept
from pileus.identity.tables import access_tokens, consumers, request_tokens, used_passcodes
from pileus.kit.db import command, scalar

CONSUMERS = Kept(consumers, Consumer)
REQUESTS = Kept(request_tokens, RequestToken, "consumer_id")
ACCESSES = Kept(access_tokens, AccessToken, "user_id", "consumer_id")

REQUEST_TAKE = command(
    sa.delete(request_tokens).where(
        request_tokens.c.id == bindparam("id"), request_tokens.c.verifier == bindparam("verifier")
    )
)
REQUESTS_FORGET = command(sa.delete(request_tokens).where(request_tokens.c.expires_at <= bindparam("now")))
PASSCODE_LAST = scalar(
    sa.select(used_passcodes.c.counter).where(used_passcodes.c.credential_id == bindparam("credential_id")), int
)
PASSCODE_FIRST = command(sa.insert(used_passcodes))
PASSCODE_USE = command(
    sa.update(used_passcodes)
    .where(used_passcodes.c.credential_id == bindparam("credential_id"), used_passcodes.c.counter < bindparam("now"))
    .values(counter=bindparam("now"))
)


async def request_take(app: Identity, id: str, verifier: str) -> bool:
    """The request token is gone, as it is good once; tells whether there was one with this verifier."""
    return await app.db.run(REQUEST_TAKE, id=id, verifier=verifier) > 0


async def requests_forget(app: Identity) -> None:
    """Request tokens that expired are gone."""
    await app.db.run(REQUESTS_FORGET, now=app.clock.now())


async def passcode_use(app: Identity, credential_id: str, counter: int) -> bool:
    """The passcode of this step is used; False when it, or one after it, was before."""
    if await app.db.one(PASSCODE_LAST, credential_id=credential_id) is None:
        await app.db.run(PASSCODE_FIRST, credential_id=credential_id, counter=counter)
        return True
    return await app.db.run(PASSCODE_USE, credential_id=credential_id, now=counter) > 0
