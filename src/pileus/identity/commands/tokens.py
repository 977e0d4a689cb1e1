"""Tokens: logging in, telling who a token stands for, revoking.

Whatever is wrong with a login, the answer is the same and takes as long: nobody learns from it which users exist.
"""

import datetime as dt

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.passwords import password_is, refuse_used_password, remember_password
from pileus.identity.commands.scopes import roles_in
from pileus.identity.commands.trusts import roles_to_trust, trust_of, use_trust
from pileus.identity.errors import (
    NoDelegationOfDelegation,
    NoSubjectToken,
    NotAuthenticated,
    PasswordLocked,
    TokenNotFound,
    UnknownMethod,
    WrongPassword,
)
from pileus.identity.models import (
    Method,
    Payload,
    Project,
    Role,
    Scope,
    ScopeKind,
    User,
    ValidToken,
    new_audit_id,
    read_payload,
)
from pileus.identity.models.entities import SYSTEM
from pileus.identity.store import changing, count_change, follow
from pileus.identity.store.projects import domain_by_name, domain_find, project_by_name, project_find
from pileus.identity.store.revocations import revocation_add, revocation_is
from pileus.identity.store.roles import role_graph
from pileus.identity.store.users import user_by_name, user_change, user_find
from pileus.kit.auth import Caller


class Named(msgspec.Struct, frozen=True):
    """A thing named by id, or by name and, where names repeat, the domain it is in."""

    id: str | None = None
    name: str | None = None
    domain: "Named | None" = None


