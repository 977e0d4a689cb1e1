"""Queries of console tokens."""

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.consoles import ConsoleToken
from pileus.compute.tables import CONSOLE_TOKENS
from pileus.kit.db import command, query

_good = sa.and_(CONSOLE_TOKENS.c.hash == sa.bindparam("of_hash"), CONSOLE_TOKENS.c.expires_at > sa.bindparam("now"))

TOKEN_CREATE = command(sa.insert(CONSOLE_TOKENS))
TOKEN_FIND = query(sa.select(*CONSOLE_TOKENS.c).where(_good), ConsoleToken)
TOKEN_TAKE = query(sa.delete(CONSOLE_TOKENS).where(_good).returning(*CONSOLE_TOKENS.c), ConsoleToken)
TOKENS_EXPIRE = command(sa.delete(CONSOLE_TOKENS).where(CONSOLE_TOKENS.c.expires_at <= sa.bindparam("now")))
TOKENS_OF_FORGET = command(sa.delete(CONSOLE_TOKENS).where(CONSOLE_TOKENS.c.server_id == sa.bindparam("server_id")))


async def token_create(app: Compute, token: ConsoleToken) -> None:
    """The token is good; those that have expired are gone."""
    await app.db.run(TOKENS_EXPIRE, now=app.clock.now())
    await app.db.run(TOKEN_CREATE, **{name: getattr(token, name) for name in token.__struct_fields__})


async def token_find(app: Compute, hash: str) -> ConsoleToken | None:
    """The token, if it is good."""
    return await app.db.one(TOKEN_FIND, of_hash=hash, now=app.clock.now())


async def token_take(app: Compute, hash: str) -> ConsoleToken | None:
    """The token, if it was good until now; it is so no more."""
    return await app.db.one(TOKEN_TAKE, of_hash=hash, now=app.clock.now())


async def tokens_forget(app: Compute, server_id: str) -> None:
    """No token leads to the server."""
    await app.db.run(TOKENS_OF_FORGET, server_id=server_id)
