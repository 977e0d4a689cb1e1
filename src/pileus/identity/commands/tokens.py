"""Tokens: logging in, revoking; and what somebody gets who has not proven enough yet.

A login whose user must prove more than it does is answered with a receipt: whoever shows it next time need not prove the
same again.
"""

import datetime as dt

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.attempts import Attempt, attempted
from pileus.identity.commands.delegation import trusts_behind
from pileus.identity.commands.passwords import mark_active
from pileus.identity.commands.proofs import PROOFS, Proven, domain_named, prove
from pileus.identity.commands.trusts import trust_of, use_trust
from pileus.identity.commands.validity import stands_for
from pileus.identity.errors import NotAuthenticated, ReceiptNotFound
from pileus.identity.models import (
    Method,
    Payload,
    Project,
    Scope,
    ScopeKind,
    User,
    ValidToken,
    new_audit_id,
    read_payload,
)
from pileus.identity.models.entities import SYSTEM
from pileus.identity.models.logins import Login, ScopeAsked, missing_methods
from pileus.identity.store import count_change, follow
from pileus.identity.store.applications import application_find
from pileus.identity.store.oauth import ACCESSES
from pileus.identity.store.projects import domain_find, project_by_name
from pileus.identity.store.revocations import revocation_add
from pileus.identity.store.users import user_find


class Receipt(msgspec.Struct, frozen=True):
    """What somebody has proven who must prove more: one of these sets of methods."""

    sealed: str
    payload: Payload
    user: User
    user_domain: Project
    required: list[list[str]]


async def log_in(app: Identity, login: Login) -> tuple[str, ValidToken] | Receipt:
    """A new token for who can prove who they are, or a receipt for who must prove more; raises Unauthorized.

    Those who audit are told how it ended; who fails too often has to wait.
    """
    named = (login.user, login.passcode_user)
    async with attempted(app, Attempt(login.methods, login.address, named)) as attempt:
        found = await _log_in(app, login)
        attempt.user_id = (found.user if isinstance(found, Receipt) else found[1].user).id
        attempt.missing = "InsufficientAuthMethods" if isinstance(found, Receipt) else None
    return found


async def _log_in(app: Identity, login: Login) -> tuple[str, ValidToken] | Receipt:
    await follow(app)
    proven = await prove(app, login)
    earlier = await _shown(app, login.receipt) if login.receipt else None
    if not proven and earlier is None:
        raise NotAuthenticated
    user = proven[0].user if proven else await user_find(app, earlier.user_id if earlier else "")
    if user is None or (earlier is not None and earlier.user_id != user.id):
        raise NotAuthenticated
    payload = _payload(app, user, proven, earlier)
    required = missing_methods(user.options, frozenset(PROOFS), frozenset(payload.methods.names()))
    if required:
        return await _receipt(app, payload, user, required)
    return await issue(app, payload, await _scopes_to_try(app, login, user, proven))


async def issue(app: Identity, payload: Payload, scopes: list[Scope]) -> tuple[str, ValidToken]:
    """A token for the first of the scopes in which the payload stands for anything; raises Unauthorized."""
    for scope in scopes:
        generation = app.memory.generation
        scoped = await _within_its_source(app, msgspec.structs.replace(payload, scope=scope))
        token = app.tokens.issue(scoped)
        found = await stands_for(app, token, scoped)
        if found is not None:
            if found.trust is not None:
                await use_trust(app, found.trust)
            await mark_active(app, found.user)
            app.memory.keep_token(token, found, generation)
            return token, found
    raise NotAuthenticated


def fresh_payload(app: Identity, user: User, methods: Method) -> Payload:
    """The payload of a login without anything before it."""
    now = app.clock.now()
    return Payload(
        user_id=user.id,
        methods=methods,
        scope=Scope(),
        issued_at=now,
        expires_at=now.replace(microsecond=0) + dt.timedelta(seconds=app.config.token_lifetime_s),
        audit_ids=(new_audit_id(),),
    )


def _payload(app: Identity, user: User, proven: list[Proven], earlier: Payload | None) -> Payload:
    """What the token will say; one that comes from another ends with it, and says how that was got."""
    methods = Method(0)
    for one in proven:
        methods |= one.method
    parent = next((one.parent for one in proven if one.parent is not None), None)
    for before in (parent, earlier):
        methods |= before.methods if before is not None else Method(0)
    payload = fresh_payload(app, user, methods)
    if parent is None:
        return payload
    return msgspec.structs.replace(
        payload,
        expires_at=parent.expires_at,
        audit_ids=(payload.audit_ids[0], parent.audit_ids[-1]),
        federated=parent.federated,
    )


