"""Tokens: logging in, telling who a token stands for, revoking.

Whatever is wrong with a login, the answer is the same and takes as long: nobody learns from it which users exist.
"""

import datetime as dt

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.applications import application_proven
from pileus.identity.commands.passwords import password_is, refuse_used_password, remember_password
from pileus.identity.commands.trusts import trust_of, use_trust
from pileus.identity.commands.validity import stands_for, token_find
from pileus.identity.errors import (
    NoDelegationOfDelegation,
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
    Scope,
    ScopeKind,
    User,
    ValidToken,
    new_audit_id,
)
from pileus.identity.models.entities import SYSTEM
from pileus.identity.store import changing, count_change, follow
from pileus.identity.store.applications import application_by_name, application_find
from pileus.identity.store.projects import domain_by_name, domain_find, project_by_name
from pileus.identity.store.revocations import revocation_add
from pileus.identity.store.users import user_by_name, user_change, user_find


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


class ApplicationNamed(msgspec.Struct, frozen=True):
    """An application credential with its secret, named by id, or by name and user."""

    secret: str
    id: str | None = None
    name: str | None = None
    user: Named | None = None


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody says who they are, and where they want to act; without a scope, in their default project."""

    methods: tuple[str, ...]
    user: Named | None = None
    password: str | None = None
    token: str | None = None
    application: ApplicationNamed | None = None
    scope: ScopeAsked | None = None


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
        if scope.kind in {ScopeKind.TRUST, ScopeKind.APPLICATION}:
            scoped = await _within_its_end(app, scoped)
        token = app.seal.seal(scoped.packed())
        found = await stands_for(app, token, scoped)
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
        found |= Method[name.upper()]
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
                if held.trust is not None or held.application is not None:
                    raise NoDelegationOfDelegation(what="no other token")
                users.append(held.user)
                parent = held.payload
            case "application_credential":
                users.append(await _by_application_secret(app, login))
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


async def _by_application_secret(app: Identity, login: Login) -> User:
    named = login.application
    if named is None:
        raise NotAuthenticated
    whose = await _user_named(app, named.user) if named.user else None
    found = await application_proven(
        app, id=named.id, user_id=whose.id if whose else None, name=named.name, secret=named.secret
    )
    user = await user_find(app, found.user_id)
    if user is None:
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
    if login.application is not None:
        return await _scope_of_application(app, login.application, user, asked)
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


async def _scope_of_application(
    app: Identity, named: ApplicationNamed, user: User, asked: ScopeAsked | None
) -> list[Scope]:
    """An application credential is good in its own project only, and is not asked to name it."""
    if asked is not None:
        return []
    if named.id is not None:
        return [Scope(ScopeKind.APPLICATION, named.id)]
    found = await application_by_name(app, user.id, named.name or "")
    return [Scope(ScopeKind.APPLICATION, found.id)] if found else []


async def _within_its_end(app: Identity, payload: Payload) -> Payload:
    """The payload, which ends when the trust or the application credential does that it came from."""
    find = trust_of if payload.scope.kind is ScopeKind.TRUST else application_find
    source = await find(app, payload.scope.id)
    if source is None or source.expires_at is None:
        return payload
    return msgspec.structs.replace(payload, expires_at=min(payload.expires_at, source.expires_at))
