"""What a password must withstand: guessing, growing old, and being used again; and how users change their own.

All these rules are off unless the configuration says otherwise, as they lock people out of their own accounts.
"""

import datetime as dt
import re
from typing import Any

from pileus.identity.app import Identity
from pileus.identity.commands.attempts import Attempt, attempted
from pileus.identity.commands.directories import refuse_in_directory
from pileus.identity.errors import (
    AccountInactive,
    NotAuthenticated,
    PasswordExpired,
    PasswordLocked,
    PasswordTooWeak,
    PasswordTooYoung,
    PasswordUsedBefore,
    WrongPassword,
)
from pileus.identity.models import User
from pileus.identity.models.logins import Named
from pileus.identity.store import changing
from pileus.identity.store.passwords import (
    Failures,
    failures_find,
    failures_forget,
    failures_keep,
    old_password_add,
    old_passwords_of,
)
from pileus.identity.store.projects import domain_find
from pileus.identity.store.users import user_change, user_find


async def password_is(app: Identity, user_id: str, user: User | None, password: str) -> bool:
    """Whether the password is the user's, who is not locked out; takes as long whatever is wrong."""
    # Who may not log in anyhow is never told by a quick answer that the password would be right.
    anew = user is None or not await _is_open(app, user) or await _is_locked_out(app, user)
    right = await app.passwords.matches(user_id, user.password_hash if user else None, password, anew=anew)
    if user is None or not app.config.lockout_failure_attempts or user.options.get("ignore_lockout_failure_attempts"):
        return right and user is not None
    async with app.db.transaction():
        now = app.clock.now()
        failed = await failures_find(app, user.id)
        if failed is not None and failed.number >= app.config.lockout_failure_attempts:
            if _lasts(app, failed):
                return False
            failed = None
        if not right:
            await failures_keep(app, Failures(user.id, failed.number + 1 if failed else 1, now))
        elif failed is not None:
            await failures_forget(app, user.id)
    return right


async def _is_open(app: Identity, user: User) -> bool:
    """Whether neither the user nor their domain is disabled."""
    domain = await domain_find(app, user.domain_id)
    return user.enabled and domain is not None and domain.enabled


async def _is_locked_out(app: Identity, user: User) -> bool:
    if not app.config.lockout_failure_attempts or user.options.get("ignore_lockout_failure_attempts"):
        return False
    failed = await failures_find(app, user.id)
    return failed is not None and failed.number >= app.config.lockout_failure_attempts and _lasts(app, failed)


def _lasts(app: Identity, failed: Failures) -> bool:
    """Whether what many failures brought about is not over yet."""
    return app.clock.now() < failed.last_at + dt.timedelta(seconds=app.config.lockout_duration_s)


def refuse_unusable(app: Identity, user: User) -> None:
    """Raise Unauthorized where the right password is not enough: it is too old, or its user was away too long."""
    now = app.clock.now()
    expires_at = None if user.options.get("ignore_password_expiry") else user.password_expires_at
    if expires_at is not None and expires_at <= now:
        raise PasswordExpired(user=user.id)
    days = app.config.disable_user_account_days_inactive
    if not days or user.options.get("ignore_user_inactivity") or user.active_at is None:
        return
    if user.active_at + dt.timedelta(days=days) < now:
        raise AccountInactive(user=user.id)


async def mark_active(app: Identity, user: User) -> None:
    """That the user was here today is known, where it matters."""
    today = app.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    if app.config.disable_user_account_days_inactive and (user.active_at is None or user.active_at < today):
        async with changing(app):
            await user_change(app, user.id, active_at=today)


def refuse_weak_password(app: Identity, password: str) -> None:
    """The password matches what is asked of passwords; raises PasswordTooWeak."""
    if app.config.password_regex and re.match(app.config.password_regex, password) is None:
        raise PasswordTooWeak(rule=app.config.password_regex_description or app.config.password_regex)


def password_columns(app: Identity, options: dict[str, Any], stored: str | None, *, own: bool) -> dict[str, Any]:
    """What of a user's row goes with a new password, which they set themselves (`own`) or somebody else did."""
    now = app.clock.now()
    expires_at: dt.datetime | None = None
    if stored is not None and not own and app.config.change_password_upon_first_use:
        expires_at = None if options.get("ignore_change_password_upon_first_use") else now
    if stored is not None and expires_at is None and app.config.password_expires_days:
        lasts = dt.timedelta(days=app.config.password_expires_days)
        expires_at = None if options.get("ignore_password_expiry") else now.replace(microsecond=0) + lasts
    return {"password_hash": stored, "password_expires_at": expires_at, "password_set_at": now}


async def change_own_password(app: Identity, user_id: str, original: str, password: str, address: str) -> None:
    """The user has the new password, and every token issued so far is void; who guesses has to wait as at a login."""
    user = await user_find(app, user_id)
    if user is not None:
        await refuse_in_directory(app, user.domain_id)
    async with attempted(app, Attempt(("password",), address, [Named(id=user_id)])) as attempt:
        if not await password_is(app, user_id, user, original):
            raise WrongPassword
        attempt.user_id = user_id
    if user is None or not user.enabled:
        raise NotAuthenticated
    if user.options.get("lock_password"):
        raise PasswordLocked
    _refuse_young(app, user)
    refuse_weak_password(app, password)
    await refuse_used_password(app, user_id, password)
    stored = await app.passwords.hashed(password)
    async with changing(app):
        columns = password_columns(app, user.options, stored, own=True)
        await user_change(app, user_id, **columns, tokens_after=app.clock.now())
        await remember_password(app, user_id, stored)
        app.db.on_commit(lambda: app.passwords.forget(user_id))


def _refuse_young(app: Identity, user: User) -> None:
    days = app.config.minimum_password_age_days
    if not days or user.password_set_at is None:
        return
    now = app.clock.now()
    old_enough = user.password_set_at + dt.timedelta(days=days)
    expired = user.password_expires_at is not None and user.password_expires_at <= now
    if now < old_enough and not expired:
        raise PasswordTooYoung(days=days, at=old_enough.isoformat())


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