async def revoke_token(app: Identity, subject: ValidToken) -> None:
    """The token is void at once; others of the same login are not."""
    audit_id, expires_at = subject.payload.audit_ids[0], subject.payload.expires_at
    async with app.db.transaction():
        await revocation_add(app, audit_id, expires_at)
        await count_change(app)
        app.db.on_commit(lambda: app.memory.revoked(audit_id, expires_at, app.clock.now()))


# -- receipts -----------------------------------------------------------------------------------------------------------


async def _receipt(app: Identity, payload: Payload, user: User, required: list[list[str]]) -> Receipt:
    domain = await domain_find(app, user.domain_id)
    if domain is None or not domain.enabled or not user.enabled:
        raise NotAuthenticated
    ends = payload.issued_at.replace(microsecond=0) + dt.timedelta(seconds=app.config.receipt_lifetime_s)
    payload = msgspec.structs.replace(payload, expires_at=min(payload.expires_at, ends))
    return Receipt(app.receipts.seal(payload.packed()), payload, user, domain, required)


async def _shown(app: Identity, receipt: str) -> Payload:
    """What was proven before; raises ReceiptNotFound."""
    packed = app.receipts.open(receipt)
    payload = read_payload(packed) if packed is not None else None
    user = await user_find(app, payload.user_id) if payload is not None else None
    if payload is None or user is None or payload.expires_at <= app.clock.now():
        raise ReceiptNotFound
    if user.tokens_after is not None and payload.issued_at < user.tokens_after:
        raise ReceiptNotFound
    return payload


# -- where --------------------------------------------------------------------------------------------------------------


async def _scopes_to_try(app: Identity, login: Login, user: User, proven: list[Proven]) -> list[Scope]:
    """The scope asked for, or the only one the proof is good for; without one the default project, or none."""
    only = [one.scope for one in proven if one.scope is not None]
    if only:
        # Such a proof is good in its own project only, and is not asked to name it.
        return only if login.scope is None and len(only) == 1 else []
    if login.scope is not None:
        scope = await scope_of(app, login.scope)
        return [scope] if scope is not None else []
    default = [Scope(ScopeKind.PROJECT, user.default_project_id)] if user.default_project_id else []
    return [*default, Scope()]


async def scope_of(app: Identity, asked: ScopeAsked) -> Scope | None:
    """The scope asked for; None when there is no such thing."""
    if asked.system:
        return Scope(ScopeKind.SYSTEM, SYSTEM)
    if asked.trust_id is not None:
        return Scope(ScopeKind.TRUST, asked.trust_id)
    if asked.domain is not None:
        domain = await domain_named(app, asked.domain)
        return Scope(ScopeKind.DOMAIN, domain.id) if domain else None
    if asked.project is None:
        return Scope()
    if asked.project.id is not None:
        return Scope(ScopeKind.PROJECT, asked.project.id)
    owner = await domain_named(app, asked.project.domain)
    project = await project_by_name(app, asked.project.name, owner.id) if owner and asked.project.name else None
    return Scope(ScopeKind.PROJECT, project.id) if project else None


async def _within_its_source(app: Identity, payload: Payload) -> Payload:
    """The payload, which ends when what it comes from does, and is bound to the same certificate."""
    ends: list[dt.datetime | None] = []
    match payload.scope.kind:
        case ScopeKind.TRUST:
            trust = await trust_of(app, payload.scope.id)
            ends = [one.expires_at for one in (await trusts_behind(app, trust) or [])] if trust else []
        case ScopeKind.APPLICATION:
            application = await application_find(app, payload.scope.id)
            ends = [application.expires_at] if application else []
            bound = application.certificate if application else None
            payload = msgspec.structs.replace(payload, thumbprint=bound or "")
        case ScopeKind.OAUTH1:
            access = await ACCESSES.find(app, payload.scope.id)
            ends = [access.expires_at] if access else []
        case _:
            return payload
    return msgspec.structs.replace(payload, expires_at=min([payload.expires_at, *(end for end in ends if end)]))
