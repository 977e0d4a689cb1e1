"""Hosts as this API shows them: availability zones, compute services, hypervisors."""

import uuid
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import admin, anybody, api, fine_moment
from pileus.compute.app import Compute
from pileus.compute.commands import hosts as commands
from pileus.compute.flows.hosts import provider_id
from pileus.compute.models.hosts import ComputeHost, version_number
from pileus.compute.store.servers import server_count_by_host, server_list_on_host
from pileus.kit.http import Call, F, Page, Query, Reply, Wire

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
    found = await commands.host_list(call.app)
    usable = any(host.up and not host.disabled for host in found)
    return [ZoneView(name=call.app.config.zone, state=ZoneState(available=usable))]


@api.get("/os-availability-zone/detail", admin("os-availability-zone:detail"), key="availabilityZoneInfo")
async def zones_detail(call: Call[Compute]) -> list[ZoneView]:
    """List the availability zones with the hosts in them."""
    found = await commands.host_list(call.app)
    states = {
        host.name: {
            BINARY: ServiceState(active=not host.disabled, available=host.up, updated_at=fine_moment(host.last_heard))
        }
        for host in found
    }
    usable = any(host.up and not host.disabled for host in found)
    return [ZoneView(name=call.app.config.zone, state=ZoneState(available=usable), hosts=states)]


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

    status: Annotated[str, msgspec.Meta(pattern="^(enabled|disabled)$")] | UnsetType = UNSET
    disabled_reason: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: bool | UnsetType = UNSET


