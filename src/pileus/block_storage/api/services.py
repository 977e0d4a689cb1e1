"""Services, pools, capabilities, hosts and zones: what operators look after."""

import logging
import platform
from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import check_filters, filters
from pileus.block_storage.api.service import ANYBODY, Name, admin, api, flag, moment
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import services as commands
from pileus.block_storage.commands.types import type_chosen
from pileus.block_storage.flows.pools import pool_list, service_list
from pileus.block_storage.models.services import PROGRAMS, VOLUME, Pool, Service
from pileus.block_storage.models.types import asked_of_backends, unmet
from pileus.block_storage.models.volumes import place_of
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.http import Call, F, Query, Wire

UPDATE = admin("volume_extension:services:update")
API = "cinder-api"
LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


class ServiceView(Wire, kw_only=True):
    """A service."""

    binary: str
    host: str
    zone: str
    status: str
    state: str
    updated_at: str | None
    disabled_reason: str | None
    replication_status: str | UnsetType
    active_backend_id: str | UnsetType | None
    frozen: bool | UnsetType
    cluster: Annotated[str | None, F(since="3.7")] = None
    backend_state: Annotated[str | UnsetType, F(since="3.49")]


class ServicesQuery(Query):
    """Which services."""

    host: str | None = None
    binary: str | None = None
    service: str | None = None


def _view(service: Service) -> ServiceView:
    keeps = service.program == VOLUME
    return ServiceView(
        binary=service.program,
        host=service.host,
        zone=service.zone,
        status="disabled" if service.disabled else "enabled",
        state="up" if service.up else "down",
        updated_at=moment(service.heard),
        disabled_reason=service.reason,
        replication_status="disabled" if keeps else UNSET,
        active_backend_id=None if keeps else UNSET,
        frozen=service.frozen if keeps else UNSET,
        backend_state=("up" if service.backend_up else "down") if keeps else UNSET,
    )


@api.get("/os-services", admin("volume_extension:services:index"), key="services")
async def index(call: Call[BlockStorage], query: ServicesQuery) -> list[ServiceView]:
    """List services."""
    program = query.binary or query.service
    return [
        _view(one)
        for one in await service_list(call.app)
        if program in {None, one.program} and (query.host is None or _is_at(one.host, query.host))
    ]


def _is_at(place: str, host: str) -> bool:
    """Whether a service is what was asked for, or a back end of the host that was."""
    return place == host or place.startswith(f"{host}@")


class Which(Wire, kw_only=True):
    """A service, and what to say of it."""

    __loose__ = True

    host: str | None = None
    cluster: str | None = None
    binary: str | None = None
    service: str | None = None
    disabled_reason: Name | None = None
    server: str | None = None
    prefix: str | None = None
    level: str | None = None
    backend_id: str | None = None


async def _chosen(call: Call[BlockStorage], body: Which) -> Service:
    program = body.binary or body.service
    if body.host is None or program is None:
        raise errors.BadRequest(why="Missing required element 'host' or 'binary' in request body.")
    return await commands.service_get(call.app, body.host, program)


@api.put("/os-services/enable", UPDATE, on="c")
async def enable(call: Call[BlockStorage], body: Which) -> dict[str, Any]:
    """Let a service take volumes again."""
    service = await _chosen(call, body)
    await commands.set_service(call.app, service, disabled=False)
    return _said(service, "enabled") | {"disabled": False}


@api.put("/os-services/disable", UPDATE, on="c")
async def disable(call: Call[BlockStorage], body: Which) -> dict[str, Any]:
    """Let a service take no new volumes."""
    service = await _chosen(call, body)
    await commands.set_service(call.app, service, disabled=True)
    return _said(service, "disabled") | {"disabled": True}


@api.put("/os-services/disable-log-reason", UPDATE, on="c")
async def disable_with_reason(call: Call[BlockStorage], body: Which) -> dict[str, Any]:
    """Let a service take no new volumes, and say why."""
    if not body.disabled_reason or not body.disabled_reason.strip():
        raise errors.BadRequest(why="Disabled reason contains invalid characters or is too long.")
    service = await _chosen(call, body)
    await commands.set_service(call.app, service, disabled=True, reason=body.disabled_reason)
    return _said(service, "disabled") | {"disabled": True, "disabled_reason": body.disabled_reason}


def _said(service: Service, status: str) -> dict[str, Any]:
    return {"host": service.host, "service": service.program, "binary": service.program, "status": status}


