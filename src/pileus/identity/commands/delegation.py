"""How far somebody may go, and how much of it they may give on: the reach of users, of tokens, and of what came from them.

Nothing here decides by itself whether a delegation is too wide; `models.reach.widening` does.
"""

from collections.abc import Sequence

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.applications import rules_of_application
from pileus.identity.commands.scopes import roles_in
from pileus.identity.errors import NoDelegationOfBound, NoDelegationOfDelegation
from pileus.identity.models import ApplicationCredential, Role, Scope, ScopeKind, Trust, ValidToken
from pileus.identity.models.oauth1 import AccessToken
from pileus.identity.models.reach import Reach, rules_of
from pileus.identity.store.delegation import trust_find
from pileus.identity.store.projects import project_find
from pileus.identity.store.roles import role_graph


async def reach_in(app: Identity, user_id: str, project_id: str, group_ids: Sequence[str] = ()) -> Reach:
    """What a user may do in a project: all their roles there, for as long as they have them."""
    project = await project_find(app, project_id)
    scope = Scope(ScopeKind.PROJECT, project_id)
    held = await roles_in(app, user_id, scope, project, group_ids) if project is not None else ()
    return Reach(user_id=user_id, project_id=project_id, role_ids=frozenset(role.id for role in held))


async def reach_of(app: Identity, token: ValidToken, project_id: str) -> Reach:
    """What the holder of a token may give on in a project: what their user may, or less where the token is derived."""
    if not token.is_derived:
        came = token.payload.federated
        whole = await reach_in(app, token.user.id, project_id, came.group_ids if came else ())
        return msgspec.structs.replace(whole, certificate=token.certificate)
    ends = [
        one.expires_at for one in (token.trust, token.application, token.access) if one and one.expires_at is not None
    ]
    return Reach(
        user_id=token.user.id,
        project_id=token.project.id if token.project else None,
        role_ids=frozenset(role.id for role in token.roles),
        rules=rules_of(token.caller.access_rules),
        expires_at=min(ends) if ends else None,
        certificate=token.certificate,
    )


def reach_of_trust(trust: Trust, behalf: str) -> Reach:
    """What a trust gives, on behalf of whoever gave the first of the trusts it goes back to."""
    return Reach(
        user_id=behalf,
        project_id=trust.project_id,
        role_ids=frozenset(trust.role_ids),
        expires_at=trust.expires_at,
    )


async def reach_of_application(app: Identity, application: ApplicationCredential) -> Reach:
    """What an application credential gives."""
    return Reach(
        user_id=application.user_id,
        project_id=application.project_id,
        role_ids=frozenset(application.role_ids),
        rules=rules_of(await rules_of_application(app, application)),
        expires_at=application.expires_at,
        certificate=application.certificate,
    )


def reach_of_access(access: AccessToken) -> Reach:
    """What an access token of OAuth gives."""
    return Reach(
        user_id=access.user_id,
        project_id=access.project_id,
        role_ids=frozenset(access.role_ids),
        expires_at=access.expires_at,
    )


async def trusts_behind(app: Identity, trust: Trust) -> list[Trust] | None:
    """The trusts one goes back to, the first that was given first, itself last; None when one of them is gone or over."""
    now = app.clock.now()
    chain: list[Trust] = []
    one: Trust | None = trust
    while one is not None and one.holds(now) and len(chain) <= app.config.max_redelegation_count:
        chain.insert(0, one)
        if one.redelegated_trust_id is None:
            return chain
        one = await trust_find(app, one.redelegated_trust_id)
    return None


async def chosen_roles(
    app: Identity, within: Reach, named: Sequence[tuple[str | None, str | None]]
) -> tuple[list[Role], str | None]:
    """The roles of these ids or names that are within reach; and the first named that is not."""
    known = (await role_graph(app)).roles
    reachable = [known[role_id] for role_id in sorted(within.role_ids) if role_id in known]
    found: list[Role] = []
    for id, name in named:
        role = next((one for one in reachable if (one.id == id if id is not None else one.name == name)), None)
        if role is None:
            return found, id or name or ""
        found.append(role)
    return list({role.id: role for role in found}.values()), None


def refuse_derived(token: ValidToken, what: str) -> None:
    """Raise NoDelegationOfDelegation for a token that stands for less than its user."""
    if token.is_derived:
        raise NoDelegationOfDelegation(what=what)


def refuse_less_than_user(token: ValidToken, what: str) -> None:
    """Raise a refusal unless the token is worth all its user is: for what somebody could use without it, and for good."""
    refuse_derived(token, what)
    if token.certificate is not None:
        raise NoDelegationOfBound(what=what)


def refuse_restricted(token: ValidToken, what: str) -> None:
    """Raise NoDelegationOfDelegation for a derived token, unless it is of an unrestricted application credential."""
    if token.is_derived and not (token.application is not None and token.application.unrestricted):
        raise NoDelegationOfDelegation(what=what)