class ScopeAsked(msgspec.Struct, frozen=True):
    """The scope a login asks for; nothing of it set means: explicitly none."""

    project: Named | None = None
    domain: Named | None = None
    system: bool = False
    trust_id: str | None = None


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody says who they are, and where they want to act; without a scope, in their default project."""

    methods: tuple[str, ...]
    user: Named | None = None
    password: str | None = None
    token: str | None = None
    scope: ScopeAsked | None = None


async def token_find(app: Identity, token: str) -> ValidToken | None:
    """What a token stands for; None when it is unknown, expired, revoked, or stands for nothing any more."""
    await follow(app)
    now = app.clock.now()
    known = app.memory.token(token, now)
    if known is not None:
        return known
    generation = app.memory.generation
    packed = app.seal.open(token)
    payload = read_payload(packed) if packed is not None else None
    if payload is None or payload.expires_at <= now or await revocation_is(app, payload.audit_ids[0]):
        return None
    found = await _stands_for(app, token, payload)
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


async def log_in(app: Identity, login: Login) -> tuple[str, ValidToken]:
    """A new token for who can prove who they are; raises Unauthorized."""
    await follow(app)
    user, parent = await _proven(app, login)
    now = app.clock.now()
    expires = now.replace(microsecond=0) + dt.timedelta(seconds=app.config.token_lifetime_s)
    payload = Payload(
        user_id=user.id,
        methods=_methods(login) | (parent.methods if parent else Method(0)),
        scope=Scope(),
        issued_at=now,
        expires_at=parent.expires_at if parent else expires,
        audit_ids=(new_audit_id(), parent.audit_ids[-1]) if parent else (new_audit_id(),),
    )
    for scope in await _scopes_to_try(app, login, user):
        generation = app.memory.generation
        scoped = msgspec.structs.replace(payload, scope=scope)
        if scope.kind is ScopeKind.TRUST:
            scoped = await _within_trust(app, scoped)
        token = app.seal.seal(scoped.packed())
        found = await _stands_for(app, token, scoped)
        if found is not None:
            if found.trust is not None:
                await use_trust(app, found.trust)
            app.memory.keep_token(token, found, generation)
            return token, found
    raise NotAuthenticated


async def revoke_token(app: Identity, subject: ValidToken) -> None:
    """The token is void at once; others of the same login are not."""
    audit_id, expires_at = subject.payload.audit_ids[0], subject.payload.expires_at
    async with app.db.transaction():
        await revocation_add(app, audit_id, expires_at)
        await count_change(app)
        app.db.on_commit(lambda: app.memory.revoked(audit_id, expires_at, app.clock.now()))


async def change_own_password(app: Identity, user_id: str, original: str, password: str) -> None:
    """The user has the new password, and every token issued so far is void."""
    user = await user_find(app, user_id)
    if not await password_is(app, user_id, user, original):
        raise WrongPassword
    if user is None or not user.enabled:
        raise NotAuthenticated
    if user.options.get("lock_password"):
        raise PasswordLocked
    await refuse_used_password(app, user_id, password)
    stored = await app.passwords.hashed(password)
    async with changing(app):
        await user_change(app, user_id, password_hash=stored, tokens_after=app.clock.now())
        await remember_password(app, user_id, stored)
        app.db.on_commit(lambda: app.passwords.forget(user_id))


# -- who ----------------------------------------------------------------------------------------------------------------


def _methods(login: Login) -> Method:
    found = Method(0)
    for name in login.methods:
        found |= Method.PASSWORD if name == "password" else Method.TOKEN
    return found


async def _proven(app: Identity, login: Login) -> tuple[User, Payload | None]:
    """The user all methods agree on, and the token they came with."""
    users: list[User] = []
    parent: Payload | None = None
    for method in login.methods:
        match method:
            case "password":
                users.append(await _by_password(app, login))
            case "token":
                held = await token_find(app, login.token) if login.token else None
                if held is None:
                    raise TokenNotFound
                if held.trust is not None:
                    raise NoDelegationOfDelegation(what="no other token")
                users.append(held.user)
                parent = held.payload
            case _:
                raise UnknownMethod
    if not users or any(user.id != users[0].id for user in users):
        raise NotAuthenticated
    return users[0], parent


async def _by_password(app: Identity, login: Login) -> User:
    user = await _user_named(app, login.user) if login.user else None
    right = await password_is(app, user.id if user else "", user, login.password or "")
    if not right or user is None:
        raise NotAuthenticated
    expires_at = None if user.options.get("ignore_password_expiry") else user.password_expires_at
    if expires_at is not None and expires_at <= app.clock.now():
        raise NotAuthenticated
    return user


async def _user_named(app: Identity, named: Named) -> User | None:
    if named.id is not None:
        return await user_find(app, named.id)
    domain = await _domain_named(app, named.domain)
    return await user_by_name(app, named.name, domain.id) if domain and named.name else None


async def _domain_named(app: Identity, named: Named | None) -> Project | None:
    if named is None:
        return None
    if named.id is not None:
        return await domain_find(app, named.id)
    return await domain_by_name(app, named.name) if named.name else None


# -- where --------------------------------------------------------------------------------------------------------------


async def _scopes_to_try(app: Identity, login: Login, user: User) -> list[Scope]:
    """The scope asked for; without one the default project, or none where the user has no role there."""
    asked = login.scope
    if asked is None:
        default = [Scope(ScopeKind.PROJECT, user.default_project_id)] if user.default_project_id else []
        return [*default, Scope()]
    if asked.system:
        return [Scope(ScopeKind.SYSTEM, SYSTEM)]
    if asked.trust_id is not None:
        return [Scope(ScopeKind.TRUST, asked.trust_id)]
    if asked.domain is not None:
        domain = await _domain_named(app, asked.domain)
        return [Scope(ScopeKind.DOMAIN, domain.id)] if domain else []
    if asked.project is None:
        return [Scope()]
    project_id = asked.project.id
    if project_id is None:
        owner = await _domain_named(app, asked.project.domain)
        project = await project_by_name(app, asked.project.name, owner.id) if owner and asked.project.name else None
        project_id = project.id if project else None
    return [Scope(ScopeKind.PROJECT, project_id)] if project_id else []


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


async def _within_trust(app: Identity, payload: Payload) -> Payload:
    """The payload, which ends when its trust does."""
    trust = await trust_of(app, payload.scope.id)
    if trust is None or trust.expires_at is None:
        return payload
    return msgspec.structs.replace(payload, expires_at=min(payload.expires_at, trust.expires_at))


async def _by_trust(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """What a token from a trust stands for; None unless the trustor still has every role the trust gives."""
    trust = await trust_of(app, payload.scope.id)
    if trust is None or trust.trustee_user_id != payload.user_id:
        return None
    trustee = await _open_user(app, trust.trustee_user_id, payload.issued_at)
    trustor = await _open_user(app, trust.trustor_user_id, payload.issued_at)
    place = await _open_place(app, Scope(ScopeKind.PROJECT, trust.project_id))
    if trustee is None or trustor is None or place is None:
        return None
    held = await roles_to_trust(app, trust.trustor_user_id, trust.project_id)
    if not trust.role_ids or not set(trust.role_ids) <= held.keys():
        return None
    user, user_domain = trustor if trust.impersonation else trustee
    roles = (await role_graph(app)).effective(trust.role_ids)
    return ValidToken(
        payload=payload,
        caller=_caller(token, payload, user, place[0], roles),
        user=user,
        user_domain=user_domain,
        project=place[0],
        domain=place[1],
        roles=roles,
        trust=trust,
    )


async def _stands_for(app: Identity, token: str, payload: Payload) -> ValidToken | None:
    """User, scope and roles of a token as they are now; None if any of them does not hold any more."""
    if payload.scope.kind is ScopeKind.TRUST:
        return await _by_trust(app, token, payload)
    whose = await _open_user(app, payload.user_id, payload.issued_at)
    place = await _open_place(app, payload.scope)
    if whose is None or place is None:
        return None
    user, user_domain = whose
    project, domain = place
    roles = await roles_in(app, user.id, payload.scope, project)
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
    )
