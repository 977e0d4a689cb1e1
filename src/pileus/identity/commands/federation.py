"""Identity providers, protocols, mappings and service providers: making, changing and deleting them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.identity.app import Identity
from pileus.identity.errors import BadMapping, Duplicate, Missing, ReferenceMissing
from pileus.identity.models import Project, new_id
from pileus.identity.models.federation import IdentityProvider, KeptMapping, Protocol, ServiceProvider
from pileus.identity.models.mapping import BadRules, read_rules
from pileus.identity.store import changing
from pileus.identity.store import federation as store
from pileus.identity.store.projects import domain_find, project_create
from pileus.kit.db import UniqueViolation


async def create_provider(app: Identity, provider: IdentityProvider) -> IdentityProvider:
    """The identity provider is known; where no domain is named it gets one of its own for its users."""
    if provider.domain_id and await domain_find(app, provider.domain_id) is None:
        raise ReferenceMissing(kind="domain", id=provider.domain_id, field="domain_id")
    try:
        async with changing(app):
            if not provider.domain_id:
                domain = Project(
                    id=new_id(),
                    name=f"idp-{provider.id}"[:64],
                    is_domain=True,
                    description=f"Auto generated federated domain for Identity Provider: {provider.id}",
                )
                await project_create(app, domain)
                provider = msgspec.structs.replace(provider, domain_id=domain.id)
            await store.PROVIDERS.create(app, provider)
            await store.remotes_set(app, provider.id, provider.remote_ids)
    except UniqueViolation:
        raise Duplicate(kind="identity_provider", what=f"ID {provider.id}, or with one of its remote IDs") from None
    return provider


async def change_provider(app: Identity, provider: IdentityProvider, given: Mapping[str, Any]) -> IdentityProvider:
    """The identity provider has these values."""
    changed = msgspec.structs.replace(provider, **given)
    try:
        async with changing(app):
            await store.PROVIDERS.change(app, provider.id, **given)
            if "remote_ids" in given:
                await store.remotes_set(app, provider.id, changed.remote_ids)
    except UniqueViolation:
        raise Duplicate(kind="identity_provider", what="one of its remote IDs") from None
    return changed


async def delete_provider(app: Identity, provider: IdentityProvider) -> None:
    """The identity provider is not known any more; its users stay, and come no more by it."""
    async with changing(app):
        await store.PROVIDERS.delete(app, provider.id)


def check_rules(rules: object, version: str) -> None:
    """Raise BadMapping unless the rules can be understood."""
    try:
        read_rules(rules, version)
    except BadRules as bad:
        raise BadMapping(why=str(bad)) from bad


async def create_mapping(app: Identity, mapping: KeptMapping) -> KeptMapping:
    """The mapping is kept."""
    check_rules(mapping.rules, mapping.schema_version)
    try:
        async with changing(app):
            await store.MAPPINGS.create(app, mapping)
    except UniqueViolation:
        raise Duplicate(kind="mapping", what=f"ID {mapping.id}") from None
    return mapping


async def change_mapping(app: Identity, mapping: KeptMapping, given: Mapping[str, Any]) -> KeptMapping:
    """The mapping has these values."""
    changed = msgspec.structs.replace(mapping, **given)
    check_rules(changed.rules, changed.schema_version)
    async with changing(app):
        await store.MAPPINGS.change(app, mapping.id, **given)
    return changed


async def delete_mapping(app: Identity, mapping: KeptMapping) -> None:
    """The mapping is gone."""
    async with changing(app):
        await store.MAPPINGS.delete(app, mapping.id)


async def create_protocol(app: Identity, protocol: Protocol) -> Protocol:
    """The identity provider tells whom it knows by this protocol."""
    await _check_mapping(app, protocol.mapping_id)
    if await store.PROVIDERS.find(app, protocol.idp_id) is None:
        raise Missing(kind="identity_provider", id=protocol.idp_id)
    try:
        async with changing(app):
            await store.protocol_create(app, protocol)
    except UniqueViolation:
        raise Duplicate(kind="protocol", what=f"ID {protocol.id}") from None
    return protocol


async def _check_mapping(app: Identity, mapping_id: str) -> None:
    if await store.MAPPINGS.find(app, mapping_id) is None:
        raise ReferenceMissing(kind="mapping", id=mapping_id, field="mapping_id")


async def change_protocol(app: Identity, protocol: Protocol, given: Mapping[str, Any]) -> Protocol:
    """The protocol has these values."""
    changed = msgspec.structs.replace(protocol, **given)
    await _check_mapping(app, changed.mapping_id)
    async with changing(app):
        await store.protocol_change(app, protocol, **given)
    return changed


async def delete_protocol(app: Identity, protocol: Protocol) -> None:
    """The identity provider does not come by this protocol any more."""
    async with changing(app):
        await store.protocol_delete(app, protocol)


async def create_service_provider(app: Identity, provider: ServiceProvider) -> ServiceProvider:
    """Our people may go to this cloud."""
    try:
        async with changing(app):
            await store.SERVICES.create(app, provider)
    except UniqueViolation:
        raise Duplicate(kind="service_provider", what=f"ID {provider.id}") from None
    return provider


async def change_service_provider(
    app: Identity, provider: ServiceProvider, given: Mapping[str, Any]
) -> ServiceProvider:
    """The service provider has these values."""
    async with changing(app):
        await store.SERVICES.change(app, provider.id, **given)
    return msgspec.structs.replace(provider, **given)


async def delete_service_provider(app: Identity, provider: ServiceProvider) -> None:
    """Our people do not go to this cloud any more."""
    async with changing(app):
        await store.SERVICES.delete(app, provider.id)


async def service_providers(app: Identity) -> list[ServiceProvider]:
    """The clouds our people may go to now."""

    async def read() -> list[ServiceProvider]:
        return await store.SERVICES.all(app, enabled=True)

    return await app.memory.fact("service providers", read)
