"""Hypervisors: the hosts that run servers, as admins see them."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.hosts import service_id
from pileus.compute.api.service import admin, api, is_uuid
from pileus.compute.app import Compute
from pileus.compute.commands import hosts as commands
from pileus.compute.flows.hosts import provider_id
from pileus.compute.models.hosts import ComputeHost, uptime_text, version_number
from pileus.compute.store.servers import server_count_by_host, server_list_on_host
from pileus.kit.http import Call, F, Page, Query, Wire


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


def _values(host: ComputeHost) -> dict[str, Any]:
    return {
        "number": host.number,
        "id": provider_id(host.name),
        "hostname": host.name,
        "state": "up" if host.up else "down",
        "status": "disabled" if host.disabled else "enabled",
    }


def _full(host: ComputeHost, count: int, now: dt.datetime) -> HypervisorView:
    facts, used = host.facts, host.used
    service = ServiceOfHost(number=host.number, id=service_id(host.name), host=host.name, disabled_reason=host.reason)
    cpu = {"arch": facts.arch, "accel": facts.accel}
    return HypervisorView(
        **_values(host),
        type="QEMU" if facts.hypervisor == "qemu" else facts.hypervisor,
        version=version_number(facts.hypervisor_version),
        service=service,
        uptime=uptime_text(facts, now) if host.up else None,
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


async def _matching(call: Call[Compute], pattern: str) -> list[ComputeHost]:
    found = [host for host in await commands.host_list(call.app) if pattern in host.name]
    if not found:
        raise errors.NoSuchHypervisor(pattern=pattern)
    return found


def _has_id(call: Call[Compute], host: ComputeHost, id: str) -> bool:
    return id == (provider_id(host.name) if call.version >= (2, 53) else str(host.number))


async def _found(call: Call[Compute], query: HypervisorQuery, page: Page) -> list[ComputeHost]:
    if query.pattern is not None:
        if page.limit is not None or page.marker is not None:
            raise errors.BadRequest(
                why="Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported."
            )
        return await _matching(call, query.pattern)
    hosts = await commands.host_list(call.app)
    if call.version < (2, 33):
        return hosts
    if page.marker is not None:
        at = [index for index, host in enumerate(hosts) if _has_id(call, host, page.marker)]
        if not at:
            raise errors.BadRequest(why=f"Marker {page.marker} not found.")
        hosts = hosts[at[0] + 1 :]
    return hosts[: page.limit]


@api.get("/os-hypervisors", admin("os-hypervisors:list"), key="hypervisors")
async def hypervisors(call: Call[Compute], query: HypervisorQuery, page: Page) -> list[HypervisorBrief]:
    """List the hosts."""
    return [
        HypervisorBrief(**_values(host), servers=await _servers(call, host.name, wanted=query.with_servers))
        for host in await _found(call, query, page)
    ]


@api.get("/os-hypervisors/detail", admin("os-hypervisors:list-detail"), key="hypervisors")
async def hypervisors_detail(call: Call[Compute], query: HypervisorQuery, page: Page) -> list[HypervisorView]:
    """List the hosts in full."""
    counts = await server_count_by_host(call.app)
    views = []
    for host in await _found(call, query, page):
        view = _full(host, counts.get(host.name, 0), call.app.clock.now())
        view.servers = await _servers(call, host.name, wanted=query.with_servers)
        views.append(view)
    return views


@api.get("/os-hypervisors/statistics", admin("os-hypervisors:statistics"), key="hypervisor_statistics", until="2.87")
async def statistics(call: Call[Compute]) -> Statistics:
    """Add up all hosts."""
    counts = await server_count_by_host(call.app)
    now = call.app.clock.now()
    views = [_full(host, counts.get(host.name, 0), now) for host in await commands.host_list(call.app)]
    names = ("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used",
             "free_disk_gb", "disk_available_least", "running_vms")  # fmt: skip
    return Statistics(count=len(views), **{name: sum(int(getattr(view, name)) for view in views) for name in names})


@api.get("/os-hypervisors/{hypervisor}", admin("os-hypervisors:show"), key="hypervisor")
async def hypervisor_show(call: Call[Compute], hypervisor: str, query: HypervisorQuery) -> HypervisorView:
    """Show a host."""
    host = await _one(call, hypervisor)
    view = _full(host, (await server_count_by_host(call.app)).get(host.name, 0), call.app.clock.now())
    view.servers = await _servers(call, host.name, wanted=query.with_servers)
    return view


async def _one(call: Call[Compute], id: str) -> ComputeHost:
    if call.version >= (2, 53) and not is_uuid(id):
        raise errors.BadRequest(why=f"Invalid uuid {id}")
    for host in await commands.host_list(call.app):
        if _has_id(call, host, id):
            return host
    raise errors.NoSuchThing(what="Compute host", id=id)


async def _servers(call: Call[Compute], host: str, *, wanted: bool) -> list[ServerOnHost] | UnsetType:
    # Since 2.75 they are shown even if there are none.
    if not wanted and call.version < (2, 75):
        return UNSET
    found = [ServerOnHost(id=id, name=name) for id, name in await server_list_on_host(call.app, host)] if wanted else []
    return found or ([] if call.version >= (2, 75) else UNSET)


class HypervisorUptime(HypervisorBrief, kw_only=True):
    """A host and how long it is up."""

    uptime: str


@api.get("/os-hypervisors/{hypervisor}/uptime", admin("os-hypervisors:uptime"), key="hypervisor", until="2.87")
async def uptime(call: Call[Compute], hypervisor: str) -> HypervisorUptime:
    """Show how long a host is up."""
    host = await _one(call, hypervisor)
    told = uptime_text(host.facts, call.app.clock.now())
    if told is None or not host.up:
        raise errors.BadRequest(why=f"Host {host.name} does not tell how long it is up.")
    return HypervisorUptime(**_values(host), uptime=told)


@api.get("/os-hypervisors/{pattern}/search", admin("os-hypervisors:search"), key="hypervisors", until="2.52")
async def search(call: Call[Compute], pattern: str) -> list[HypervisorBrief]:
    """List the hosts whose names hold a text."""
    return [HypervisorBrief(**_values(host)) for host in await _matching(call, pattern)]


class HypervisorServers(Wire, kw_only=True):
    """A host and its servers."""

    number: Annotated[int, F("id")]
    hostname: Annotated[str, F("hypervisor_hostname")]
    state: str
    status: str
    servers: list[ServerOnHost] | UnsetType


@api.get("/os-hypervisors/{pattern}/servers", admin("os-hypervisors:servers"), key="hypervisors", until="2.52")
async def servers_by_host(call: Call[Compute], pattern: str) -> list[HypervisorServers]:
    """List the hosts whose names hold a text, each with its servers."""
    views = []
    for host in await _matching(call, pattern):
        values = {name: value for name, value in _values(host).items() if name != "id"}
        views.append(HypervisorServers(**values, servers=await _servers(call, host.name, wanted=True)))
    return views
