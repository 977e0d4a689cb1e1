"""Trusts: one user lets another act in a project with roles of theirs.

What comes from a trust is never more than the trustor has at that moment, and gives nothing on: a token that came from a
trust makes no trusts, no credentials and no other token.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.scopes import roles_in
from pileus.identity.errors import BadTrust, Missing, NotYoursToTrust, TrustConsumed
from pileus.identity.models import Role, Scope, ScopeKind, Trust, new_id
from pileus.identity.store import changing
from pileus.identity.store.delegation import trust_create, trust_delete, trust_find, trust_use
from pileus.identity.store.projects import project_find
from pileus.identity.store.users import user_find


class TrustAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The trust somebody wants to give; roles are named by id or by name."""

    trustor_user_id: str
    trustee_user_id: str
    project_id: str
    impersonation: bool
    roles: Sequence[tuple[str | None, str | None]]
    expires_at: dt.datetime | None = None
    remaining_uses: int | None = None
    extra: dict[str, object] = {}


async def roles_to_trust(app: Identity, user_id: str, project_id: str) -> dict[str, Role]:
    """What the user may do in the project, by role id, and hence may let others do."""
    project = await project_find(app, project_id)
    if project is None:
        return {}
    return {role.id: role for role in await roles_in(app, user_id, Scope(ScopeKind.PROJECT, project_id), project)}


async def create_trust(app: Identity, asked: TrustAsked) -> Trust:
    """The trustee can log in with the trust."""
    if asked.expires_at is not None and asked.expires_at <= app.clock.now():
        raise BadTrust(why="expires_at lies in the past")
    if await user_find(app, asked.trustee_user_id) is None:
        raise Missing(kind="user", id=asked.trustee_user_id)
    if await project_find(app, asked.project_id) is None:
        raise Missing(kind="project", id=asked.project_id)
    held = await roles_to_trust(app, asked.trustor_user_id, asked.project_id)
    trust = Trust(
        id=new_id(),
        trustor_user_id=asked.trustor_user_id,
        trustee_user_id=asked.trustee_user_id,
        project_id=asked.project_id,
        impersonation=asked.impersonation,
        expires_at=asked.expires_at,
        remaining_uses=asked.remaining_uses,
        role_ids=tuple(dict.fromkeys(_chosen(held, *role) for role in asked.roles)),
        extra=asked.extra,
    )
    async with changing(app):
        await trust_create(app, trust)
    return trust


def _chosen(held: dict[str, Role], id: str | None, name: str | None) -> str:
    """The id of a role the trustor has."""
    found = held.get(id) if id is not None else next((role for role in held.values() if role.name == name), None)
    if found is None:
        raise NotYoursToTrust(why=f"you do not have the role {id or name} there")
    return found.id


async def use_trust(app: Identity, trust: Trust) -> None:
    """One use fewer remains, where uses are counted; raises TrustConsumed."""
    if trust.remaining_uses is None:
        return
    async with app.db.transaction():
        left = await trust_use(app, trust.id)
    if not left:
        raise TrustConsumed(trust=trust.id)


async def delete_trust(app: Identity, trust: Trust) -> None:
    """The trust is gone, and every token that came from it is void."""
    async with changing(app):
        await trust_delete(app, trust.id)


async def trust_of(app: Identity, trust_id: str) -> Trust | None:
    """The trust, as long as it holds."""
    trust = await trust_find(app, trust_id)
    return trust if trust is not None and trust.holds(app.clock.now()) else None
