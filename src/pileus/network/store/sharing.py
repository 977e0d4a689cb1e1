"""RBAC policies in the database: which things are shared with whom."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, command, query, scalar, upsert
from pileus.network.models.sharing import EVERYBODY, SHARED, RbacPolicy
from pileus.network.store.rows import Test, any_of, change_of, delete_of
from pileus.network.tables import (
    floating_ips,
    further_gateways,
    networks,
    port_groups,
    ports,
    rbac_policies,
    routers,
    subnetpools,
    subnets,
)

LISTING = Listing(
    rbac_policies,
    RbacPolicy,
    key=rbac_policies.c.id,
    filters={
        "id": rbac_policies.c.id,
        "visible": rbac_policies.c.project_id,
        "project_id": rbac_policies.c.project_id,
        "object_type": rbac_policies.c.object_type,
        "object_id": rbac_policies.c.object_id,
        "action": rbac_policies.c.action,
        "target": rbac_policies.c.target,
    },
    sorts={
        **{name: rbac_policies.c[name] for name in ("id", "project_id", "object_type", "object_id", "action")},
        "target_tenant": rbac_policies.c.target,
    },
)
GET = query(select(*rbac_policies.c).where(rbac_policies.c.id == bindparam("id")), RbacPolicy)
OF = query(select(*rbac_policies.c).where(rbac_policies.c.object_id == bindparam("object_id")), RbacPolicy)
INSERT = command(upsert(rbac_policies, ["object_id", "action", "target"]))
CHANGE = change_of(rbac_policies)
DELETE = delete_of(rbac_policies)
FORGET = command(sa.delete(rbac_policies).where(rbac_policies.c.object_id == bindparam("of_object")))
UNGRANT = command(
    sa.delete(rbac_policies).where(
        rbac_policies.c.object_id == bindparam("of_object"),
        rbac_policies.c.action == bindparam("of_action"),
        rbac_policies.c.target == bindparam("of_target"),
    )
)
UNGRANT_ALL = command(
    sa.delete(rbac_policies).where(
        rbac_policies.c.object_id == bindparam("of_object"), rbac_policies.c.action == bindparam("of_action")
    )
)
GRANTED = query(
    select(rbac_policies.c.object_id, rbac_policies.c.action).where(
        rbac_policies.c.object_id.in_(bindparam("ids", expanding=True)),
        rbac_policies.c.target.in_(bindparam("targets", expanding=True)),
    ),
    tuple[str, str],
)
# The projects that use a thing, by its type and what they use it as.
USERS = {
    ("network", "access_as_shared"): scalar(
        select(ports.c.project_id)
        .where(ports.c.network_id == bindparam("id"), sa.not_(ports.c.device_owner.like("network:%")))
        .distinct(),
        str,
    ),
    ("network", "access_as_external"): scalar(
        sa.union(
            select(routers.c.project_id).where(routers.c.gateway_network_id == bindparam("id")),
            select(routers.c.project_id)
            .join_from(routers, further_gateways, further_gateways.c.router_id == routers.c.id)
            .where(further_gateways.c.network_id == bindparam("id")),
            select(floating_ips.c.project_id).where(floating_ips.c.network_id == bindparam("id")),
        ),
        str,
    ),
    ("security_group", SHARED): scalar(
        select(ports.c.project_id)
        .join_from(ports, port_groups, port_groups.c.port_id == ports.c.id)
        .where(port_groups.c.group_id == bindparam("id"))
        .distinct(),
        str,
    ),
    ("address_scope", SHARED): scalar(
        select(subnetpools.c.project_id).where(subnetpools.c.address_scope_id == bindparam("id")).distinct(), str
    ),
    ("qos_policy", SHARED): scalar(
        sa.union(
            *(
                select(table.c.project_id).where(table.c.qos_policy_id == bindparam("id"))
                for table in (networks, ports, floating_ips, routers)
            )
        ),
        str,
    ),
    ("subnetpool", SHARED): scalar(
        select(subnets.c.project_id).where(subnets.c.subnetpool_id == bindparam("id")).distinct(), str
    ),
}


def granted(test: Test, column: sa.ColumnElement[str], action: str | None = None) -> sa.ColumnElement[bool]:
    """The thing may be used by the project or by everybody, so if an action is named."""
    for_whom = any_of(rbac_policies.c.target == EVERYBODY, test(rbac_policies.c.target))
    found = select(rbac_policies.c.object_id).where(for_whom)
    return column.in_(found if action is None else found.where(rbac_policies.c.action == action))


async def grants(db: Database, ids: Sequence[str], project_id: str) -> dict[str, set[str]]:
    """What each of the things may be used as by the project, if by others than its owner."""
    found: dict[str, set[str]] = {}
    if ids:
        for object_id, action in await db.all(GRANTED, ids=list(ids), targets=[EVERYBODY, project_id]):
            found.setdefault(object_id, set()).add(action)
    return found


async def policy_insert(db: Database, policy: RbacPolicy) -> bool:
    """The policy is written; False when there is such a policy already."""
    return await db.run(INSERT, **msgspec.structs.asdict(policy)) == 1
