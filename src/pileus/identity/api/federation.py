"""Identity providers, their protocols, the mappings of what they assert, and service providers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api.auth import domains as auth_domains
from pileus.identity.api.auth import projects as auth_projects
from pileus.identity.api.root import ADMIN_OR_SYSTEM_READER, Description, Links, ShortId, api, asked, link, listed
from pileus.identity.app import Identity
from pileus.identity.commands.federation import (
    change_mapping,
    change_protocol,
    change_provider,
    change_service_provider,
    create_mapping,
    create_protocol,
    create_provider,
    create_service_provider,
    delete_mapping,
    delete_protocol,
    delete_provider,
    delete_service_provider,
)
from pileus.identity.errors import Missing
from pileus.identity.models.federation import IdentityProvider, KeptMapping, Protocol, ServiceProvider
from pileus.identity.store.federation import MAPPINGS, PROTOCOLS_LIST, PROVIDERS, SERVICES, protocol_find
from pileus.kit.auth import Caller
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import ADMIN, ANY, Rule

ROOT = "/OS-FEDERATION"
PROVIDER = f"{ROOT}/identity_providers/{{idp_id}}"
PROTOCOL = f"{PROVIDER}/protocols/{{protocol_id}}"
MAPPING = f"{ROOT}/mappings/{{mapping_id}}"
SERVICE = f"{ROOT}/service_providers/{{service_provider_id}}"
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=r"^https?://[^\s]+$(?!\n)")]
Ttl = Annotated[int, msgspec.Meta(ge=0, le=10**8)]
RemoteId = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


def _rules(noun: str) -> dict[str, Rule]:
    reads = {verb: Rule(f"identity:{verb}_{noun}", ADMIN_OR_SYSTEM_READER) for verb in ("get",)}
    reads["list"] = Rule(f"identity:list_{noun}s", ADMIN_OR_SYSTEM_READER)
    return {**reads, **{verb: Rule(f"identity:{verb}_{noun}", ADMIN) for verb in ("create", "update", "delete")}}


# -- identity providers -------------------------------------------------------------------------------------------------

OF_PROVIDER = _rules("identity_provider")


class ProviderCreate(Wire):
    """A new identity provider."""

    description: Description | None = None
    enabled: bool = False
    domain_id: ShortId | None = None
    authorization_ttl: Ttl | None = None
    remote_ids: list[RemoteId] | None = []


class ProviderUpdate(Wire):
    """What shall change of an identity provider."""

    description: Description | None
    enabled: bool
    authorization_ttl: Ttl | None
    remote_ids: list[RemoteId] | None


class ProviderView(Wire):
    """An identity provider as it is shown."""

    id: str
    domain_id: str
    description: str | None
    enabled: bool
    authorization_ttl: int | None
    remote_ids: list[str]
    links: Links


class ProviderQuery(Query):
    """Which identity providers to list."""

    id: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


async def provider_find(app: Identity, _caller: Caller, idp_id: str) -> IdentityProvider | Missing:
    """The identity provider a path names."""
    return await PROVIDERS.find(app, idp_id) or Missing(kind="identity_provider", id=idp_id)


def provider_view(call: Call[Identity], one: IdentityProvider) -> ProviderView:
    """An identity provider as it is shown."""
    path = f"OS-FEDERATION/identity_providers/{one.id}"
    return ProviderView(
        id=one.id,
        domain_id=one.domain_id,
        description=one.description,
        enabled=one.enabled,
        authorization_ttl=one.authorization_ttl,
        remote_ids=list(one.remote_ids),
        links={**link(call, path), "protocols": call.url(f"/v3/{path}/protocols")},
    )


@api.get(f"{ROOT}/identity_providers", OF_PROVIDER["list"], key="identity_providers")
async def provider_index(call: Call[Identity], query: ProviderQuery, page: Page) -> list[ProviderView]:
    """List identity providers."""
    return [provider_view(call, one) for one in await listed(call, PROVIDERS.listing, asked(call, query))]


@api.put(PROVIDER, OF_PROVIDER["create"], key="identity_provider", status=201, on="c")
async def provider_create(call: Call[Identity], idp_id: str, body: ProviderCreate) -> ProviderView:
    """Create an identity provider."""
    made = IdentityProvider(
        id=idp_id,
        domain_id=body.domain_id or "",
        description=body.description,
        enabled=body.enabled,
        authorization_ttl=body.authorization_ttl,
        remote_ids=tuple(dict.fromkeys(body.remote_ids or ())),
    )
    return provider_view(call, await create_provider(call.app, made))


@api.get(PROVIDER, OF_PROVIDER["get"], key="identity_provider", find=provider_find)
async def provider_show(call: Call[Identity], one: IdentityProvider) -> ProviderView:
    """Show an identity provider."""
    return provider_view(call, one)


@api.patch(PROVIDER, OF_PROVIDER["update"], key="identity_provider", find=provider_find)
async def provider_update(call: Call[Identity], one: IdentityProvider, body: ProviderUpdate) -> ProviderView:
    """Change an identity provider."""
    given = body.given()
    if "remote_ids" in given:
        given["remote_ids"] = tuple(dict.fromkeys(given["remote_ids"] or ()))
    return provider_view(call, await change_provider(call.app, one, given))


@api.delete(PROVIDER, OF_PROVIDER["delete"], find=provider_find)
async def provider_delete(call: Call[Identity], one: IdentityProvider) -> None:
    """Delete an identity provider."""
    await delete_provider(call.app, one)


# -- protocols ----------------------------------------------------------------------------------------------------------

OF_PROTOCOL = _rules("protocol")


class ProtocolCreate(Wire):
    """A new protocol of an identity provider."""

    mapping_id: ShortId
    remote_id_attribute: RemoteId | None = None


class ProtocolView(Wire):
    """A protocol as it is shown."""

    id: str
    mapping_id: str
    remote_id_attribute: str | None
    links: Links


async def find_protocol(app: Identity, _caller: Caller, idp_id: str, protocol_id: str) -> Protocol | Missing:
    """The protocol a path names."""
    return await protocol_find(app, idp_id, protocol_id) or Missing(kind="federated protocol", id=protocol_id)


def protocol_view(call: Call[Identity], one: Protocol) -> ProtocolView:
    """A protocol as it is shown."""
    path = f"OS-FEDERATION/identity_providers/{one.idp_id}"
    links = {**link(call, f"{path}/protocols/{one.id}"), "identity_provider": call.url(f"/v3/{path}")}
    return ProtocolView(id=one.id, mapping_id=one.mapping_id, remote_id_attribute=one.remote_id_attribute, links=links)


@api.get(f"{PROVIDER}/protocols", OF_PROTOCOL["list"], key="protocols", find=provider_find)
async def protocol_index(call: Call[Identity], one: IdentityProvider, page: Page) -> list[ProtocolView]:
    """List the protocols of an identity provider."""
    return [protocol_view(call, found) for found in await listed(call, PROTOCOLS_LIST, {"idp_id": one.id})]


@api.put(PROTOCOL, OF_PROTOCOL["create"], key="protocol", status=201, on="c")
async def protocol_create(call: Call[Identity], idp_id: str, protocol_id: str, body: ProtocolCreate) -> ProtocolView:
    """Create a protocol of an identity provider."""
    made = Protocol(idp_id=idp_id, id=protocol_id, **body.given())
    return protocol_view(call, await create_protocol(call.app, made))


@api.get(PROTOCOL, OF_PROTOCOL["get"], key="protocol", find=find_protocol)
async def protocol_show(call: Call[Identity], one: Protocol) -> ProtocolView:
    """Show a protocol of an identity provider."""
    return protocol_view(call, one)


@api.patch(PROTOCOL, OF_PROTOCOL["update"], key="protocol", find=find_protocol)
async def protocol_update(call: Call[Identity], one: Protocol, body: ProtocolCreate) -> ProtocolView:
    """Change a protocol of an identity provider."""
    return protocol_view(call, await change_protocol(call.app, one, body.given()))


@api.delete(PROTOCOL, OF_PROTOCOL["delete"], find=find_protocol)
async def protocol_delete(call: Call[Identity], one: Protocol) -> None:
    """Delete a protocol of an identity provider."""
    await delete_protocol(call.app, one)


# -- mappings -----------------------------------------------------------------------------------------------------------

OF_MAPPING = _rules("mapping")


class MappingCreate(Wire):
    """A new mapping."""

    rules: list[Any]
    schema_version: str = "1.0"


class MappingView(Wire):
    """A mapping as it is shown."""

    id: str
    rules: list[Any]
    schema_version: str
    links: Links


async def mapping_find(app: Identity, _caller: Caller, mapping_id: str) -> KeptMapping | Missing:
    """The mapping a path names."""
    return await MAPPINGS.find(app, mapping_id) or Missing(kind="mapping", id=mapping_id)


def mapping_view(call: Call[Identity], one: KeptMapping) -> MappingView:
    """A mapping as it is shown."""
    links = link(call, f"OS-FEDERATION/mappings/{one.id}")
    return MappingView(id=one.id, rules=one.rules, schema_version=one.schema_version, links=links)


@api.get(f"{ROOT}/mappings", OF_MAPPING["list"], key="mappings")
async def mapping_index(call: Call[Identity], page: Page) -> list[MappingView]:
    """List mappings."""
    return [mapping_view(call, one) for one in await listed(call, MAPPINGS.listing, {})]


@api.put(MAPPING, OF_MAPPING["create"], key="mapping", status=201, on="c")
async def mapping_create(call: Call[Identity], mapping_id: str, body: MappingCreate) -> MappingView:
    """Create a mapping."""
    return mapping_view(call, await create_mapping(call.app, KeptMapping(id=mapping_id, **body.given())))


@api.get(MAPPING, OF_MAPPING["get"], key="mapping", find=mapping_find)
async def mapping_show(call: Call[Identity], one: KeptMapping) -> MappingView:
    """Show a mapping."""
    return mapping_view(call, one)


@api.patch(MAPPING, OF_MAPPING["update"], key="mapping", find=mapping_find)
async def mapping_update(call: Call[Identity], one: KeptMapping, body: MappingCreate) -> MappingView:
    """Change a mapping."""
    return mapping_view(call, await change_mapping(call.app, one, body.given()))


@api.delete(MAPPING, OF_MAPPING["delete"], find=mapping_find)
async def mapping_delete(call: Call[Identity], one: KeptMapping) -> None:
    """Delete a mapping."""
    await delete_mapping(call.app, one)


# -- service providers --------------------------------------------------------------------------------------------------

OF_SERVICE = _rules("service_provider")


class ServiceCreate(Wire):
    """A new service provider."""

    auth_url: Url
    sp_url: Url
    description: Description | None = None
    enabled: bool = False
    relay_state_prefix: Annotated[str, msgspec.Meta(max_length=255)] = "ss:mem:"


class ServiceView(Wire):
    """A service provider as it is shown."""

    id: str
    auth_url: str
    sp_url: str
    description: str | None
    enabled: bool
    relay_state_prefix: str
    links: Links


async def service_find(app: Identity, _caller: Caller, service_provider_id: str) -> ServiceProvider | Missing:
    """The service provider a path names."""
    return await SERVICES.find(app, service_provider_id) or Missing(kind="service_provider", id=service_provider_id)


def service_view(call: Call[Identity], one: ServiceProvider) -> ServiceView:
    """A service provider as it is shown."""
    links = link(call, f"OS-FEDERATION/service_providers/{one.id}")
    return ServiceView(links=links, **msgspec.structs.asdict(one))


@api.get(f"{ROOT}/service_providers", OF_SERVICE["list"], key="service_providers")
async def service_index(call: Call[Identity], query: ProviderQuery, page: Page) -> list[ServiceView]:
    """List service providers."""
    return [service_view(call, one) for one in await listed(call, SERVICES.listing, asked(call, query))]


@api.put(SERVICE, OF_SERVICE["create"], key="service_provider", status=201, on="c")
async def service_create(call: Call[Identity], service_provider_id: str, body: ServiceCreate) -> ServiceView:
    """Create a service provider."""
    made = ServiceProvider(id=service_provider_id, **body.given())
    return service_view(call, await create_service_provider(call.app, made))


@api.get(SERVICE, OF_SERVICE["get"], key="service_provider", find=service_find)
async def service_show(call: Call[Identity], one: ServiceProvider) -> ServiceView:
    """Show a service provider."""
    return service_view(call, one)


@api.patch(SERVICE, OF_SERVICE["update"], key="service_provider", find=service_find)
async def service_update(call: Call[Identity], one: ServiceProvider, body: ServiceCreate) -> ServiceView:
    """Change a service provider."""
    return service_view(call, await change_service_provider(call.app, one, body.given()))


@api.delete(SERVICE, OF_SERVICE["delete"], find=service_find)
async def service_delete(call: Call[Identity], one: ServiceProvider) -> None:
    """Delete a service provider."""
    await delete_service_provider(call.app, one)


# -- what those who came by a provider can reach, by its old addresses ----------------------------------------------------

api.get(f"{ROOT}/projects", Rule("identity:list_projects_for_user", ANY), key="projects")(auth_projects)
api.get(f"{ROOT}/domains", Rule("identity:list_domains_for_user", ANY), key="domains")(auth_domains)
