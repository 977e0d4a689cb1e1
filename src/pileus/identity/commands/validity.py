"""What a token stands for now: user, place, roles and limits, each looked up anew whenever anything has changed.

A token says little by itself. It holds as long as everything holds it was made from.
"""

import datetime as dt

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.applications import rules_of_application
from pileus.identity.commands.delegation import (
    reach_in,
    reach_of_access,
    reach_of_application,
    reach_of_trust,
    trusts_behind,
)
from pileus.identity.commands.scopes import roles_in
from pileus.identity.commands.trusts import trust_of
from pileus.identity.errors import (
    NoSubjectToken,
    TokenNotFound,
)
from pileus.identity.models import (
    Payload,
    Project,
    Role,
    Scope,
    ScopeKind,
    User,
    ValidToken,
)
from pileus.identity.models.reach import Reach, widening
from pileus.identity.store import follow
from pileus.identity.store.applications import application_find
from pileus.identity.store.delegation import credential_find
from pileus.identity.store.federation import expiring_groups
from pileus.identity.store.oauth import ACCESSES
from pileus.identity.store.projects import domain_find, project_find
from pileus.identity.store.revocations import revocation_is
from pileus.identity.store.roles import role_graph
from pileus.identity.store.users import user_find
from pileus.kit.auth import Caller


async def token_find(app: Identity, token: str) -> ValidToken | None:
    """What a token stands for; None when it is unknown, expired, revoked, or stands for nothing any more."""
    await follow(app)
    now = app.clock.now()
    known = app.memory.token(token, now)
    if known is not None:
        return known
    generation = app.memory.generation
    payload = app.tokens.read(token)
    if payload is None or payload.expires_at <= now or await revocation_is(app, payload.audit_ids[0]):
        return None
    found = await stands_for(app, token, payload)
    if found is not None:
        app.memory.keep_token(token, found, generation)
    return found


async def subject_get(app: Identity, token: str | None) -> ValidToken:
    """What the token a request is about stands for; raises NotFound."""
    if not token:
        raise NoSubjectToken
    found = await token_find(app, token)
    if found is None:
        raise TokenNotFound
    return found


async def _open_domain(app: Identity, domain_id: str) -> Project | None:
    """The domain, if it is enabled."""
    domain = await domain_find(app, domain_id)
    return domain if domain is not None and domain.enabled else None


async def _open_place(app: Identity, scope: Scope) -> tuple[Project | None, Project | None] | None:
    """The project and the domain of a scope, as far as it has them; None when one is missing or disabled."""
    if scope.kind is ScopeKind.DOMAIN:
        domain = await _open_domain(app, scope.id)
        return (None, domain) if domain is not None else None
    if scope.kind is ScopeKind.PROJECT:
        project = await project_find(app, scope.id)
        if project is None or not project.enabled:
            return None
        owner = await _open_domain(app, project.domain_id or project.id)
        return (project, owner) if owner is not None else None
    return None, None


async def _open_user(app: Identity, user_id: str, issued_at: dt.datetime) -> tuple[User, Project] | None:
    """A user who may act by a token of that time, and their domain."""
    user = await user_find(app, user_id)
    if user is None or not user.enabled or (user.tokens_after is not None and issued_at < user.tokens_after):
        return None
    domain = await _open_domain(app, user.domain_id)
    return (user, domain) if domain is not None else None


