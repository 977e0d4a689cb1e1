"""Who somebody is: each way to prove it, by its name on the wire.

Whatever is wrong with a proof, the answer is the same and takes as long: nobody learns from it which users exist.
"""

from collections.abc import Awaitable, Callable

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.applications import application_proven
from pileus.identity.commands.credentials import TOTP, blob_of
from pileus.identity.commands.delegation import refuse_less_than_user
from pileus.identity.commands.directories import binds, directory_of, user_mirrored
from pileus.identity.commands.oauth1 import access_proven
from pileus.identity.commands.passwords import password_is, refuse_unusable
from pileus.identity.commands.validity import token_find
from pileus.identity.errors import NotAuthenticated, TokenNotFound, UnknownMethod
from pileus.identity.models import Method, Payload, Project, Scope, ScopeKind, User
from pileus.identity.models.logins import Login, Named
from pileus.identity.models.totp import counter_of, secret_of
from pileus.identity.store import count_change
from pileus.identity.store.delegation import CREDENTIALS_LIST
from pileus.identity.store.oauth import passcode_use
from pileus.identity.store.projects import domain_by_name, domain_find
from pileus.identity.store.users import user_by_name, user_find


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is; the token they came with, and the only scope the proof is good for, where it is so."""

    user: User
    method: Method
    parent: Payload | None = None
    scope: Scope | None = None


async def user_named(app: Identity, named: Named) -> User | None:
    """The user of this id, or of this name in this domain."""
    if named.id is not None:
        return await user_find(app, named.id)
    domain = await domain_named(app, named.domain)
    return await user_by_name(app, named.name, domain.id) if domain and named.name else None


async def domain_named(app: Identity, named: Named | None) -> Project | None:
    """The domain of this id or name."""
    if named is None:
        return None
    if named.id is not None:
        return await domain_find(app, named.id)
    return await domain_by_name(app, named.name) if named.name else None


async def _by_password(app: Identity, login: Login) -> Proven:
    user = await user_named(app, login.user) if login.user else None
    domain = await _directory(app, login.user, user)
    if domain is not None:
        return await _by_directory(app, login, user, domain)
    right = await password_is(app, user.id if user else "", user, login.password or "")
    if not right or user is None:
        raise NotAuthenticated
    refuse_unusable(app, user)
    return Proven(user=user, method=Method.PASSWORD)


async def _directory(app: Identity, named: Named | None, user: User | None) -> str | None:
    """The domain whose directory the user is in, or would be; None when it is the database."""
    if user is not None:
        domain_id: str | None = user.domain_id
    else:
        domain = await domain_named(app, named.domain) if named is not None else None
        domain_id = domain.id if domain is not None else None
    return domain_id if domain_id is not None and await directory_of(app, domain_id) is not None else None


async def _by_directory(app: Identity, login: Login, known: User | None, domain_id: str) -> Proven:
    name = known.name if known is not None else (login.user.name if login.user is not None else None)
    user = await user_mirrored(app, domain_id, name) if name else None
    if not await binds(app, user, domain_id, login.password or "") or user is None:
        raise NotAuthenticated
    return Proven(user=user, method=Method.PASSWORD)


async def _by_passcode(app: Identity, login: Login) -> Proven:
    user = await user_named(app, login.passcode_user) if login.passcode_user else None
    where = {"user_id": user.id if user else "", "type": TOTP}
    for credential in await app.db.page(CREDENTIALS_LIST, where=where):
        secret = secret_of(blob_of(app, credential))
        if secret is None:
            continue
        counter = counter_of(secret, login.passcode or "", app.clock.now().timestamp(), app.config.totp_steps_before)
        if counter is None:
            continue
        async with app.db.transaction():
            await count_change(app)  # one at a time, also between controllers: a passcode is good once
            fresh = await passcode_use(app, credential.id, counter)
        if user is not None and fresh:
            return Proven(user=user, method=Method.TOTP)
    raise NotAuthenticated


async def _by_token(app: Identity, login: Login) -> Proven:
    held = await token_find(app, login.token) if login.token else None
    if held is None:
        raise TokenNotFound
    refuse_less_than_user(held, "no other token")
    return Proven(user=held.user, method=Method.TOKEN, parent=held.payload)


async def _by_arrival(app: Identity, login: Login) -> Proven:
    proven = await _by_token(app, login)
    if proven.parent is None or proven.parent.federated is None:
        raise NotAuthenticated
    return proven


async def _by_application(app: Identity, login: Login) -> Proven:
    named = login.application
    if named is None:
        raise NotAuthenticated
    whose = await user_named(app, named.user) if named.user else None
    found = await application_proven(
        app, id=named.id, user_id=whose.id if whose else None, name=named.name, secret=named.secret
    )
    user = await user_find(app, found.user_id)
    if user is None:
        raise NotAuthenticated
    return Proven(user=user, method=Method.APPLICATION_CREDENTIAL, scope=Scope(ScopeKind.APPLICATION, found.id))


async def _by_oauth1(app: Identity, login: Login) -> Proven:
    access = await access_proven(app, login.oauth1)
    user = await user_find(app, access.user_id)
    if user is None:
        raise NotAuthenticated
    return Proven(user=user, method=Method.OAUTH1, scope=Scope(ScopeKind.OAUTH1, access.id))


async def _by_proxy(app: Identity, login: Login) -> Proven:
    user = await user_named(app, login.remote_user) if login.remote_user else None
    if user is None:
        raise NotAuthenticated
    return Proven(user=user, method=Method.EXTERNAL)


PROOFS: dict[str, Callable[[Identity, Login], Awaitable[Proven]]] = {
    "password": _by_password,
    "token": _by_token,
    "application_credential": _by_application,
    TOTP: _by_passcode,
    "oauth1": _by_oauth1,
    "external": _by_proxy,
    "mapped": _by_arrival,
    "saml2": _by_arrival,
    "openid": _by_arrival,
}


async def prove(app: Identity, login: Login) -> list[Proven]:
    """What each method of a login proves, all of the same user; raises Unauthorized."""
    found: list[Proven] = []
    for method in login.methods:
        proof = PROOFS.get(method)
        if proof is None:
            raise UnknownMethod
        found.append(await proof(app, login))
    if any(one.user.id != found[0].user.id for one in found):
        raise NotAuthenticated
    return found
