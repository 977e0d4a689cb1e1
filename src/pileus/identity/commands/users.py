"""Users and groups: making, changing and deleting them, and who is in which group."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.directories import refuse_in_directory
from pileus.identity.commands.passwords import password_columns, refuse_weak_password, remember_password
from pileus.identity.errors import Duplicate, Missing, NotAllowedToChange, NotMember
from pileus.identity.models import Group, User
from pileus.identity.store import changing
from pileus.identity.store.federation import expiring_groups
from pileus.identity.store.projects import domain_find
from pileus.identity.store.roles import assignments_drop_actor
from pileus.identity.store.users import (
    group_change,
    group_create,
    group_delete,
    group_find,
    group_ids_of,
    member_add,
    member_is,
    member_remove,
    user_change,
    user_create,
    user_delete,
    user_find,
)
from pileus.kit.db import UniqueViolation


def _taken(kind: str, name: str, domain_id: str) -> Duplicate:
    return Duplicate(kind=kind, what=f"name {name} at domain ID {domain_id}")


async def _check_domain(app: Identity, domain_id: str) -> None:
    if await domain_find(app, domain_id) is None:
        raise Missing(kind="domain", id=domain_id)


async def create_user(app: Identity, user: User, password: str | None) -> User:
    """The user exists and can log in with the password, if one is given."""
    await refuse_in_directory(app, user.domain_id)
    await _check_domain(app, user.domain_id)
    if password is not None:
        refuse_weak_password(app, password)
        stored = await app.passwords.hashed(password)
        user = msgspec.structs.replace(user, **password_columns(app, user.options, stored, own=False))
    if app.config.disable_user_account_days_inactive:
        user = msgspec.structs.replace(user, active_at=app.clock.now())
    try:
        async with changing(app):
            await user_create(app, user)
            if user.password_hash is not None:
                await remember_password(app, user.id, user.password_hash)
    except UniqueViolation:
        raise _taken("user", user.name, user.domain_id) from None
    return user


async def change_user(app: Identity, user: User, given: Mapping[str, Any]) -> User:
    """The user has these values; a new password, and disabling, void all tokens issued so far."""
    await refuse_in_directory(app, user.domain_id)
    if given.get("domain_id", user.domain_id) != user.domain_id:
        raise NotAllowedToChange(field="domain_id", kind="user")
    columns = _columns(user, given)
    if "password" in given:
        password = given["password"]
        if password is not None:
            refuse_weak_password(app, password)
        stored = await app.passwords.hashed(password) if password is not None else None
        columns |= password_columns(app, columns.get("options", user.options), stored, own=False)
    if columns.get("enabled") is True and not user.enabled:
        columns["active_at"] = app.clock.now()
    if "password" in given or columns.get("enabled") is False:
        columns["tokens_after"] = app.clock.now()
    try:
        async with changing(app):
            await user_change(app, user.id, **columns)
            if columns.get("password_hash") is not None:
                await remember_password(app, user.id, columns["password_hash"])
            app.db.on_commit(lambda: app.passwords.forget(user.id))
    except UniqueViolation:
        raise _taken("user", str(columns["name"]), user.domain_id) from None
    return await user_find(app, user.id) or user


def _columns(user: User, given: Mapping[str, Any]) -> dict[str, Any]:
    """What of a user's row changes, but for the password."""
    columns = {name: given[name] for name in ("name", "enabled") if given.get(name) is not None}
    if "default_project_id" in given:
        columns["default_project_id"] = given["default_project_id"]
    if given.get("options"):
        merged = {**user.options, **given["options"]}
        columns["options"] = {name: value for name, value in merged.items() if value is not None}
    if given.get("extra"):
        columns["extra"] = {**user.extra, **given["extra"]}
    return columns


async def delete_user(app: Identity, user: User) -> None:
    """The user is gone with their roles and memberships."""
    await refuse_in_directory(app, user.domain_id)
    async with changing(app):
        await assignments_drop_actor(app, user.id)
        await user_delete(app, user.id)
        app.db.on_commit(lambda: app.passwords.forget(user.id))


async def create_group(app: Identity, group: Group) -> Group:
    """The group exists, without members."""
    await refuse_in_directory(app, group.domain_id)
    await _check_domain(app, group.domain_id)
    try:
        async with changing(app):
            await group_create(app, group)
    except UniqueViolation:
        raise _taken("group", group.name, group.domain_id) from None
    return group


async def change_group(app: Identity, group: Group, given: Mapping[str, Any]) -> Group:
    """The group has these values."""
    await refuse_in_directory(app, group.domain_id)
    if given.get("domain_id", group.domain_id) != group.domain_id:
        raise NotAllowedToChange(field="domain_id", kind="group")
    columns = {name: given[name] for name in ("name", "description") if given.get(name) is not None}
    if given.get("extra"):
        columns["extra"] = {**group.extra, **given["extra"]}
    try:
        async with changing(app):
            await group_change(app, group.id, **columns)
    except UniqueViolation:
        raise _taken("group", str(columns["name"]), group.domain_id) from None
    return await group_find(app, group.id) or group


async def delete_group(app: Identity, group: Group) -> None:
    """The group is gone with the roles given to it."""
    await refuse_in_directory(app, group.domain_id)
    async with changing(app):
        await assignments_drop_actor(app, group.id)
        await group_delete(app, group.id)


async def add_member(app: Identity, group: Group, user: User) -> None:
    """The user is in the group."""
    await refuse_in_directory(app, group.domain_id)
    async with changing(app):
        await member_add(app, group.id, user.id)


async def remove_member(app: Identity, group: Group, user: User) -> None:
    """The user, who was in the group, is not any more."""
    await refuse_in_directory(app, group.domain_id)
    async with changing(app):
        if not await member_remove(app, group.id, user.id):
            raise NotMember(user=user.id, group=group.id)


async def check_member(app: Identity, group: Group, user: User) -> None:
    """Raise NotMember unless the user is in the group."""
    if not await member_is(app, group.id, user.id):
        raise NotMember(user=user.id, group=group.id)


async def memberships(app: Identity, user: User) -> dict[str, dt.datetime | None]:
    """The groups a user is in, and when they are in each no longer; None for those that do not end."""
    # The groups that end last come last, and what does not end counts more than what does.
    ends: dict[str, dt.datetime | None] = {one.group_id: one.expires_at for one in await expiring_groups(app, user.id)}
    return {**ends, **dict.fromkeys(await group_ids_of(app, user.id))}