async def _by_trust(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """What a token from a trust stands for; None unless all trusts behind it hold, each within the one before it."""
    trust = await trust_of(app, payload.scope.id)
    chain = await trusts_behind(app, trust) if trust is not None else None
    if trust is None or chain is None or trust.trustee_user_id != payload.user_id:
        return None
    behalf = chain[0].trustor_user_id
    if not await _all_open(app, payload, [one.trustor_user_id for one in chain]):
        return None
    source = await reach_in(app, behalf, trust.project_id)
    for one in chain:
        asked = reach_of_trust(one, behalf)
        if widening(source, asked) is not None:
            return None
        source = asked
    acts = trust.trustor_user_id if trust.impersonation else trust.trustee_user_id
    found = await _derived(app, token, payload, acts, source)
    if found is None or await _open_user(app, trust.trustee_user_id, payload.issued_at) is None:
        return None
    # Whoever acts, the roles are those of the first who gave them.
    return await _until_groups_end(app, msgspec.structs.replace(found, trust=trust), behalf)


async def _all_open(app: Identity, payload: Payload, user_ids: list[str]) -> bool:
    """Whether all of them may still act."""
    for user_id in user_ids:
        if await _open_user(app, user_id, payload.issued_at) is None:
            return False
    return True


async def _by_application(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """What a token from an application credential stands for; None unless its user still has all its roles."""
    application = await application_find(app, payload.scope.id)
    if application is None or application.user_id != payload.user_id or not application.holds(app.clock.now()):
        return None
    asked = await reach_of_application(app, application)
    if widening(await reach_in(app, application.user_id, application.project_id), asked) is not None:
        return None
    if (payload.thumbprint or None) != application.certificate:
        return None
    found = await _derived(app, token, payload, payload.user_id, asked)
    if found is None:
        return None
    rules = await rules_of_application(app, application)
    caller = msgspec.structs.replace(found.caller, access_rules=None if rules is None else tuple(rules))
    return msgspec.structs.replace(found, caller=caller, application=application)


async def _by_keys(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """What a token for a signature stands for: all its user may do in the one project of the pair of keys."""
    keys = await credential_find(app, payload.scope.id)
    if keys is None or keys.user_id != payload.user_id or keys.project_id is None:
        return None
    found = await _derived(app, token, payload, keys.user_id, await reach_in(app, keys.user_id, keys.project_id))
    return None if found is None else msgspec.structs.replace(found, keys=keys)


async def _by_access_token(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """What a token of an OAuth consumer stands for; None unless the user still has all the roles they granted."""
    access = await ACCESSES.find(app, payload.scope.id)
    if access is None or access.user_id != payload.user_id or not access.holds(app.clock.now()):
        return None
    asked = reach_of_access(access)
    if widening(await reach_in(app, access.user_id, access.project_id), asked) is not None:
        return None
    found = await _derived(app, token, payload, access.user_id, asked)
    return None if found is None else msgspec.structs.replace(found, access=access)


async def _derived(app: Identity, token: str, payload: Payload, acts: str, reach: Reach) -> ValidToken | None:
    """What somebody who acts within a reach stands for; None when they, or the project, may not be used any more."""
    whose = await _open_user(app, acts, payload.issued_at)
    place = await _open_place(app, Scope(ScopeKind.PROJECT, reach.project_id or ""))
    roles = (await role_graph(app)).effective(reach.role_ids)
    if whose is None or place is None or not roles:
        return None
    return ValidToken(
        payload=payload,
        caller=_caller(token, payload, whose[0], place[0], roles),
        user=whose[0],
        user_domain=whose[1],
        project=place[0],
        domain=place[1],
        roles=roles,
        until=reach.expires_at,
    )


async def _by_itself(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """What a token that stands for its whole user stands for."""
    whose = await _open_user(app, payload.user_id, payload.issued_at)
    place = await _open_place(app, payload.scope)
    if whose is None or place is None:
        return None
    user, user_domain = whose
    project, domain = place
    came = payload.federated
    roles = await roles_in(app, user.id, payload.scope, project, came.group_ids if came else ())
    if payload.scope.kind is not ScopeKind.NONE and not roles:
        return None
    return ValidToken(
        payload=payload,
        caller=_caller(token, payload, user, project, roles),
        user=user,
        user_domain=user_domain,
        project=project,
        domain=domain,
        roles=roles,
    )


async def stands_for(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """User, scope and roles of a token as they are now; None if any of them does not hold any more."""
    found = await _stands_for(app, token, payload)
    if found is None or found.payload.scope.kind is ScopeKind.NONE:
        return found
    return await _until_groups_end(app, found, found.user.id)


async def _until_groups_end(app: Identity, found: ValidToken, user_id: str) -> ValidToken:
    """The same, to be looked at again when the user, whose roles it stands on, is in one of their groups no longer."""
    ends = [one.expires_at for one in (await expiring_groups(app, user_id))[:1]]
    ends += [found.until] if found.until is not None else []
    return msgspec.structs.replace(found, until=min(ends)) if ends else found


async def _stands_for(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    match payload.scope.kind:
        case ScopeKind.TRUST:
            return await _by_trust(app, token, payload)
        case ScopeKind.APPLICATION:
            return await _by_application(app, token, payload)
        case ScopeKind.KEYS:
            return await _by_keys(app, token, payload)
        case ScopeKind.OAUTH1:
            return await _by_access_token(app, token, payload)
        case _:
            return await _by_itself(app, token, payload)


def _caller(token: str, payload: Payload, user: User, project: Project | None, roles: tuple[Role, ...]) -> Caller:
    return Caller(
        user_id=user.id,
        user_name=user.name,
        user_domain_id=user.domain_id,
        project_id=project.id if project else None,
        project_name=project.name if project else None,
        project_domain_id=(project.domain_id or project.id) if project else None,
        domain_id=payload.scope.id if payload.scope.kind is ScopeKind.DOMAIN else None,
        system=payload.scope.kind is ScopeKind.SYSTEM,
        roles=frozenset(role.name.lower() for role in roles),
        token=token,
        certificate=payload.thumbprint or None,
    )