async def _backend(call: Call[BlockStorage], body: Which) -> Service:
    if body.host is None:
        raise errors.BadRequest(why="Missing required element 'host' in request body.")
    try:
        return await commands.service_get(call.app, body.host.partition("#")[0], VOLUME)
    except errors.ServiceNotFound as missing:  # the host is part of the body, so the body is wrong
        raise errors.InvalidInput(why=missing.message) from missing


@api.put("/os-services/freeze", admin("volume:freeze_host"), on="c")
async def freeze(call: Call[BlockStorage], body: Which) -> None:
    """Let nothing be made or removed on a back end."""
    await commands.set_service(call.app, await _backend(call, body), frozen=True, disabled=True, reason="frozen")


@api.put("/os-services/thaw", admin("volume:thaw_host"), on="c")
async def thaw(call: Call[BlockStorage], body: Which) -> None:
    """Let things be made and removed on a back end again."""
    await commands.set_service(call.app, await _backend(call, body), frozen=False, disabled=False)


FAILOVER = admin("volume:failover_host")


@api.put("/os-services/failover_host", FAILOVER, on="c", status=202)
async def failover_host(call: Call[BlockStorage], body: Which) -> None:
    """Go over to the replica of a back end; those here have none."""
    service = await _backend(call, body)
    raise errors.InvalidInput(why=f"Host {service.host} has no replica to fail over to.")


@api.put("/os-services/failover", FAILOVER, on="c", status=202, since="3.26")
async def failover(call: Call[BlockStorage], body: Which) -> None:
    """Go over to the replica of a back end or cluster; those here have none."""
    service = await _backend(call, body)
    raise errors.InvalidInput(why=f"Host {service.host} has no replica to fail over to.")


def _loggers(body: Which) -> dict[str, logging.Logger]:
    """The loggers a prefix names, by what they are called."""
    prefix = body.prefix or ""
    known = [name for name in logging.root.manager.loggerDict if name.startswith(prefix)]
    return {name: logging.getLogger(name) for name in sorted(known) if name.startswith("pileus")}


def _programs(call: Call[BlockStorage], body: Which, services: list[Service]) -> list[Service]:
    if body.binary not in {None, "", "*", API, *PROGRAMS}:
        raise errors.InvalidInput(why=f"binary must be one of {API}, {', '.join(PROGRAMS)}, not {body.binary}.")
    wanted = {API, *PROGRAMS} if body.binary in {None, "", "*"} else {body.binary}
    return [one for one in services if one.program in wanted and body.server in {None, "", one.host}]


async def _with_api(call: Call[BlockStorage]) -> list[Service]:
    """All services, and the program that answers here, which is no service others look after."""
    own = Service(host=platform.node(), program=API, zone=call.app.config.zone, up=True, heard=call.app.clock.now())
    return [own, *await service_list(call.app)]


@api.put("/os-services/get-log", UPDATE, on="c", since="3.32")
async def get_log(call: Call[BlockStorage], body: Which) -> dict[str, Any]:
    """Say how much services write to their logs."""
    levels = {name: logging.getLevelName(one.getEffectiveLevel()) for name, one in _loggers(body).items()}
    services = _programs(call, body, await _with_api(call))
    return {"log_levels": [{"binary": one.program, "host": one.host, "levels": levels} for one in services]}


@api.put("/os-services/set-log", UPDATE, on="c", since="3.32", status=202)
async def set_log(call: Call[BlockStorage], body: Which) -> None:
    """Say how much services shall write to their logs; they share one process, so all of them do."""
    level = (body.level or "").upper()
    if level not in LEVELS:
        raise errors.InvalidInput(why=f"level must be one of {', '.join(LEVELS)}, not '{body.level}'.")
    _programs(call, body, [])
    for logger in _loggers(body).values():
        logger.setLevel(level)


# Pools.


class PoolsQuery(Query):
    """Whether with what they can."""

    detail: str | None = None
    volume_type: Annotated[str | None, F(since="3.35")] = None


def _capabilities(call: Call[BlockStorage], pool: Pool) -> dict[str, Any]:
    return {
        **pool.full,
        "timestamp": moment(pool.heard),
        "backend_state": "up" if pool.up else "down",
        "allocated_capacity_gb": pool.allocated_gib,
        "filter_function": None,
        "goodness_function": None,
    }


