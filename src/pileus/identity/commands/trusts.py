"""Trusts: one user lets another act in a project with roles of theirs; and who was trusted may trust on, where allowed.

What comes from a trust is never more than the one who gave it first has at that moment.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.delegation import chosen_roles, reach_of, refuse_restricted
from pileus.identity.errors import BadTrust, Missing, NotYoursToTrust, TrustConsumed
from pileus.identity.models import Trust, ValidToken, new_id
from pileus.identity.models.reach import Reach, widening
from pileus.identity.store import changing
from pileus.identity.store.delegation import trust_create, trust_delete, trust_find, trust_use, trusts_given_on
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
    redelegable: bool = False
    redelegation_count: int | None = None
    extra: dict[str, object] = {}


async def create_trust(app: Identity, token: ValidToken, asked: TrustAsked) -> Trust:
    """The trustee can log in with the trust, which gives no more than the token has it from."""
    if token.trust is None:
        refuse_restricted(token, "no trusts")
    if asked.expires_at is not None and asked.expires_at <= app.clock.now():
        raise BadTrust(why="expires_at lies in the past")
    if asked.redelegable and asked.remaining_uses is not None:
        raise BadTrust(why="remaining_uses must not be set if redelegation is allowed")
    if await user_find(app, asked.trustee_user_id) is None:
        raise Missing(kind="user", id=asked.trustee_user_id)
    if await project_find(app, asked.project_id) is None:
        raise Missing(kind="project", id=asked.project_id)
    source = await reach_of(app, token, asked.project_id)
    roles, beyond = await chosen_roles(app, source, asked.roles)
    if beyond is not None:
        raise NotYoursToTrust(why=f"you do not have the role {beyond} there")
    wanted = Reach(
        user_id=asked.trustor_user_id,
        project_id=asked.project_id,
        role_ids=frozenset(role.id for role in roles),
        expires_at=asked.expires_at or source.expires_at,
    )
    why = widening(source, wanted)
    if why is not None:
        raise NotYoursToTrust(why=why)
    trust = Trust(
        id=new_id(),
        trustor_user_id=asked.trustor_user_id,
        trustee_user_id=asked.trustee_user_id,
        project_id=asked.project_id,
        impersonation=asked.impersonation,
        expires_at=wanted.expires_at,
        remaining_uses=asked.remaining_uses,
        redelegated_trust_id=token.trust.id if token.trust else None,
        redelegation_count=_how_often(app, token.trust, asked),
        role_ids=tuple(role.id for role in roles),
        extra=asked.extra,
    )
    async with changing(app):
        await trust_create(app, trust)
    return trust


def _how_often(app: Identity, behind: Trust | None, asked: TrustAsked) -> int:
    """How often the trust may be given on; one less than the trust it comes from, and never where that one may not."""
    most = app.config.max_redelegation_count
    if behind is not None:
        if not behind.redelegation_count:
            raise NotYoursToTrust(why="the trust it would come from may not be given on")
        if asked.impersonation and not behind.impersonation:
            raise NotYoursToTrust(why="the trust it would come from does not impersonate")
        most = behind.redelegation_count - 1
    if not asked.redelegable:
        return 0
    count = most if asked.redelegation_count is None else asked.redelegation_count
    if count > most:
        raise NotYoursToTrust(why=f"remaining redelegation depth of {count} out of allowed range of [0..{most}]")
    return count


async def use_trust(app: Identity, trust: Trust) -> None:
    """One use fewer remains, where uses are counted; raises TrustConsumed."""
    if trust.remaining_uses is None:
        return
    async with app.db.transaction():
        left = await trust_use(app, trust.id)
    if not left:
        raise TrustConsumed(trust=trust.id)


async def delete_trust(app: Identity, trust: Trust) -> None:
    """The trust is gone, and what was given on of it; every token that came from them is void."""
    async with changing(app):
        waiting = [trust.id]
        while waiting:
            trust_id = waiting.pop()
            waiting += await trusts_given_on(app, trust_id)
            await trust_delete(app, trust_id)


async def trust_of(app: Identity, trust_id: str) -> Trust | None:
    """The trust, as long as it holds."""
    trust = await trust_find(app, trust_id)
    return trust if trust is not None and trust.holds(app.clock.now()) else None
