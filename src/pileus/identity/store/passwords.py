"""What is kept about passwords beside the one that is right now: those before it, and how often a wrong one was given."""

import datetime as dt

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.tables import failures, old_passwords
from pileus.kit.db import command, query, upsert

_USER = failures.c.user_id == bindparam("user_id")
_OLD = old_passwords.c.user_id == bindparam("user_id")


class Failures(msgspec.Struct, frozen=True):
    """How often in a row a user's password was wrong, and when last."""

    user_id: str
    number: int
    last_at: dt.datetime


class OldPassword(msgspec.Struct, frozen=True):
    """A password the user had, or has."""

    user_id: str
    number: int
    password_hash: str


FAILURES_FETCH = query(sa.select(failures).where(_USER), Failures)
FAILURES_KEEP = command(upsert(failures, key=["user_id"], update=["number", "last_at"]))
FAILURES_FORGET = command(sa.delete(failures).where(_USER))
OLD_FETCH = query(sa.select(old_passwords).where(_OLD).order_by(old_passwords.c.number.desc()), OldPassword)
OLD_ADD = command(sa.insert(old_passwords))
OLD_FORGET = command(sa.delete(old_passwords).where(_OLD, old_passwords.c.number <= bindparam("up_to")))


async def failures_find(app: Identity, user_id: str) -> Failures | None:
    """The wrong passwords since the last right one."""
    return await app.db.one(FAILURES_FETCH, user_id=user_id)


async def failures_keep(app: Identity, failed: Failures) -> None:
    """The number is stored."""
    await app.db.run(FAILURES_KEEP, **msgspec.structs.asdict(failed))


async def failures_forget(app: Identity, user_id: str) -> None:
    """The user begins with none."""
    await app.db.run(FAILURES_FORGET, user_id=user_id)


async def old_passwords_of(app: Identity, user_id: str) -> list[OldPassword]:
    """The user's passwords, the newest first."""
    return await app.db.all(OLD_FETCH, user_id=user_id)


async def old_password_add(app: Identity, user_id: str, password_hash: str, kept: int) -> None:
    """The password is the newest of the user's; no more than `kept` are known."""
    known = await old_passwords_of(app, user_id)
    number = known[0].number + 1 if known else 1
    await app.db.run(OLD_ADD, user_id=user_id, number=number, password_hash=password_hash)
    await app.db.run(OLD_FORGET, user_id=user_id, up_to=number - kept)
