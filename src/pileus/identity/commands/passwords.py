"""What a password must withstand: guessing, and being used again.

Both rules are off unless the configuration says otherwise, as they lock people out of their own accounts.
"""

import datetime as dt

from pileus.identity.app import Identity
from pileus.identity.errors import PasswordUsedBefore
from pileus.identity.models import User
from pileus.identity.store.passwords import (
    Failures,
    failures_find,
    failures_forget,
    failures_keep,
    old_password_add,
    old_passwords_of,
)


async def password_is(app: Identity, user_id: str, user: User | None, password: str) -> bool:
    """Whether the password is the user's, who is not locked out; takes as long whatever is wrong."""
    right = await app.passwords.matches(user_id, user.password_hash if user else None, password)
    if user is None or not app.config.lockout_failure_attempts or user.options.get("ignore_lockout_failure_attempts"):
        return right and user is not None
    async with app.db.transaction():
        now = app.clock.now()
        failed = await failures_find(app, user.id)
        if failed is not None and failed.number >= app.config.lockout_failure_attempts:
            if now < failed.last_at + dt.timedelta(seconds=app.config.lockout_duration_s):
                return False
            failed = None
        if not right:
            await failures_keep(app, Failures(user.id, failed.number + 1 if failed else 1, now))
        elif failed is not None:
            await failures_forget(app, user.id)
    return right


async def remember_password(app: Identity, user_id: str, password_hash: str) -> None:
    """The user may not choose this password again for a while."""
    if app.config.unique_last_password_count:
        await old_password_add(app, user_id, password_hash, app.config.unique_last_password_count)


async def refuse_used_password(app: Identity, user_id: str, password: str) -> None:
    """The password is none of the user's last ones; raises PasswordUsedBefore."""
    if not app.config.unique_last_password_count:
        return
    for old in (await old_passwords_of(app, user_id))[: app.config.unique_last_password_count]:
        if await app.passwords.matches("", old.password_hash, password):
            raise PasswordUsedBefore(count=app.config.unique_last_password_count)
