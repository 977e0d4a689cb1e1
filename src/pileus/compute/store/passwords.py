"""Queries of passwords on their way to guests."""

import datetime as dt

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.passwords import GivenPassword
from pileus.compute.tables import GIVEN_PASSWORDS
from pileus.kit.db import command, query

_it = sa.and_(
    GIVEN_PASSWORDS.c.server_id == sa.bindparam("of_server"), GIVEN_PASSWORDS.c.for_rescue == sa.bindparam("of_rescue")
)
_this = sa.and_(_it, GIVEN_PASSWORDS.c.reference == sa.bindparam("of_reference"))
_rows = sa.select(*GIVEN_PASSWORDS.c)

PASSWORD_CREATE = command(sa.insert(GIVEN_PASSWORDS))
PASSWORD_FIND = query(_rows.where(_it), GivenPassword)
PASSWORDS_DUE = query(
    _rows.where(GIVEN_PASSWORDS.c.try_at <= sa.bindparam("now"))
    .order_by(GIVEN_PASSWORDS.c.try_at, GIVEN_PASSWORDS.c.server_id, GIVEN_PASSWORDS.c.for_rescue)
    .limit(sa.bindparam("most")),
    GivenPassword,
)
PASSWORD_TRY_AGAIN = command(
    sa.update(GIVEN_PASSWORDS).where(_this).values(try_at=sa.bindparam("at"), tries=GIVEN_PASSWORDS.c.tries + 1)
)
PASSWORD_TOLD = command(sa.update(GIVEN_PASSWORDS).where(_this).values(try_at=None))
PASSWORD_FORGET = command(sa.delete(GIVEN_PASSWORDS).where(_it))
PASSWORD_FORGET_THIS = command(sa.delete(GIVEN_PASSWORDS).where(_this))
PASSWORDS_FORGET = command(sa.delete(GIVEN_PASSWORDS).where(GIVEN_PASSWORDS.c.server_id == sa.bindparam("of_server")))


async def password_put(app: Compute, password: GivenPassword) -> None:
    """This is the password, and no other of its kind."""
    await password_forget(app, password.server_id, rescue=password.for_rescue)
    await app.db.run(PASSWORD_CREATE, **{name: getattr(password, name) for name in password.__struct_fields__})


async def password_find(app: Compute, server_id: str, *, rescue: bool = False) -> GivenPassword | None:
    """The password that is on its way to the server, or stays on its config drive."""
    return await app.db.one(PASSWORD_FIND, of_server=server_id, of_rescue=rescue)


async def passwords_due(app: Compute, now: dt.datetime, most: int) -> list[GivenPassword]:
    """Those of which agents are to be told now, the longest overdue first."""
    return await app.db.all(PASSWORDS_DUE, now=now, most=most)


async def password_try_again(app: Compute, password: GivenPassword, at: dt.datetime) -> None:
    """The agent is told then; nothing happens if there is another password by now."""
    await app.db.run(PASSWORD_TRY_AGAIN, at=at, **_named(password))


async def password_told(app: Compute, password: GivenPassword, *, keep: bool) -> bool:
    """No agent is told any more; False if there is another password by now, of which it shall be."""
    return await app.db.run(PASSWORD_TOLD if keep else PASSWORD_FORGET_THIS, **_named(password)) == 1


async def password_forget(app: Compute, server_id: str, *, rescue: bool) -> None:
    """There is none of that kind."""
    await app.db.run(PASSWORD_FORGET, of_server=server_id, of_rescue=rescue)


async def passwords_forget(app: Compute, server_id: str) -> None:
    """There is none for the server."""
    await app.db.run(PASSWORDS_FORGET, of_server=server_id)


def _named(password: GivenPassword) -> dict[str, object]:
    return {
        "of_server": password.server_id,
        "of_rescue": password.for_rescue,
        "of_reference": password.reference,
    }
