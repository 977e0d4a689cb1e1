"""Application credentials: made and deleted, and checked when a program logs in with one."""

import datetime as dt
import secrets
from collections.abc import Sequence

import msgspec

from pileus.identity.app import Identity
from pileus.identity.errors import (
    AccessRuleInUse,
    BadApplicationCredential,
    Duplicate,
    NotAuthenticated,
)
from pileus.identity.models import ApplicationCredential, KeptRule, Role, new_id
from pileus.identity.store import applications as store
from pileus.identity.store import changing
from pileus.kit.auth import AccessRule
from pileus.kit.db import UniqueViolation


class ApplicationAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The application credential a user wants: roles by id or name (none: all of `held`), rules new or by id."""

    user_id: str
    project_id: str
    name: str
    description: str | None
    secret: str | None
    roles: Sequence[tuple[str | None, str | None]]
    held: Sequence[Role]
    rules: Sequence[AccessRule | str] | None
    unrestricted: bool
    expires_at: dt.datetime | None


async def create_application(app: Identity, asked: ApplicationAsked) -> tuple[ApplicationCredential, str]:
    """The application credential exists; and its secret, which is told this once."""
    if asked.expires_at is not None and asked.expires_at <= app.clock.now():
        raise BadApplicationCredential(why="expires_at lies in the past")
    secret = asked.secret or secrets.token_urlsafe(64)
    hashed = await app.passwords.hashed(secret)
    roles = [_held(asked.held, *one) for one in asked.roles] or [role.id for role in asked.held]
    try:
        async with changing(app):
            rules = None if asked.rules is None else [await _rule(app, asked.user_id, rule) for rule in asked.rules]
            made = ApplicationCredential(
                id=new_id(),
                user_id=asked.user_id,
                project_id=asked.project_id,
                name=asked.name,
                description=asked.description,
                secret_hash=hashed,
                role_ids=tuple(dict.fromkeys(roles)),
                rule_ids=None if rules is None else tuple(dict.fromkeys(rules)),
                unrestricted=asked.unrestricted,
                expires_at=asked.expires_at,
            )
            await store.application_create(app, made)
    except UniqueViolation:
        raise Duplicate(kind="application_credential", what=f"name {asked.name}") from None
    return made, secret


def _held(held: Sequence[Role], id: str | None, name: str | None) -> str:
    for role in held:
        if role.id == id or (id is None and role.name == name):
            return role.id
    raise BadApplicationCredential(why=f"you do not have the role {id or name} in this project")


async def _rule(app: Identity, user_id: str, asked: AccessRule | str) -> str:
    """The id of a rule of the user's; made if it is new."""
    for known in await store.rules_of(app, user_id):
        if isinstance(asked, str):
            if known.id == asked:
                return known.id
        elif (known.service, known.method, known.path) == (asked.service, asked.method, asked.path):
            return known.id
    if isinstance(asked, str):
        raise BadApplicationCredential(why=f"you have no access rule {asked}")
    made = KeptRule(id=new_id(), user_id=user_id, service=asked.service, method=asked.method, path=asked.path)
    await store.rule_create(app, made)
    return made.id


async def delete_application(app: Identity, application: ApplicationCredential) -> None:
    """The application credential is gone, and every token that came from it is void."""
    async with changing(app):
        await store.application_delete(app, application.id)


async def delete_rule(app: Identity, rule: KeptRule) -> None:
    """The access rule, which no application credential goes by, is gone."""
    async with changing(app):
        if any(rule.id in (one.rule_ids or ()) for one in await store.applications_of(app, rule.user_id)):
            raise AccessRuleInUse(rule=rule.id)
        await store.rule_delete(app, rule.id)


async def rules_of_application(app: Identity, application: ApplicationCredential) -> list[KeptRule] | None:
    """The access rules it goes by; None if any request is allowed."""
    if application.rule_ids is None:
        return None
    return [rule for rule in await store.rules_of(app, application.user_id) if rule.id in application.rule_ids]


async def application_proven(
    app: Identity, *, id: str | None, user_id: str | None, name: str | None, secret: str
) -> ApplicationCredential:
    """The application credential whose secret this is; raises NotAuthenticated, as slowly whatever is wrong."""
    found = None
    if id is not None:
        found = await store.application_find(app, id)
    elif user_id is not None and name is not None:
        found = await store.application_by_name(app, user_id, name)
    right = await app.passwords.matches(found.id if found else "", found.secret_hash if found else None, secret)
    if found is None or not right or not found.holds(app.clock.now()):
        raise NotAuthenticated
    return found
