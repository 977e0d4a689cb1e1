"""People who come from an identity provider: whom the mapping makes of them, and the token they get.

    assertion -> mapping -> user (made at the first time), groups, projects -> unscoped token

What an assertion is worth is decided before: only a trusted proxy, a signed SAML response or a signed token of OpenID
Connect gets here.
"""

import datetime as dt

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.tokens import fresh_payload, issue
from pileus.identity.errors import Missing, NotAuthenticated, NotKnownAs
from pileus.identity.models import Assignment, Federated, Method, Project, Scope, User, ValidToken, new_id
from pileus.identity.models.federation import ExpiringMember, FederatedUser, IdentityProvider, KeptMapping, Protocol
from pileus.identity.models.mapping import (
    Assertion,
    BadAssertion,
    Mapped,
    MappedProject,
    MappedUser,
    Place,
    apply_rules,
)
from pileus.identity.store import changing, follow
from pileus.identity.store.federation import (
    MAPPINGS,
    PROVIDERS,
    federated_create,
    federated_find,
    member_keep,
    protocol_find,
)
from pileus.identity.store.projects import domain_by_name, domain_find, project_by_name, project_create
from pileus.identity.store.roles import assignment_add, assignment_remove, assignments_of_user, role_by_name
from pileus.identity.store.users import group_by_name, group_find, user_by_name, user_change, user_create, user_find
from pileus.kit.db import UniqueViolation
from pileus.kit.observe.log import log_of

log = log_of(__name__)
METHODS = {"saml2": Method.SAML2, "openid": Method.OPENID}


async def arrive(
    app: Identity, idp_id: str, protocol_id: str, assertion: Assertion, issuer: str | None = None
) -> tuple[str, ValidToken]:
    """An unscoped token for whom the identity provider asserts; `issuer` is who signed it, where we know ourselves."""
    await follow(app)
    provider, protocol = await _way(app, idp_id, protocol_id)
    _check_issuer(provider, protocol, assertion, issuer)
    mapping = await MAPPINGS.find(app, protocol.mapping_id)
    mapped = _mapped(mapping, provider, assertion) if mapping is not None else None
    if mapped is None:
        raise NotAuthenticated
    domain = await domain_find(app, provider.domain_id)
    if domain is None or not domain.enabled:
        raise NotAuthenticated
    user = await _user(app, provider, protocol, mapped.user)
    group_ids = await _groups(app, provider, mapped)
    await _settle(app, provider, user, group_ids, mapped)
    payload = fresh_payload(app, user, METHODS.get(protocol.id, Method.MAPPED))
    federated = Federated(provider.id, protocol.id, group_ids)
    return await issue(app, msgspec.structs.replace(payload, federated=federated), [Scope()])


def _mapped(mapping: KeptMapping, provider: IdentityProvider, assertion: Assertion) -> Mapped | None:
    try:
        return apply_rules(mapping.rules, mapping.schema_version, assertion)
    except BadAssertion as bad:
        log.warning("a mapping cannot use what a provider says", mapping=mapping.id, idp=provider.id, why=str(bad))
        return None


async def _way(app: Identity, idp_id: str, protocol_id: str) -> tuple[IdentityProvider, Protocol]:
    provider = await PROVIDERS.find(app, idp_id)
    protocol = await protocol_find(app, idp_id, protocol_id)
    if provider is None or protocol is None or not provider.enabled:
        raise NotAuthenticated
    return provider, protocol


def _check_issuer(provider: IdentityProvider, protocol: Protocol, assertion: Assertion, issuer: str | None) -> None:
    """Raise NotKnownAs unless the provider is known by the name the assertion gives it."""
    attribute = protocol.remote_id_attribute
    # Headers come in any case.
    named = {name.lower(): value for name, value in assertion.items()}
    said = issuer if issuer is not None else (named.get(attribute.lower()) if attribute else None)
    if issuer is None and attribute is None:
        return  # a proxy that asserts only what comes from this one, as it lets nobody else in
    if said is None or said not in provider.remote_ids:
        raise NotKnownAs(idp=provider.id)


async def _domain(app: Identity, place: Place | None, otherwise: str) -> Project | None:
    if place is None:
        return await domain_find(app, otherwise)
    return await domain_find(app, place.id) if place.id else await domain_by_name(app, place.name or "")


async def _user(app: Identity, provider: IdentityProvider, protocol: Protocol, mapped: MappedUser) -> User:
    if mapped.local:
        found = await user_find(app, mapped.id) if mapped.id else None
        domain = await _domain(app, mapped.domain, provider.domain_id)
        if found is None and mapped.name is not None and domain is not None:
            found = await user_by_name(app, mapped.name, domain.id)
        if found is None:
            raise NotAuthenticated
        return found
    unique_id = mapped.id or mapped.name or ""
    known = await federated_find(app, provider.id, protocol.id, unique_id)
    user = await user_find(app, known.user_id) if known is not None else None
    if user is None:
        return await _made_user(app, provider, protocol, unique_id, mapped)
    return await _renewed(app, user, mapped)


