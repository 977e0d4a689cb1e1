"""Subnet pools: what one can ask for, and prefixes for subnets."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from pileus.network.app import Network as App
from pileus.network.commands.quotas import make_room
from pileus.network.commands.sharing import forget_policies, share, usable_by
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors import (
    AddressScopeNotFound,
    AddressScopePrefixConflict,
    IllegalSubnetPoolAssociationToAddressScope,
    IllegalSubnetPoolIpVersionAssociationToAddressScope,
    IllegalSubnetPoolPrefixUpdate,
    InvalidInput,
    MaxPrefixSubnetAllocationError,
    MinPrefixSubnetAllocationError,
    SubnetAllocationError,
    SubnetPoolDeleteError,
    SubnetPoolNotFound,
    SubnetPoolQuotaExceeded,
)
from pileus.network.models import blocks
from pileus.network.models import pools as rules
from pileus.network.models.pools import SubnetPool
from pileus.network.models.requests import NewPool
from pileus.network.models.resources import Network, Subnet
from pileus.network.store import pools as rows
from pileus.network.store import subnets as subnet_rows


async def create_pool(app: App, wanted: NewPool) -> SubnetPool:
    """The subnet pool is there."""
    prefixes = rules.compact(wanted.prefixes)
    version = ipaddress.ip_network(prefixes[0]).version
    shortest = rules.SHORTEST[version] if wanted.min_prefixlen is None else wanted.min_prefixlen
    longest = rules.LONGEST[version] if wanted.max_prefixlen is None else wanted.max_prefixlen
    usual = shortest if wanted.default_prefixlen is None else wanted.default_prefixlen
    rules.check_lengths(version, shortest, usual, longest)
    await make_room(app, "subnetpool", wanted.project_id)
    pool = SubnetPool(
        **standard(app, wanted),
        ip_version=version,
        prefixes=prefixes,
        default_prefixlen=usual,
        min_prefixlen=shortest,
        max_prefixlen=longest,
        default_quota=wanted.default_quota,
        address_scope_id=wanted.address_scope_id,
        shared=wanted.shared,
        is_default=wanted.is_default,
    )
    await _check_scope(app, pool)
    if pool.is_default:
        await _check_only_default(app, pool)
    await rows.pool_insert(app.db, pool)
    if pool.shared:
        await share(app, "subnetpool", pool)
    await tell(app, "subnetpool.created", pool)
    return pool


async def _check_scope(app: App, pool: SubnetPool) -> None:
    """The pool may be in its address scope, and shares no address with the pools that are."""
    if pool.address_scope_id is None:
        return
    scope = await app.db.one(rows.SCOPE_GET, id=pool.address_scope_id)
    if scope is None:
        raise AddressScopeNotFound(id=pool.address_scope_id)
    if scope.id not in await usable_by(app, pool.project_id, [scope]):
        raise IllegalSubnetPoolAssociationToAddressScope(id=pool.id, scope=scope.id)
    if scope.ip_version != pool.ip_version:
        raise IllegalSubnetPoolIpVersionAssociationToAddressScope(
            id=pool.id, scope=scope.id, ip_version=scope.ip_version
        )
    others = [other for other in await app.db.all(rows.IN_SCOPE, id=scope.id) if other.id != pool.id]
    taken = [prefix for other in others for prefix in other.prefixes]
    if not all(rules.disjoint(ipaddress.ip_network(prefix), taken) for prefix in pool.prefixes):
        raise AddressScopePrefixConflict


async def _check_only_default(app: App, pool: SubnetPool) -> None:
    others = await app.db.all(rows.DEFAULT, ip_version=pool.ip_version)
    if any(other.id != pool.id for other in others):
        raise InvalidInput(
            why="A default subnetpool for this IP family has already been set. Only one default may exist per IP family"
        )


async def update_pool(app: App, pool: SubnetPool, values: Mapping[str, object]) -> SubnetPool:
    """The pool is as asked for; it only ever gets more prefixes this way."""
    async with app.db.transaction():
        pool = await rows.pool_get(app.db, pool.id)
        columns = dict(values)
        if "prefixes" in columns:
            fresh = rules.compact(cast("Sequence[str]", columns["prefixes"]))
            if not all(rules.inside(ipaddress.ip_network(prefix), fresh) for prefix in pool.prefixes):
                raise IllegalSubnetPoolPrefixUpdate(why="Existing prefixes must be a subset of the new prefixes")
            _check_version(pool, fresh)
            columns["prefixes"] = fresh
        return await _become(app, pool, columns)


def _check_version(pool: SubnetPool, prefixes: Sequence[str]) -> None:
    if any(ipaddress.ip_network(prefix).version != pool.ip_version for prefix in prefixes):
        raise IllegalSubnetPoolPrefixUpdate(why=f"the pool is of IPv{pool.ip_version}")


async def _become(app: App, pool: SubnetPool, columns: Mapping[str, object]) -> SubnetPool:
    """The pool has these values; raises when it cannot be so."""
    becoming = msgspec.structs.replace(pool, **dict(columns))
    rules.check_lengths(pool.ip_version, becoming.min_prefixlen, becoming.default_prefixlen, becoming.max_prefixlen)
    if "address_scope_id" in columns or "prefixes" in columns:
        await _check_scope(app, becoming)
    if becoming.is_default and not pool.is_default:
        await _check_only_default(app, becoming)
    await change(app, rows.POOL_CHANGE, pool, columns)
    await tell(app, "subnetpool.updated", pool)
    await changed(app)
    return await rows.pool_get(app.db, pool.id)


async def add_prefixes(app: App, pool: SubnetPool, prefixes: Sequence[str]) -> SubnetPool:
    """The pool has these prefixes, too."""
    async with app.db.transaction():
        pool = await rows.pool_get(app.db, pool.id)
        _check_version(pool, rules.compact(prefixes))
        return await _become(app, pool, {"prefixes": rules.compact([*pool.prefixes, *prefixes])})


async def remove_prefixes(app: App, pool: SubnetPool, prefixes: Sequence[str]) -> SubnetPool:
    """The pool does not have these prefixes; raises while subnets have addresses of them."""
    async with app.db.transaction():
        await app.db.run(rows.POOL_HOLD, of_id=pool.id)
        pool = await rows.pool_get(app.db, pool.id)
        going = [ipaddress.ip_network(prefix) for prefix in rules.compact(prefixes)]
        taken = [cidr for _, cidr in await app.db.all(rows.TAKEN, id=pool.id)]
        for block in going:
            if not rules.inside(block, pool.prefixes):
                raise IllegalSubnetPoolPrefixUpdate(why=f"{block} is not among the pool's prefixes")
            if not rules.disjoint(block, taken):
                raise IllegalSubnetPoolPrefixUpdate(why=f"subnets have addresses of {block}")
        left = rules.without(pool.prefixes, [str(block) for block in going])
        if not left:
            raise IllegalSubnetPoolPrefixUpdate(why="a subnet pool has at least one prefix")
        return await _become(app, pool, {"prefixes": left})


async def onboard_network(app: App, pool: SubnetPool, network: Network, ip_version: int) -> list[Subnet]:
    """The network's subnets of that IP version are of the pool, which has their blocks from now on."""
    async with app.db.transaction():
        await app.db.run(rows.POOL_HOLD, of_id=pool.id)
        pool = await rows.pool_get(app.db, pool.id)
        found = [each for each in await subnet_rows.subnets_on(app.db, network.id) if each.ip_version == ip_version]
        if pool.ip_version != ip_version:
            raise IllegalSubnetPoolPrefixUpdate(why=f"the pool is of IPv{pool.ip_version}")
        coming = [subnet for subnet in found if subnet.subnetpool_id != pool.id]
        for subnet in coming:
            if subnet.subnetpool_id is not None:
                raise IllegalSubnetPoolPrefixUpdate(why=f"subnet {subnet.id} is of pool {subnet.subnetpool_id}")
            if not rules.disjoint(ipaddress.ip_network(subnet.cidr), pool.prefixes):
                raise IllegalSubnetPoolPrefixUpdate(why=f"{subnet.cidr} is among the pool's prefixes already")
        if coming:
            cidrs = [subnet.cidr for subnet in coming]
            await _become(app, pool, {"prefixes": rules.compact([*pool.prefixes, *cidrs])})
            for subnet in coming:
                await change(app, subnet_rows.CHANGE, subnet, {"subnetpool_id": pool.id})
        return coming


