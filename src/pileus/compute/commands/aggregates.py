"""Aggregates: what an admin does with them. A host is in one availability zone at most, through however many aggregates."""

import uuid
from collections.abc import Mapping

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.flows.hosts import facts_of
from pileus.compute.models.aggregates import Aggregate, zones_of
from pileus.compute.store import aggregates as store
from pileus.kit.db import UniqueViolation

ZONE = "availability_zone"


async def aggregate_get(app: Compute, number: int) -> Aggregate:
    """The aggregate; raises AggregateNotFound."""
    for each in await store.aggregate_list(app):
        if each.number == number:
            return each
    raise errors.AggregateNotFound(aggregate=number)


async def create_aggregate(app: Compute, name: str, zone: str | None) -> Aggregate:
    """There is an aggregate of that name, without hosts."""
    new = Aggregate(id=str(uuid.uuid4()), name=name, zone=zone, created_at=app.clock.now())
    async with app.db.transaction():
        try:
            await store.aggregate_create(app, new)
        except UniqueViolation:
            raise errors.AggregateExists(name=name) from None
        return next(each for each in await store.aggregate_list(app) if each.id == new.id)


async def change_aggregate(app: Compute, number: int, changes: Mapping[str, str | None]) -> Aggregate:
    """The aggregate has this name, or is this zone."""
    async with app.db.transaction():
        aggregate = await aggregate_get(app, number)
        if "zone" in changes:
            await _check_zone(app, msgspec.structs.replace(aggregate, zone=changes["zone"]))
        try:
            await store.aggregate_change(app, number, **changes)
        except UniqueViolation:
            raise errors.AggregateExists(name=changes.get("name")) from None
        return await aggregate_get(app, number)


async def set_aggregate_metadata(app: Compute, number: int, given: Mapping[str, str | None]) -> Aggregate:
    """The aggregate has this metadata besides what it had; what is None it has no more."""
    async with app.db.transaction():
        aggregate = await aggregate_get(app, number)
        merged = {**aggregate.metadata, **given}
        changes: dict[str, object] = {
            "metadata": {key: value for key, value in merged.items() if value is not None and key != ZONE}
        }
        if ZONE in given:
            changes["zone"] = given[ZONE]
            await _check_zone(app, msgspec.structs.replace(aggregate, zone=given[ZONE]))
        await store.aggregate_change(app, number, **changes)
        return await aggregate_get(app, number)


async def delete_aggregate(app: Compute, number: int) -> None:
    """There is no such aggregate; raises AggregateInUse while hosts are in it."""
    async with app.db.transaction():
        aggregate = await aggregate_get(app, number)
        if aggregate.hosts:
            raise errors.AggregateInUse(aggregate=number)
        await store.aggregate_delete(app, number)


async def add_host(app: Compute, number: int, host: str) -> Aggregate:
    """The host is in the aggregate, and in its zone if it has one."""
    async with app.db.transaction():
        aggregate = await aggregate_get(app, number)
        if not any(each.name == host and facts_of(each) is not None for each in await app.hosts.list()):
            raise errors.NoSuchThing(what="Compute host", id=host)
        if host in aggregate.hosts:
            raise errors.HostInAggregate(aggregate=number, host=host)
        await _check_zone(app, msgspec.structs.replace(aggregate, hosts=(*aggregate.hosts, host)))
        await store.member_add(app, number, host)
        await store.aggregate_change(app, number)
        return await aggregate_get(app, number)


async def remove_host(app: Compute, number: int, host: str) -> Aggregate:
    """The host is not in the aggregate; raises HostNotInAggregate if it was not."""
    async with app.db.transaction():
        await aggregate_get(app, number)
        if not await store.member_remove(app, number, host):
            raise errors.HostNotInAggregate(aggregate=number, host=host)
        await store.aggregate_change(app, number)
        return await aggregate_get(app, number)


async def _check_zone(app: Compute, wanted: Aggregate) -> None:
    """Raise HostInOtherZone if a host would be in two zones."""
    if wanted.zone is None:
        return
    zones = zones_of([each for each in await store.aggregate_list(app) if each.number != wanted.number])
    for host in wanted.hosts:
        if zones.get(host, wanted.zone) != wanted.zone:
            raise errors.HostInOtherZone(host=host, zone=zones[host], wanted=wanted.zone)


async def zone_by_host(app: Compute) -> dict[str, str]:
    """The availability zone of every host that was put in one; the others are in the one of the configuration."""
    return zones_of(await store.aggregate_list(app))
