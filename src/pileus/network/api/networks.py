"""Networks."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.policy import project_of, require, require_named, rule, sees_all, shown
from pileus.network.api.service import api
from pileus.network.api.wires import DomainName, Filters, Name, Number, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import networks as commands
from pileus.network.errors import NetworkNotFound
from pileus.network.models.requests import NewNetwork
from pileus.network.models.resources import Network
from pileus.network.models.sharing import SHARED
from pileus.network.store import networks as rows
from pileus.network.store.sharing import grants

Mtu = Annotated[int, Meta(ge=0, le=65535)]


class NetworkWanted(Owned):
    """A network to make or to change."""

    name: Name = ""
    description: Name = ""
    admin_up: Annotated[bool, F("admin_state_up")] = True
    shared: bool = False
    external: Annotated[bool, F("router:external")] = False
    is_default: bool = False
    port_security: Annotated[bool, F("port_security_enabled")] = True
    mtu: Mtu | UnsetType = UNSET
    dns_domain: DomainName = ""
    network_type: Annotated[str | UnsetType | None, F("provider:network_type", on="c")] = UNSET
    physical_network: Annotated[str | UnsetType | None, F("provider:physical_network", on="c")] = UNSET
    segmentation_id: Annotated[int | UnsetType | None, F("provider:segmentation_id", on="c")] = UNSET
    qos_policy_id: str | None = None
    zone_hints: Annotated[list[str], F("availability_zone_hints", on="c")] = []
    vlan_transparent: Annotated[bool | None, F(on="c")] = None
    qinq: Annotated[bool | None, F(on="c")] = None
    # What the openstack command of 2026 calls it, by mistake.
    vlan_qinq: Annotated[bool | None, F(on="c")] = None


class NetworkPost(Wire):
    network: NetworkWanted | UnsetType = UNSET
    networks: list[NetworkWanted] | UnsetType = UNSET


class NetworkSeen(Seen):
    """A network as a caller sees it."""

    admin_up: Annotated[bool, F("admin_state_up")]
    status: str
    subnets: list[str]
    shared: bool
    external: Annotated[bool, F("router:external")]
    is_default: bool | UnsetType
    port_security: Annotated[bool, F("port_security_enabled")]
    mtu: int
    dns_domain: str
    network_type: Annotated[str, F("provider:network_type", rule="get_network:provider:network_type")]
    physical_network: Annotated[
        str | None, F("provider:physical_network", rule="get_network:provider:physical_network")
    ]
    segmentation_id: Annotated[int | None, F("provider:segmentation_id", rule="get_network:provider:segmentation_id")]
    availability_zone_hints: list[str]
    availability_zones: list[str]
    ipv4_address_scope: str | None
    ipv6_address_scope: str | None
    vlan_transparent: bool = False
    qinq: bool = False
    qos_policy_id: str | None = None


class NetworksMade(Wire):
    network: NetworkSeen | UnsetType = UNSET
    networks: list[NetworkSeen] | UnsetType = UNSET


class NetworkFilters(Filters):
    admin_up: Annotated[list[bool], F("admin_state_up")] = []
    status: list[str] = []
    shared: list[bool] = []
    external: Annotated[list[bool], F("router:external")] = []
    is_default: list[bool] = []
    port_security: Annotated[list[bool], F("port_security_enabled")] = []
    mtu: list[Number] = []
    dns_domain: list[str] = []
    network_type: Annotated[list[str], F("provider:network_type")] = []
    physical_network: Annotated[list[str], F("provider:physical_network")] = []
    segmentation_id: Annotated[list[Number], F("provider:segmentation_id")] = []
    subnets: list[str] = []
    qos_policy_id: list[str] = []
    vlan_transparent: list[bool] = []
    qinq: list[bool] = []


def view(app: App, network: Network) -> NetworkSeen:
    """A network as the API shows it."""
    return NetworkSeen(
        **standard(network),
        admin_up=network.admin_up,
        status="ACTIVE",
        subnets=list(network.subnets),
        shared=network.shared,
        external=network.external,
        is_default=network.is_default if network.external else UNSET,
        port_security=network.port_security,
        mtu=network.mtu,
        dns_domain=network.dns_domain,
        network_type=network.network_type,
        physical_network=network.physical_network or None,
        segmentation_id=network.segmentation_id or None,
        availability_zone_hints=list(network.zone_hints),
        availability_zones=[app.config.zone] if network.subnets else [],
        ipv4_address_scope=network.ipv4_scope,
        ipv6_address_scope=network.ipv6_scope,
        vlan_transparent=network.vlan_transparent,
        qinq=network.qinq,
        qos_policy_id=network.qos_policy_id,
    )


async def network_for(app: App, caller: Caller, network_id: str) -> Network:
    """The network as the caller sees it, if he does; raises NetworkNotFound."""
    found = await rows.network_find(app.db, network_id)
    if found is not None:
        (found,) = await with_grants(app, caller, [found]) or (None,)
    if found is None:
        raise NetworkNotFound(id=network_id)
    return (await rows.with_subnets(app.db, [found]))[0]


async def with_grants(app: App, caller: Caller, found: Sequence[Network]) -> list[Network]:
    """Those of the networks the caller sees, shared if they are so with him."""
    theirs = [network.id for network in found if network.project_id != caller.project_id]
    granted = await grants(app.db, theirs, caller.project_id or "")
    all_seen = caller.admin or "service" in caller.roles
    return [
        msgspec.structs.replace(network, shared=network.shared or SHARED in granted.get(network.id, ()))
        for network in found
        if all_seen or network.project_id == caller.project_id or network.id in granted
    ]


def _new(body: NetworkWanted, project_id: str) -> NewNetwork:
    given = {name: value for name, value in body.given().items() if name in NewNetwork.__struct_fields__}
    given = {name: value for name, value in given.items() if not (name == "mtu" and value == 0)}
    tags = {"vlan_transparent": bool(body.vlan_transparent), "qinq": bool(body.qinq or body.vlan_qinq)}
    return NewNetwork(**{**given, **tags, "project_id": project_id, "zone_hints": tuple(body.zone_hints)})


@api.post("/networks", rule("create_network"), late=True)
async def create(call: Call[App], body: NetworkPost) -> NetworksMade:
    """Create one network or many."""
    wanted = asked("network", body.network, body.networks)
    made = []
    async with call.app.db.transaction():
        for each in wanted:
            project_id = project_of(call, each)
            target = {"project_id": project_id, "tenant_id": project_id, "shared": each.shared}
            require(call, "create", "network", each, target)
            new = _new(each, project_id)
            network = await commands.create_network(call.app, new, any_policy=call.caller.admin)
            made.append(view(call.app, network))
    return NetworksMade(network=made[0]) if body.networks is UNSET else NetworksMade(networks=made)


@api.get("/networks", rule("get_network"), key="networks", late=True)
async def index(call: Call[App], query: NetworkFilters, page: Page) -> list[NetworkSeen]:
    """List networks: the caller's own, shared and external ones."""
    wanted: dict[str, Any] = where(query)
    if wanted.pop("status", "ACTIVE") != "ACTIVE":
        return []
    if query.shared == [True]:
        del wanted["shared"]
        wanted["shared_with"] = call.caller.project_id or ""
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    seen = shown(call, "network", await with_grants(call.app, call.caller, found))
    return [view(call.app, network) for network in await rows.with_subnets(call.app.db, seen)]


@api.get("/networks/{network_id}", rule("get_network"), key="network", find=network_for)
async def show(call: Call[App], network: Network) -> NetworkSeen:
    """Show a network."""
    return view(call.app, network)


@api.put("/networks/{network_id}", rule("update_network"), key="network", find=network_for)
async def update(call: Call[App], network: Network, body: NetworkWanted) -> NetworkSeen:
    """Change a network."""
    require_named(call, "update", "network", body, network.policy_target())
    return view(call.app, await commands.update_network(call.app, network, body.given(), any_policy=call.caller.admin))


@api.delete("/networks/{network_id}", rule("delete_network"), find=network_for)
async def delete(call: Call[App], network: Network) -> None:
    """Delete a network and its subnets."""
    await commands.delete_network(call.app, network)