def _service(call: Call[Compute], number: int, host: ComputeHost) -> ServiceView:
    return ServiceView(
        number=number,
        id=service_id(host.name),
        host=host.name,
        zone=call.app.config.zone,
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
    found = list(enumerate(await commands.host_list(call.app), 1))
    if query.binary not in {None, BINARY}:
        return []
    return [_service(call, number, host) for number, host in found if query.host in {None, host.name}]


@api.put("/os-services/{service}", admin("os-services:update"), since="2.53", reply_key="service")
async def service_update(call: Call[Compute], service: str, body: ServiceUpdate) -> ServiceView:
    """Enable or disable a compute service, or say that it is down."""
    number, host = await _by_service(call, service)
    given: dict[str, Any] = body.given()
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
    return _service(call, number, changed)


@api.delete("/os-services/{service}", admin("os-services:delete"))
async def service_delete(call: Call[Compute], service: str) -> None:
    """Forget the compute service of a host that is gone."""
    _, host = await _by_service(call, service)
    await commands.forget_host(call.app, host)


async def _by_service(call: Call[Compute], service: str) -> tuple[int, ComputeHost]:
    for number, host in enumerate(await commands.host_list(call.app), 1):
        if service == (service_id(host.name) if call.version >= (2, 53) else str(number)):
            return number, host
    raise errors.NoSuchThing(what="Service", id=service)


class ServerOnHost(Wire):
    """A server of a hypervisor."""

    id: Annotated[str, F("uuid")]
    name: str


class ServiceOfHost(Wire):
    """The service of a hypervisor."""

    number: Annotated[int, F("id", until="2.52")]
    id: Annotated[str, F("id", since="2.53")]
    host: str
    disabled_reason: str | None


class HypervisorBrief(Wire, kw_only=True):
    """A host in a list."""

    number: Annotated[int, F("id", until="2.52")]
    id: Annotated[str, F("id", since="2.53")]
    hostname: Annotated[str, F("hypervisor_hostname")]
    state: str
    status: str
    servers: Annotated[list[ServerOnHost] | UnsetType, F(since="2.53")] = UNSET


class HypervisorView(HypervisorBrief, kw_only=True):
    """A host in full; what there is of room moved to placement in 2.88."""

    type: Annotated[str, F("hypervisor_type")]
    version: Annotated[int, F("hypervisor_version")]
    host_ip: str = "127.0.0.1"
    service: ServiceOfHost
    uptime: Annotated[str | None, F(since="2.88")] = None
    cpu_text: Annotated[str, F("cpu_info", until="2.27")]
    cpu: Annotated[dict[str, str], F("cpu_info", since="2.28", until="2.87")]
    vcpus: Annotated[int, F(until="2.87")]
    vcpus_used: Annotated[int, F(until="2.87")]
    memory_mb: Annotated[int, F(until="2.87")]
    memory_mb_used: Annotated[int, F(until="2.87")]
    free_ram_mb: Annotated[int, F(until="2.87")]
    local_gb: Annotated[int, F(until="2.87")]
    local_gb_used: Annotated[int, F(until="2.87")]
    free_disk_gb: Annotated[int, F(until="2.87")]
    disk_available_least: Annotated[int, F(until="2.87")]
    current_workload: Annotated[int, F(until="2.87")] = 0
    running_vms: Annotated[int, F(until="2.87")]


class Statistics(Wire, kw_only=True):
    """All hosts added up."""

    count: int
    vcpus: int
    vcpus_used: int
    memory_mb: int
    memory_mb_used: int
    free_ram_mb: int
    local_gb: int
    local_gb_used: int
    free_disk_gb: int
    disk_available_least: int
    current_workload: int = 0
    running_vms: int


class HypervisorQuery(Query):
    """Which hosts, and whether with their servers."""

    pattern: Annotated[str | None, F("hypervisor_hostname_pattern", since="2.53")] = None
    with_servers: Annotated[bool, F(since="2.53")] = False


def _values(number: int, host: ComputeHost) -> dict[str, Any]:
    return {
        "number": number,
        "id": provider_id(host.name),
        "hostname": host.name,
        "state": "up" if host.up else "down",
        "status": "disabled" if host.disabled else "enabled",
    }


def _full(number: int, host: ComputeHost, count: int) -> HypervisorView:
    facts, used = host.facts, host.used
    service = ServiceOfHost(number=number, id=service_id(host.name), host=host.name, disabled_reason=host.reason)
    cpu = {"arch": facts.arch, "accel": facts.accel}
    return HypervisorView(
        **_values(number, host),
        type="QEMU" if facts.hypervisor == "qemu" else facts.hypervisor,
        version=version_number(facts.hypervisor_version),
        service=service,
        cpu_text=msgspec.json.encode(cpu).decode(),
        cpu=cpu,
        vcpus=facts.cpus,
        vcpus_used=used.get("VCPU", 0),
        memory_mb=facts.ram_mib,
        memory_mb_used=used.get("MEMORY_MB", 0),
        free_ram_mb=facts.ram_mib - used.get("MEMORY_MB", 0),
        local_gb=facts.disk_gib,
        local_gb_used=used.get("DISK_GB", 0),
        free_disk_gb=facts.disk_gib - used.get("DISK_GB", 0),
        disk_available_least=facts.disk_free_gib,
        running_vms=count,
    )


async def _found(call: Call[Compute], query: HypervisorQuery, page: Page) -> list[tuple[int, ComputeHost]]:
    pairs = list(enumerate(await commands.host_list(call.app), 1))
    if query.pattern is not None:
        pairs = [(number, host) for number, host in pairs if query.pattern in host.name]
        if not pairs:
            raise errors.NoSuchThing(what="No hypervisor matching", id=f"'{query.pattern}'")
    if page.marker is not None and call.version >= (2, 33):
        ids = [provider_id(host.name) if call.version >= (2, 53) else str(number) for number, host in pairs]
        if page.marker not in ids:
            raise errors.BadRequest(why=f"Marker {page.marker} not found.")
        pairs = pairs[ids.index(page.marker) + 1 :]
    return pairs[: page.limit]


@api.get("/os-hypervisors", admin("os-hypervisors:list"), key="hypervisors")
async def hypervisors(call: Call[Compute], query: HypervisorQuery, page: Page) -> list[HypervisorBrief]:
    """List the hosts."""
    return [
        HypervisorBrief(**_values(number, host), servers=await _servers(call, host.name, wanted=query.with_servers))
        for number, host in await _found(call, query, page)
    ]


@api.get("/os-hypervisors/detail", admin("os-hypervisors:list-detail"), key="hypervisors")
async def hypervisors_detail(call: Call[Compute], query: HypervisorQuery, page: Page) -> list[HypervisorView]:
    """List the hosts in full."""
    counts = await server_count_by_host(call.app)
    views = []
    for number, host in await _found(call, query, page):
        view = _full(number, host, counts.get(host.name, 0))
        view.servers = await _servers(call, host.name, wanted=query.with_servers)
        views.append(view)
    return views


@api.get("/os-hypervisors/statistics", admin("os-hypervisors:statistics"), key="hypervisor_statistics", until="2.87")
async def statistics(call: Call[Compute]) -> Statistics:
    """Add up all hosts."""
    counts = await server_count_by_host(call.app)
    views = [_full(0, host, counts.get(host.name, 0)) for host in await commands.host_list(call.app)]
    names = ("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used",
             "free_disk_gb", "disk_available_least", "running_vms")  # fmt: skip
    return Statistics(count=len(views), **{name: sum(int(getattr(view, name)) for view in views) for name in names})


@api.get("/os-hypervisors/{hypervisor}", admin("os-hypervisors:show"), key="hypervisor")
async def hypervisor_show(call: Call[Compute], hypervisor: str, query: HypervisorQuery) -> HypervisorView:
    """Show a host."""
    counts = await server_count_by_host(call.app)
    for number, host in enumerate(await commands.host_list(call.app), 1):
        if hypervisor == (provider_id(host.name) if call.version >= (2, 53) else str(number)):
            view = _full(number, host, counts.get(host.name, 0))
            view.servers = await _servers(call, host.name, wanted=query.with_servers)
            return view
    raise errors.NoSuchThing(what="Compute host", id=hypervisor)


async def _servers(call: Call[Compute], host: str, *, wanted: bool) -> list[ServerOnHost] | UnsetType:
    # Since 2.75 they are shown even if there are none.
    if not wanted and call.version < (2, 75):
        return UNSET
    found = [ServerOnHost(id=id, name=name) for id, name in await server_list_on_host(call.app, host)] if wanted else []
    return found or ([] if call.version >= (2, 75) else UNSET)


@api.get("/os-hypervisors/{hypervisor}/uptime", admin("os-hypervisors:uptime"), until="2.87")
async def uptime(call: Call[Compute], hypervisor: str) -> Reply:
    """Show how long a host is up, which hosts here do not tell."""
    raise errors.BadRequest(why=f"Hypervisor {hypervisor} does not implement uptime.")
