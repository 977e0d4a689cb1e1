"""Networks in the database."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, command, query, upsert
from pileus.network.errors import NetworkNotFound
from pileus.network.models.resources import Network
from pileus.network.models.sharing import SHARED
from pileus.network.store.rows import Test, any_of, change_of, delete_of, standard_filters, standard_sorts
from pileus.network.store.sharing import granted
from pileus.network.tables import networks, rbac_policies, subnetpools, subnets


def _visible(test: Test) -> sa.ColumnElement[bool]:
    """Of the project, or shared with it or with everybody."""
    return any_of(test(networks.c.project_id), granted(test, networks.c.id))


LISTING = Listing(
    networks,
    Network,
    key=networks.c.id,
    filters={
        **standard_filters(networks),
        "visible": _visible,
        "shared_with": lambda test: granted(test, networks.c.id, SHARED),
        "admin_up": networks.c.admin_up,
        "shared": networks.c.shared,
        "external": networks.c.external,
        "is_default": networks.c.is_default,
        "port_security": networks.c.port_security,
        "mtu": networks.c.mtu,
        "dns_domain": networks.c.dns_domain,
        "network_type": networks.c.network_type,
        "physical_network": networks.c.physical_network,
        "segmentation_id": networks.c.segmentation_id,
        "vlan_transparent": networks.c.vlan_transparent,
        "qinq": networks.c.qinq,
        "qos_policy_id": networks.c.qos_policy_id,
        "subnets": lambda test: networks.c.id.in_(select(subnets.c.network_id).where(test(subnets.c.id))),
    },
    sorts={**standard_sorts(networks, "mtu"), "admin_state_up": networks.c.admin_up, "shared": networks.c.shared},
)
GET = query(select(*networks.c).where(networks.c.id == bindparam("id")), Network)
ALL = query(select(*networks.c), Network)
EXTERNAL = query(
    select(*networks.c)
    .where(
        sa.or_(
            networks.c.external,
            networks.c.id.in_(select(rbac_policies.c.object_id).where(rbac_policies.c.action == "access_as_external")),
        )
    )
    .order_by(networks.c.id),
    Network,
)
INSERT = command(upsert(networks, ["network_type", "physical_network", "segmentation_id"]))
CHANGE = change_of(networks)
DELETE = delete_of(networks)
SUBNETS_OF = query(
    select(subnets.c.network_id, subnets.c.id, subnets.c.ip_version, subnetpools.c.address_scope_id)
    .join_from(subnets, subnetpools, subnetpools.c.id == subnets.c.subnetpool_id, isouter=True)
    .where(subnets.c.network_id.in_(bindparam("ids", expanding=True)))
    .order_by(subnets.c.created_at, subnets.c.id),
    tuple[str, str, int, str | None],
)
FIND = query(
    select(*networks.c).where(
        sa.or_(
            networks.c.project_id == bindparam("project_id"),
            networks.c.id.in_(
                select(rbac_policies.c.object_id).where(
                    rbac_policies.c.action == SHARED,
                    sa.or_(rbac_policies.c.target == "*", rbac_policies.c.target == bindparam("project_id")),
                )
            ),
        ),
        networks.c.external.is_(False),
    ),
    Network,
)
NO_MORE_DEFAULT = command(
    sa.update(networks).where(networks.c.is_default.is_(True), networks.c.id != bindparam("of_id"))
    .values(is_default=False)
)  # fmt: skip


async def with_subnets(db: Database, found: Sequence[Network]) -> list[Network]:
    """The networks with the ids of their subnets, and the address scopes these are in."""
    inside: dict[str, list[str]] = {}
    scopes: dict[tuple[str, int], str | None] = {}
    if found:
        for network_id, subnet_id, version, scope in await db.all(SUBNETS_OF, ids=[network.id for network in found]):
            inside.setdefault(network_id, []).append(subnet_id)
            scopes[network_id, version] = scope
    return [
        msgspec.structs.replace(
            network,
            subnets=tuple(inside.get(network.id, ())),
            ipv4_scope=scopes.get((network.id, 4)),
            ipv6_scope=scopes.get((network.id, 6)),
        )
        for network in found
    ]


async def network_find(db: Database, network_id: str) -> Network | None:
    """The network of that id, without its subnets."""
    return await db.one(GET, id=network_id)


async def network_get(db: Database, network_id: str) -> Network:
    """The network of that id as it is now; raises NetworkNotFound."""
    found = await network_find(db, network_id)
    if found is None:
        raise NetworkNotFound(id=network_id)
    return found


async def network_insert(db: Database, network: Network) -> bool:
    """The network is written; False when another has the same segment."""
    row = msgspec.structs.asdict(network)
    del row["subnets"], row["ipv4_scope"], row["ipv6_scope"]
    return await db.run(INSERT, **row) == 1


async def usable_networks(db: Database, project_id: str) -> list[Network]:
    """Networks a project's server may be put on without naming one."""
    return await db.all(FIND, project_id=project_id)


async def external_list(db: Database) -> list[Network]:
    """The networks that are external for somebody."""
    return list(await db.all(EXTERNAL))
