"""Hosts as this API shows them: availability zones, compute services, hypervisors."""

import uuid
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import admin, anybody, api, fine_moment, is_uuid
from pileus.compute.app import Compute
from pileus.compute.commands import hosts as commands
from pileus.compute.models.hosts import ComputeHost
from pileus.kit.http import Call, F, Query, Wire

BINARY = "nova-compute"
SERVICE_IDS = uuid.UUID("0e6d9a92-9d46-57c5-8c0c-3b1d3f0a61a7")


class ZoneState(Wire):
    """Whether a zone can be used."""

    available: bool


class ServiceState(Wire):
    """How a service in a zone fares."""

    active: bool
    available: bool
    updated_at: str | None


class ZoneView(Wire, kw_only=True):
    """An availability zone."""

    name: Annotated[str, F("zoneName")]
    state: Annotated[ZoneState, F("zoneState")]
    hosts: dict[str, dict[str, ServiceState]] | None = None


@api.get("/os-availability-zone", anybody("os-availability-zone:list"), key="availabilityZoneInfo")
async def zones(call: Call[Compute]) -> list[ZoneView]:
    """List the availability zones."""
    return [_zone(name, hosts) for name, hosts in (await _zones(call)).items()]


@api.get("/os-availability-zone/detail", admin("os-availability-zone:detail"), key="availabilityZoneInfo")
async def zones_detail(call: Call[Compute]) -> list[ZoneView]:
    """List the availability zones with the hosts in them."""
    views = []
    for name, hosts in (await _zones(call)).items():
        view = _zone(name, hosts)
        view.hosts = {host.name: {BINARY: _state(host)} for host in hosts}
        views.append(view)
    return views


async def _zones(call: Call[Compute]) -> dict[str, list[ComputeHost]]:
    """The hosts in each zone; without any host, the one that hosts are in unless an aggregate says otherwise."""
    found: dict[str, list[ComputeHost]] = {}
    for host in sorted(await commands.host_list(call.app), key=lambda host: host.zone):
        found.setdefault(host.zone, []).append(host)
    return found or {call.app.config.zone: []}


def _zone(name: str, hosts: list[ComputeHost]) -> ZoneView:
    return ZoneView(name=name, state=ZoneState(available=any(host.up and not host.disabled for host in hosts)))


def _state(host: ComputeHost) -> ServiceState:
    return ServiceState(active=not host.disabled, available=host.up, updated_at=fine_moment(host.last_heard))


class ServiceView(Wire, kw_only=True):
    """The compute service of a host."""

    number: Annotated[int, F("id", until="2.52")]
    id: Annotated[str, F("id", since="2.53")]
    binary: str = BINARY
    host: str
    zone: str
    status: str
    state: str
    updated_at: str | None
    disabled_reason: str | None
    forced_down: Annotated[bool, F(since="2.11")]


class ServiceQuery(Query):
    """Which services."""

    host: str | None = None
    binary: str | None = None


class ServiceUpdate(Wire, kw_only=True):
    """What may be said of a service."""

    status: Annotated[str, msgspec.Meta(pattern=r"^(enabled|disabled)$(?!\n)")] | UnsetType = UNSET
    disabled_reason: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: bool | UnsetType = UNSET


def service_view(host: ComputeHost) -> ServiceView:
    return ServiceView(
        number=host.number,
        id=service_id(host.name),
        host=host.name,
        zone=host.zone,
        status="disabled" if host.disabled else "enabled",
        state="up" if host.up else "down",
        updated_at=fine_moment(host.last_heard),
        disabled_reason=host.reason,
        forced_down=host.forced_down,
    )


def service_id(host: str) -> str:
    """The id of a host's compute service."""
    return str(uuid.uuid5(SERVICE_IDS, host))


@api.get("/os-services", admin("os-services:list"), key="services")
async def services(call: Call[Compute], query: ServiceQuery) -> list[ServiceView]:
    """List the compute services."""
    if query.binary not in {None, BINARY}:
        return []
    return [service_view(host) for host in await commands.host_list(call.app) if query.host in {None, host.name}]


@api.put("/os-services/{service}", admin("os-services:update"), since="2.53", reply_key="service")
async def service_update(call: Call[Compute], service: str, body: ServiceUpdate) -> ServiceView:
    """Enable or disable a compute service, or say that it is down."""
    host = await _by_service(call, service)
    given: dict[str, Any] = body.given()
    if not given:
        raise errors.BadRequest(why="No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    status = given.get("status")
    if "disabled_reason" in given and status != "disabled":
        raise errors.BadRequest(why="Specifying disabled_reason requires that status is 'disabled'.")
    changed = await commands.set_host(
        call.app,
        host,
        disabled=host.disabled if status is None else status == "disabled",
        reason=given.get("disabled_reason") if status is not None else host.reason,
        forced_down=bool(given.get("forced_down", host.forced_down)),
    )
    return service_view(changed)


@api.delete("/os-services/{service}", admin("os-services:delete"))
async def service_delete(call: Call[Compute], service: str) -> None:
    """Forget the compute service of a host that is gone."""
    host = await _by_service(call, service)
    await commands.forget_host(call.app, host)


async def _by_service(call: Call[Compute], service: str) -> ComputeHost:
    if call.version >= (2, 53) and not is_uuid(service):
        raise errors.BadRequest(why=f"Invalid uuid {service}")
    if call.version < (2, 53) and not service.isdecimal():
        raise errors.BadRequest(why=f"Invalid input received: service id {service} is not a number.")
    for host in await commands.host_list(call.app):
        if service == (service_id(host.name) if call.version >= (2, 53) else str(host.number)):
            return host
    raise errors.NoSuchThing(what="Service", id=service)
