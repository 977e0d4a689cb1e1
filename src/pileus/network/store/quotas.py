"""Quotas in the database, and how much of each resource a project has."""

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Query, command, query, upsert
from pileus.network.tables import (
    address_groups,
    floating_ips,
    networks,
    ports,
    qos_policies,
    quotas,
    rbac_policies,
    routers,
    security_groups,
    security_rules,
    subnetpools,
    subnets,
    trunks,
)

COUNTED: dict[str, sa.Table] = {
    "network": networks,
    "subnet": subnets,
    "port": ports,
    "router": routers,
    "floatingip": floating_ips,
    "security_group": security_groups,
    "security_group_rule": security_rules,
    "subnetpool": subnetpools,
    "rbac_policy": rbac_policies,
    "address_group": address_groups,
    "qos_policy": qos_policies,
    "trunk": trunks,
}


def _used_and_limit(resource: str, table: sa.Table) -> Query[tuple[int, int | None]]:
    project: sa.BindParameter[str] = bindparam("project_id")
    used = select(sa.func.count()).select_from(table).where(table.c.project_id == project).scalar_subquery()
    limit = (
        select(quotas.c.limit)
        .where(quotas.c.project_id == project, quotas.c.resource == sa.literal_column(f"'{resource}'"))
        .scalar_subquery()
    )
    return query(select(used, limit), tuple[int, int | None])


USED_AND_LIMIT = {resource: _used_and_limit(resource, table) for resource, table in COUNTED.items()}
LIMITS = query(
    select(quotas.c.resource, quotas.c.limit).where(quotas.c.project_id == bindparam("project_id")), tuple[str, int]
)
ALL = query(select(quotas.c.project_id, quotas.c.resource, quotas.c.limit), tuple[str, str, int])
SET = command(upsert(quotas, ["project_id", "resource"], ["limit"]))
FORGET = command(sa.delete(quotas).where(quotas.c.project_id == bindparam("of_project")))


async def used_and_limit(db: Database, resource: str, project_id: str) -> tuple[int, int | None]:
    """How many the project has, and its own limit if it has one."""
    found = await db.one(USED_AND_LIMIT[resource], project_id=project_id)
    assert found is not None
    return found