async def _renewed(app: Identity, user: User, mapped: MappedUser) -> User:
    """The user with the name and the address they have there now."""
    columns: dict[str, object] = {}
    if mapped.name is not None and mapped.name != user.name:
        columns["name"] = mapped.name
    if mapped.email is not None and mapped.email != user.extra.get("email"):
        columns["extra"] = {**user.extra, "email": mapped.email}
    if not columns:
        return user
    try:
        async with changing(app):
            await user_change(app, user.id, **columns)
    except UniqueViolation:
        log.warning("a user from elsewhere keeps their old name, as somebody has the new one", user=user.id)
        return user
    return msgspec.structs.replace(user, **columns)


async def _made_user(
    app: Identity, provider: IdentityProvider, protocol: Protocol, unique_id: str, mapped: MappedUser
) -> User:
    domain = await _domain(app, mapped.domain, provider.domain_id)
    if domain is None or not domain.enabled:
        raise NotAuthenticated
    extra = {"email": mapped.email} if mapped.email is not None else {}
    user = User(id=new_id(), name=(mapped.name or unique_id)[:255], domain_id=domain.id, extra=extra)
    federated = FederatedUser(user_id=user.id, idp_id=provider.id, protocol_id=protocol.id, unique_id=unique_id)
    try:
        async with changing(app):
            await user_create(app, user)
            await federated_create(app, federated)
    except UniqueViolation:
        # Somebody of this name is there who did not come this way: nobody becomes them by being called so.
        log.warning("somebody from elsewhere has the name of a user of ours", idp=provider.id, domain=domain.id)
        raise NotAuthenticated from None
    return user


async def _groups(app: Identity, provider: IdentityProvider, mapped: Mapped) -> tuple[str, ...]:
    """The groups that there are of those the mapping names."""
    found = [group_id for group_id in mapped.group_ids if await group_find(app, group_id) is not None]
    for named in mapped.groups:
        domain = await _domain(app, named.domain, provider.domain_id)
        group = await group_by_name(app, named.name, domain.id) if domain is not None else None
        if group is not None:
            found.append(group.id)
    return tuple(dict.fromkeys(found))


async def _settle(
    app: Identity, provider: IdentityProvider, user: User, group_ids: tuple[str, ...], mapped: Mapped
) -> None:
    """The user is in the groups for as long as the provider's word counts, and has the projects they shall have."""
    if provider.authorization_ttl and group_ids:
        expires_at = app.clock.now() + dt.timedelta(minutes=provider.authorization_ttl)
        async with changing(app):
            for group_id in group_ids:
                await member_keep(
                    app,
                    ExpiringMember(user_id=user.id, group_id=group_id, idp_id=provider.id, expires_at=expires_at),
                )
    given = [one for project in mapped.projects for one in await _provide(app, provider, user, project)]
    if mapped.projects_are_all and not mapped.user.local:
        await _take_back_others(app, user, given)


async def _provide(app: Identity, provider: IdentityProvider, user: User, wanted: MappedProject) -> list[Assignment]:
    """The project exists, and the user has these roles there: what is told."""
    domain = await _domain(app, wanted.domain, provider.domain_id)
    if domain is None:
        raise Missing(kind="domain", id=wanted.domain.name or wanted.domain.id if wanted.domain else provider.domain_id)
    given = []
    async with changing(app):
        name = wanted.name[:64]
        project = await project_by_name(app, name, domain.id)
        if project is None:
            project = Project(id=new_id(), name=name, domain_id=domain.id, parent_id=domain.id)
            await project_create(app, project)
        for name in wanted.roles:
            role = await role_by_name(app, name)
            if role is None:
                log.warning("a mapping gives a role there is not", role=name, idp=provider.id)
                continue
            given.append(
                Assignment(
                    actor_kind="user", actor_id=user.id, scope_kind="project", scope_id=project.id, role_id=role.id
                )
            )
            await assignment_add(app, given[-1])
    return given


async def _take_back_others(app: Identity, user: User, given: list[Assignment]) -> None:
    """The user has no roles of their own in projects but these; those through groups stay."""
    held = [one for one in await assignments_of_user(app, user.id) if one.actor_id == user.id]
    others = [one for one in held if one.scope_kind == "project" and one not in given]
    if not others:
        return
    async with changing(app):
        for one in others:
            await assignment_remove(app, one)
