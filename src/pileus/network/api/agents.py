"""Agents and availability zones, as far as there are such things: hosts, and the one zone they are in."""

import uuid
from typing import Any

from pileus.kit.hosts.registry import Host
from pileus.kit.http.call import Call
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.errors import AgentNotFound

# Names agents' ids are made from: a host's agent has the same id wherever it is asked for.
_SPACE = uuid.UUID("8b1ac1e4-6c3f-4f3a-9d0a-0c5f5a2c7f11")
_KINDS = {
    "OVN Controller Gateway agent": ("ovn-controller", {"bridge-mappings": "external:br-ex"}),
    "OVN Metadata agent": ("neutron-ovn-metadata-agent", {}),
}


def _views(app: App, host: Host) -> list[dict[str, Any]]:
    """A host's agents in Neutron's words."""
    now = app.clock.now()
    return [
        {
            "id": str(uuid.uuid5(_SPACE, f"{host.name} {binary}")),
            "agent_type": kind,
            "binary": binary,
            "host": host.name,
            "topic": "n/a",
            "admin_state_up": True,
            "alive": host.up(now),
            "availability_zone": app.config.zone,
            "configurations": configurations,
            "created_at": host.joined.strftime("%Y-%m-%d %H:%M:%S"),
            "started_at": host.joined.strftime("%Y-%m-%d %H:%M:%S"),
            "heartbeat_timestamp": host.last_heard.strftime("%Y-%m-%d %H:%M:%S"),
            "description": None,
            "resources_synced": None,
        }
        for kind, (binary, configurations) in _KINDS.items()
    ]


async def _all(app: App) -> list[dict[str, Any]]:
    return [view for host in await app.hosts.list() for view in _views(app, host)]


@api.get("/agents", rule("get_agent"), key="agents")
async def index(call: Call[App]) -> list[dict[str, Any]]:
    """List the agents on hosts."""
    wanted = {name: value for name, value in call.query if name in {"host", "agent_type", "binary", "id"}}
    return [view for view in await _all(call.app) if all(view[name] == value for name, value in wanted.items())]


@api.get("/agents/{agent_id}", rule("get_agent"), key="agent")
async def show(call: Call[App], agent_id: str) -> dict[str, Any]:
    """Show an agent."""
    for view in await _all(call.app):
        if view["id"] == agent_id:
            return view
    raise AgentNotFound(id=agent_id)


@api.get("/availability_zones", rule("get_availability_zone"), key="availability_zones")
async def zones(call: Call[App]) -> list[dict[str, Any]]:
    """List availability zones."""
    return [
        {"name": call.app.config.zone, "resource": resource, "state": "available"} for resource in ("network", "router")
    ]
