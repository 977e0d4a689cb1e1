"""Subnet pools and address scopes in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import Database, Listing, command, query
from pileus.network.errors import AddressScopeNotFound, SubnetPoolNotFound
from pileus.network.models.pools import AddressScope, SubnetPool
from pileus.network.store.rows import Test, any_of, change_of, delete_of, insert_of, standard_filters, standard_sorts
from pileus.network.store.sharing import granted
from pileus.network.tables import address_scopes, subnetpools, subnets


def _scope_visible(test: Test) -> sa.ColumnElement[bool]:
    return any_of(test(address_scopes.c.project_id), granted(test, address_scopes.c.id))


def _pool_visible(test: Test) -> sa.ColumnElement[bool]:
    return any_of(test(subnetpools.c.project_id), granted(test, subnetpools.c.id))


SCOPES = Listing(
    address_scopes,
    AddressScope,
    key=address_scopes.c.id,
    filters={
        **standard_filters(address_scopes),
        "visible": _scope_visible,
        "ip_version": address_scopes.c.ip_version,
        "shared": address_scopes.c.shared,
    },
    sorts=standard_sorts(address_scopes, "ip_version"),
)
SCOPE_GET = query(select(*address_scopes.c).where(address_scopes.c.id == bindparam("id")), AddressScope)
SCOPE_INSERT = insert_of(address_scopes)
SCOPE_CHANGE = change_of(address_scopes)
SCOPE_DELETE = delete_of(address_scopes)

POOLS = Listing(
    subnetpools,
    SubnetPool,
    key=subnetpools.c.id,
    filters={
        **standard_filters(subnetpools),
        "visible": _pool_visible,
        "shared": subnetpools.c.shared,
        **{
            name: subnetpools.c[name]
            for name in (
                "ip_version", "default_prefixlen", "min_prefixlen", "max_prefixlen", "default_quota",
                "address_scope_id", "is_default",
            )
        },
    },
    sorts=standard_sorts(
        subnetpools, "ip_version", "default_prefixlen", "min_prefixlen", "max_prefixlen", "is_default"
    ),
)  # fmt: skip
POOL_GET = query(select(*subnetpools.c).where(subnetpools.c.id == bindparam("id")), SubnetPool)
POOL_INSERT = insert_of(subnetpools)
POOL_CHANGE = change_of(subnetpools)
POOL_DELETE = delete_of(subnetpools)
# Whoever allocates holds the row, so that two never get the same prefix.
POOL_HOLD = command(
    sa.update(subnetpools).where(subnetpools.c.id == bindparam("of_id")).values(revision=subnetpools.c.revision)
)
IN_SCOPE = query(select(*subnetpools.c).where(subnetpools.c.address_scope_id == bindparam("id")), SubnetPool)
DEFAULT = query(
    select(*subnetpools.c).where(subnetpools.c.is_default, subnetpools.c.ip_version == bindparam("ip_version")),
    SubnetPool,
)
TAKEN = query(
    select(subnets.c.project_id, subnets.c.cidr).where(subnets.c.subnetpool_id == bindparam("id")), tuple[str, str]
)


async def scope_get(db: Database, scope_id: str) -> AddressScope:
    """The address scope of that id; raises AddressScopeNotFound."""
    found = await db.one(SCOPE_GET, id=scope_id)
    if found is None:
        raise AddressScopeNotFound(id=scope_id)
    return found


async def pool_get(db: Database, pool_id: str) -> SubnetPool:
    """The subnet pool of that id; raises SubnetPoolNotFound."""
    found = await db.one(POOL_GET, id=pool_id)
    if found is None:
        raise SubnetPoolNotFound(id=pool_id)
    return found


async def scope_insert(db: Database, scope: AddressScope) -> None:
    """The scope is written."""
    await db.run(SCOPE_INSERT, **msgspec.structs.asdict(scope))


async def pool_insert(db: Database, pool: SubnetPool) -> None:
    """The pool is written."""
    await db.run(POOL_INSERT, **msgspec.structs.asdict(pool))