async def delete_pool(app: App, pool: SubnetPool) -> None:
    """The pool is gone; raises SubnetPoolDeleteError while subnets are of it."""
    async with app.db.transaction():
        await app.db.run(rows.POOL_HOLD, of_id=pool.id)
        if await app.db.all(rows.TAKEN, id=pool.id):
            raise SubnetPoolDeleteError(why="Subnet pool has existing allocations")
        await forget_policies(app, pool)
        await app.db.run(rows.POOL_DELETE, of_id=pool.id)
        await tell(app, "subnetpool.deleted", pool)


async def default_pool(app: App, ip_version: int) -> SubnetPool | None:
    """The pool that subnets are made of unless told otherwise."""
    return await app.db.one(rows.DEFAULT, ip_version=ip_version)


async def take_prefix(
    app: App, project_id: str, pool_id: str, ip_version: int, cidr: str | None, length: int | None
) -> str:
    """A block of the pool nobody has: this one, or one of this length, or of the pool's usual one."""
    await app.db.run(rows.POOL_HOLD, of_id=pool_id)
    pool = await rows.pool_get(app.db, pool_id)
    if pool.id not in await usable_by(app, project_id, [pool]):
        raise SubnetPoolNotFound(id=pool_id)
    if pool.ip_version != ip_version:
        raise InvalidInput(why=f"Cannot allocate IPv{ip_version} subnet from IPv{pool.ip_version} subnet pool")
    block = None if cidr is None else blocks.block_of(cidr, ip_version)
    long = block.prefixlen if block is not None else pool.default_prefixlen if length is None else length
    _check_length(pool, long)
    there = await app.db.all(rows.TAKEN, id=pool.id)
    found = _free_block(pool, [each for _, each in there], block, long)
    own = [each for owner, each in there if owner == project_id]
    if pool.default_quota is not None and rules.units([*own, found], ip_version) > pool.default_quota:
        raise SubnetPoolQuotaExceeded
    return found


def _check_length(pool: SubnetPool, length: int) -> None:
    if length < pool.min_prefixlen:
        raise MinPrefixSubnetAllocationError(length=length, limit=pool.min_prefixlen)
    if length > pool.max_prefixlen:
        raise MaxPrefixSubnetAllocationError(length=length, limit=pool.max_prefixlen)


def _free_block(pool: SubnetPool, taken: Sequence[str], block: blocks.Block | None, length: int) -> str:
    if block is None:
        found = rules.free_prefix(pool.prefixes, taken, length, pool.ip_version)
        if found is None:
            raise SubnetAllocationError(why=f"Insufficient prefix space to allocate subnet size /{length}")
        return found
    if not rules.inside(block, pool.prefixes) or not rules.disjoint(block, taken):
        raise SubnetAllocationError(why="Cannot allocate requested subnet from the available set of prefixes")
    return str(block)
