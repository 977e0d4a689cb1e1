"""Application credentials: made and deleted, and checked when a program logs in with one."""

import datetime as dt
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
from pileus.identity.models.reach import Reach, rules_of, widening
from pileus.identity.store import applications as store
from pileus.identity.store import changing
from pileus.kit.auth import AccessRule
from pileus.kit.db import UniqueViolation
from pileus.kit.secret import new_secret


class ApplicationAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The application credential a user wants, with roles by id or name and rules new or by id, as far as `source` goes.

    Without roles it has all of them; without rules or an end, those of the source. Where the source is bound to a client
    certificate, so is it.
    """

    source: Reach
    name: str
    description: str | None
    secret: str | None
    roles: Sequence[Role]
    rules: Sequence[AccessRule | str] | None
    unrestricted: bool
    expires_at: dt.datetime | None


async def create_application(app: Identity, asked: ApplicationAsked) -> tuple[ApplicationCredential, str]:
    """The application credential exists, within its source; and its secret, which is told this once."""
    if asked.expires_at is not None and asked.expires_at <= app.clock.now():
        raise BadApplicationCredential(why="expires_at lies in the past")
    source = asked.source
    assert source.project_id is not None, "the caller has found the project"
    secret = asked.secret or new_secret(64)
    hashed = await app.passwords.hashed(secret)
    given: Sequence[AccessRule | str] | None = asked.rules
    if given is None and source.rules is not None:
        given = [AccessRule(service=one[0], method=one[1], path=one[2]) for one in sorted(source.rules)]
    try:
        async with changing(app):
            rules = None if given is None else [await _rule(app, source.user_id, rule) for rule in given]
            made = ApplicationCredential(
                id=new_id(),
                user_id=source.user_id,
                project_id=source.project_id,
                name=asked.name,
                description=asked.description,
                secret_hash=hashed,
                role_ids=tuple(role.id for role in asked.roles),
                rule_ids=None if rules is None else tuple(dict.fromkeys(one.id for one in rules)),
                unrestricted=asked.unrestricted,
                expires_at=asked.expires_at or source.expires_at,
                certificate=source.certificate,
            )
            _refuse_widening(source, made, rules)
            await store.application_create(app, made)
    except UniqueViolation:
        raise Duplicate(kind="application_credential", what=f"name {asked.name}") from None
    return made, secret


def _refuse_widening(source: Reach, made: ApplicationCredential, rules: Sequence[KeptRule] | None) -> None:
    wanted = Reach(
        user_id=made.user_id,
        project_id=made.project_id,
        role_ids=frozenset(made.role_ids),
        rules=rules_of(rules),
        expires_at=made.expires_at,
        certificate=made.certificate,
    )
    why = widening(source, wanted)
    if why is not None:
        raise BadApplicationCredential(why=f"it goes beyond the token it is made with: {why}")


async def _rule(app: Identity, user_id: str, asked: AccessRule | str) -> KeptRule:
    """A rule of the user's; made if it is new."""
    for known in await store.rules_of(app, user_id):
        if isinstance(asked, str):
            if known.id == asked:
                return known
        elif (known.service, known.method, known.path) == (asked.service, asked.method, asked.path):
            return known
    if isinstance(asked, str):
        raise BadApplicationCredential(why=f"you have no access rule {asked}")
    made = KeptRule(id=new_id(), user_id=user_id, service=asked.service, method=asked.method, path=asked.path)
    await store.rule_create(app, made)
    return made


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
