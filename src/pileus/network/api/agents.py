"""Agents and availability zones, as far as there are such things: hosts, and the one zone they are in."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.kit.http.call import Call
from pileus.kit.http.wire import F, Wire
from pileus.network.api.networks import network_for
from pileus.network.api.policy import rule
from pileus.network.api.routers import RouterSeen, router_for, views
from pileus.network.api.service import api
from pileus.network.api.wires import Name
from pileus.network.app import Network as App
from pileus.network.commands import agents as commands
from pileus.network.models.agents import GATEWAY, Agent
from pileus.network.models.resources import Network, Router

_TIME = "%Y-%m-%d %H:%M:%S"


class AgentWanted(Wire):
    """What may be said of an agent."""

    description: Name | UnsetType = UNSET
    admin_up: Annotated[bool | UnsetType, F("admin_state_up")] = UNSET


class NetworkNamed(Wire):
    network_id: str


class RouterNamed(Wire):
    router_id: str


def view(app: App, agent: Agent) -> dict[str, Any]:
    """An agent in Neutron's words."""
    gateway = agent.binary == GATEWAY
    kind = "OVN Controller Gateway agent" if agent.external else "OVN Controller agent"
    return {
        "id": agent.id,
        "agent_type": kind if gateway else "OVN Metadata agent",
        "binary": agent.binary,
        "host": agent.host,
        "topic": "n/a",
        "admin_state_up": True,
        "alive": agent.alive,
        "availability_zone": app.config.zone,
        "configurations": {"bridge-mappings": "external:br-ex"} if gateway and agent.external else {},
        "created_at": agent.joined.strftime(_TIME),
        "started_at": agent.joined.strftime(_TIME),
        "heartbeat_timestamp": agent.last_heard.strftime(_TIME),
        "description": agent.description,
        "resources_synced": None,
    }


@api.get("/agents", rule("get_agent"), key="agents", late=True)
async def index(call: Call[App]) -> list[dict[str, Any]]:
    """List the agents on hosts; who may not see them sees an empty list."""
    if not call.allows("get_agent", {}):
        return []
    wanted = {name: value for name, value in call.query if name in {"host", "agent_type", "binary", "id"}}
    seen = [view(call.app, agent) for agent in await commands.agent_list(call.app)]
    return [each for each in seen if all(each[name] == value for name, value in wanted.items())]


@api.get("/agents/{agent_id}", rule("get_agent"), key="agent")
async def show(call: Call[App], agent_id: str) -> dict[str, Any]:
    """Show an agent."""
    return view(call.app, await commands.agent_get(call.app, agent_id))


@api.put("/agents/{agent_id}", rule("update_agent"), key="agent")
async def update(call: Call[App], agent_id: str, body: AgentWanted) -> dict[str, Any]:
    """Describe an agent."""
    agent = await commands.agent_get(call.app, agent_id)
    description = None if body.description is UNSET else body.description
    admin_up = None if body.admin_up is UNSET else body.admin_up
    return view(call.app, await commands.update_agent(call.app, agent, description=description, admin_up=admin_up))


@api.delete("/agents/{agent_id}", rule("delete_agent"))
async def delete(call: Call[App], agent_id: str) -> None:
    """Take the agent of a host that is no more off the list."""
    await commands.delete_agent(call.app, await commands.agent_get(call.app, agent_id))


@api.get("/agents/{agent_id}/dhcp-networks", rule("get_dhcp-networks"), key="networks")
async def dhcp_networks(call: Call[App], agent_id: str) -> list[dict[str, Any]]:
    """List the networks a DHCP agent answers for: none, since OVN answers itself."""
    await commands.agent_get(call.app, agent_id)
    return []


@api.post("/agents/{agent_id}/dhcp-networks", rule("create_dhcp-network"))
async def add_network(call: Call[App], agent_id: str, body: NetworkNamed) -> None:
    """Have a DHCP agent answer for a network."""
    network = await network_for(call.app, call.caller, body.network_id)
    await commands.add_network(call.app, await commands.agent_get(call.app, agent_id), network)


@api.delete("/agents/{agent_id}/dhcp-networks/{network_id}", rule("delete_dhcp-network"))
async def remove_network(call: Call[App], agent_id: str, network_id: str) -> None:
    """Have a DHCP agent answer for a network no more."""
    await commands.remove_network(call.app, await commands.agent_get(call.app, agent_id), network_id)


@api.get("/networks/{network_id}/dhcp-agents", rule("get_dhcp-agents"), key="agents", find=network_for)
async def dhcp_agents(call: Call[App], network: Network) -> list[dict[str, Any]]:
    """List the DHCP agents of a network: none, since OVN answers itself."""
    return []


@api.get("/agents/{agent_id}/l3-routers", rule("get_l3-routers"), key="routers")
async def l3_routers(call: Call[App], agent_id: str) -> list[RouterSeen]:
    """List the routers whose gateway an agent may carry."""
    agent = await commands.agent_get(call.app, agent_id)
    return await views(call.app, list(await commands.routers_on(call.app, agent)))


@api.post("/agents/{agent_id}/l3-routers", rule("create_l3-router"))
async def add_router(call: Call[App], agent_id: str, body: RouterNamed) -> None:
    """Have an agent carry a router."""
    router = await router_for(call.app, call.caller, body.router_id)
    await commands.add_router(call.app, await commands.agent_get(call.app, agent_id), router)


@api.delete("/agents/{agent_id}/l3-routers/{router_id}", rule("delete_l3-router"))
async def remove_router(call: Call[App], agent_id: str, router_id: str) -> None:
    """Have an agent carry a router no more."""
    await commands.remove_router(call.app, await commands.agent_get(call.app, agent_id), router_id)


@api.get("/routers/{router_id}/l3-agents", rule("get_l3-agents"), key="agents", find=router_for)
async def l3_agents(call: Call[App], router: Router) -> list[dict[str, Any]]:
    """List the agents that may carry a router's gateway, by priority."""
    found = await commands.agents_of_router(call.app, router)
    return [{**view(call.app, agent), "ha_chassis_priority": rank} for agent, rank in found]


@api.get("/availability_zones", rule("get_availability_zone"), key="availability_zones")
async def zones(call: Call[App]) -> list[dict[str, Any]]:
    """List availability zones."""
    return [
        {"name": call.app.config.zone, "resource": resource, "state": "available"} for resource in ("network", "router")
    ]
