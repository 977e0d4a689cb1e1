"""Hosts and their services as clients before 2.53 steer them; later ones use hypervisors and services by id."""

from typing import Annotated, Any, Literal

import msgspec

from pileus.compute import errors
from pileus.compute.api.hosts import BINARY, service_view
from pileus.compute.api.service import admin, api
from pileus.compute.app import Compute
from pileus.compute.commands import hosts as commands
from pileus.compute.models.hosts import ComputeHost
from pileus.compute.store.servers import server_use_on_host
from pileus.kit.http import Call, F, Query, Wire

HOST = "/os-hosts/{host}"
UNTIL_HOSTS = "2.42"
UNTIL_BINARIES = "2.52"


class HostBrief(Wire, kw_only=True):
    """A host in a list."""

    name: Annotated[str, F("host_name")]
    service: str = "compute"
    zone: str


class HostQuery(Query):
    """Which hosts."""

    zone: str | None = None
    service: str | None = None


class HostUpdate(Wire, kw_only=True):
    """What may be said of a host."""

    status: Literal["enable", "disable"] | None = None
    maintenance_mode: Literal["enable", "disable"] | None = None


class HostBinary(Wire, kw_only=True):
    """A service of a host, by its name."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    binary: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class WithReason(HostBinary, kw_only=True):
    """A service to disable, and why."""

    disabled_reason: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class DownOrNot(HostBinary, kw_only=True):
    """Whether a service is to count as down."""

    forced_down: bool | None = None


async def _host(call: Call[Compute], name: str) -> ComputeHost:
    for host in await commands.host_list(call.app):
        if host.name == name:
            return host
    raise errors.NoSuchThing(what="Compute host", id=name)


@api.get("/os-hosts", admin("os-hosts:list"), key="hosts", until=UNTIL_HOSTS)
async def index(call: Call[Compute], query: HostQuery) -> list[HostBrief]:
    """List the hosts."""
    if query.service not in {None, "compute"}:
        return []
    hosts = await commands.host_list(call.app)
    return [HostBrief(name=host.name, zone=host.zone) for host in hosts if not query.zone or query.zone == host.zone]


@api.get(HOST, admin("os-hosts:show"), until=UNTIL_HOSTS)
async def show(call: Call[Compute], host: str) -> dict[str, Any]:
    """Show a host's room: in all, what is used, what each project has of it."""
    found = await _host(call, host)
    rows = [_resource(host, "(total)", found.facts.cpus, found.facts.ram_mib, found.facts.disk_gib)]
    used = found.used
    rows.append(_resource(host, "(used_now)", used.get("VCPU", 0), used.get("MEMORY_MB", 0), used.get("DISK_GB", 0)))
    by_project = await server_use_on_host(call.app, host)
    sums = [sum(amounts) for amounts in zip(*(each[1:] for each in by_project), strict=True)] or [0, 0, 0]
    rows.append(_resource(host, "(used_max)", *sums))
    rows += [_resource(host, *each) for each in by_project]
    return {"host": rows}


def _resource(host: str, project: str, cpu: int, ram: int, disk: int) -> dict[str, Any]:
    return {"resource": {"host": host, "project": project, "cpu": cpu, "memory_mb": ram, "disk_gb": disk}}


@api.put(HOST, admin("os-hosts:update"), until=UNTIL_HOSTS, on="c")
async def update(call: Call[Compute], host: str, body: HostUpdate) -> dict[str, Any]:
    """Let new servers come to a host, or not."""
    found = await _host(call, host)
    if body.maintenance_mode is not None:
        raise errors.NotOffered(what="maintenance_mode")
    if body.status is None:
        raise errors.BadRequest(why="Invalid input: give a status, enable or disable.")
    await commands.set_host(
        call.app, found, disabled=body.status == "disable", reason=None, forced_down=found.forced_down
    )
    return {"host": host, "status": f"{body.status}d"}


@api.get(HOST + "/startup", admin("os-hosts:start"), until=UNTIL_HOSTS)
async def startup(call: Call[Compute], host: str) -> None:
    """Turn a host on, which is not done from here."""
    await _host(call, host)
    raise errors.NotOffered(what="startup of hosts")


@api.get(HOST + "/shutdown", admin("os-hosts:shutdown"), until=UNTIL_HOSTS)
async def shutdown(call: Call[Compute], host: str) -> None:
    """Turn a host off, which is not done from here."""
    await _host(call, host)
    raise errors.NotOffered(what="shutdown of hosts")


@api.get(HOST + "/reboot", admin("os-hosts:reboot"), until=UNTIL_HOSTS)
async def reboot(call: Call[Compute], host: str) -> None:
    """Restart a host, which is not done from here."""
    await _host(call, host)
    raise errors.NotOffered(what="reboot of hosts")


async def _named(call: Call[Compute], body: HostBinary) -> ComputeHost:
    if body.binary != BINARY:
        raise errors.NoSuchThing(what="Host binary", id=f"{body.host}:{body.binary}")
    return await _host(call, body.host)


async def _said(
    call: Call[Compute], host: ComputeHost, *, disabled: bool, reason: str | None, forced_down: bool
) -> ComputeHost:
    return await commands.set_host(call.app, host, disabled=disabled, reason=reason, forced_down=forced_down)


@api.put("/os-services/enable", admin("os-services:update"), until=UNTIL_BINARIES, on="c")
async def enable(call: Call[Compute], body: HostBinary) -> dict[str, Any]:
    """Let new servers come to a host."""
    host = await _named(call, body)
    await _said(call, host, disabled=False, reason=None, forced_down=host.forced_down)
    return {"service": {"host": body.host, "binary": body.binary, "status": "enabled"}}


@api.put("/os-services/disable", admin("os-services:update"), until=UNTIL_BINARIES, on="c")
async def disable(call: Call[Compute], body: HostBinary) -> dict[str, Any]:
    """Let no new servers come to a host."""
    host = await _named(call, body)
    await _said(call, host, disabled=True, reason=None, forced_down=host.forced_down)
    return {"service": {"host": body.host, "binary": body.binary, "status": "disabled"}}


@api.put("/os-services/disable-log-reason", admin("os-services:update"), until=UNTIL_BINARIES, on="c")
async def disable_with_reason(call: Call[Compute], body: WithReason) -> dict[str, Any]:
    """Let no new servers come to a host, and say why."""
    host = await _named(call, body)
    after = await _said(call, host, disabled=True, reason=body.disabled_reason, forced_down=host.forced_down)
    said = {"host": body.host, "binary": body.binary, "status": "disabled", "disabled_reason": after.reason}
    return {"service": said}


@api.put("/os-services/force-down", admin("os-services:update"), since="2.11", until=UNTIL_BINARIES, on="c")
async def force_down(call: Call[Compute], body: DownOrNot) -> dict[str, Any]:
    """Count a host as down, or not."""
    host = await _named(call, body)
    down = body.forced_down if body.forced_down is not None else False
    view = service_view(await _said(call, host, disabled=host.disabled, reason=host.reason, forced_down=down))
    return {"service": {"host": view.host, "binary": view.binary, "forced_down": view.forced_down}}