@api.get("/scheduler-stats/get_pools", admin("scheduler_extension:scheduler_stats:get_pools"))
async def pools(call: Call[BlockStorage], query: PoolsQuery) -> dict[str, Any]:
    """List the back ends volumes are put into."""
    check_filters(call, "pool", more={"detail"})
    found = await pool_list(call.app)
    if query.volume_type is not None:
        type = await type_chosen(call.app, call.caller, query.volume_type)
        specs = asked_of_backends(type.extra_specs) if type is not None else {}
        found = [pool for pool in found if unmet(specs, pool.full) is None]
    if call.version >= (3, 28):
        asked = filters(call, {"name": "name"})
        found = [pool for pool in found if asked.get("name") in {None, pool.name}]
    if query.detail is None or not flag(query.detail, "detail"):
        return {"pools": [{"name": pool.name} for pool in found]}
    return {"pools": [{"name": pool.name, "capabilities": _capabilities(call, pool)} for pool in found]}


@api.get("/capabilities/{place}", admin("volume_extension:capabilities"))
async def capabilities(call: Call[BlockStorage], place: str) -> dict[str, Any]:
    """Say what a back end can."""
    host, backend = place_of(place)
    pool = next((p for p in await pool_list(call.app) if p.host == host and backend in {None, p.backend}), None)
    if pool is None:
        raise errors.HostNotFound(host=place)
    thin = {"title": "Thin Provisioning", "description": "Sets thin provisioning.", "type": "boolean"}
    return {
        "namespace": f"OS::Storage::Capabilities::{pool.host}@{pool.backend}",
        "vendor_name": pool.capabilities.get("vendor_name", "Pileus"),
        "volume_backend_name": pool.backend,
        "pool_name": pool.backend,
        "driver_version": "1.0",
        "storage_protocol": pool.capabilities.get("storage_protocol"),
        "display_name": pool.name,
        "description": f"Volumes kept by host {pool.host}",
        "visibility": "public",
        "replication_targets": [],
        "properties": {"thin_provisioning": thin},
    }


# Zones and, as older clients know them, hosts.


@api.get("/os-availability-zone", ANYBODY)
async def zones(call: Call[BlockStorage]) -> dict[str, Any]:
    """List availability zones."""
    return {"availabilityZoneInfo": [{"zoneName": call.app.config.zone, "zoneState": {"available": True}}]}


HOSTS = admin("volume_extension:hosts")


@api.get("/os-hosts", HOSTS)
async def hosts(call: Call[BlockStorage], query: ServicesQuery) -> dict[str, Any]:
    """List services by host, as older clients know them."""
    return {
        "hosts": [
            {
                "service-status": "available" if one.up else "unavailable",
                "service": one.program,
                "zone": one.zone,
                "service-state": "disabled" if one.disabled else "enabled",
                "host_name": one.host,
                "last-update": moment(one.heard),
            }
            for one in await service_list(call.app)
            if query.service in {None, one.program}
        ]
    }


@api.get("/os-hosts/{place}", HOSTS)
async def host_show(call: Call[BlockStorage], place: str) -> dict[str, Any]:
    """Say what there is on a host, in all and for each project."""
    host, backend = place_of(place)
    if not any(one.host == place for one in await service_list(call.app)):
        raise errors.HostNotFound(host=place)
    where: dict[str, object] = {"host": host}
    if backend is not None:
        where["backend"] = backend
    found = [(0, each.project_id, each.size) for each in await volumes.list(call.app, where)]
    found += [(2, each.project_id, each.size) for each in await snapshots.list(call.app, where)]
    counts: dict[str, list[int]] = {"(total)": [0, 0, 0, 0]}
    for at, owner, size in found:
        for project in ("(total)", owner):
            sums = counts.setdefault(project, [0, 0, 0, 0])
            sums[at] += 1
            sums[at + 1] += size
    names = ("volume_count", "total_volume_gb", "snapshot_count", "total_snapshot_gb")
    return {
        "host": [
            {
                "resource": {
                    "host": place,
                    "project": project,
                    **{name: str(value) for name, value in zip(names, sums, strict=True)},
                }
            }
            for project, sums in counts.items()
        ]
    }


class HostUpdate(Wire):
    """What to say of a host."""

    __loose__ = True

    status: str


@api.put("/os-hosts/{place}", HOSTS, on="c")
async def host_update(call: Call[BlockStorage], place: str, body: HostUpdate) -> dict[str, Any]:
    """Let a host take volumes, or none."""
    if body.status not in {"enable", "disable"}:
        raise errors.InvalidInput(why=f"Invalid status: '{body.status}' is neither enable nor disable.")
    found = [one for one in await service_list(call.app) if one.host == place]
    if not found:
        raise errors.HostNotFound(host=place)
    for service in found:
        await commands.set_service(call.app, service, disabled=body.status == "disable")
    return {"host": place, "status": f"{body.status}d"}
