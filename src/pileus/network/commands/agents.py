"""Agents: which there are, what is said of them, and what they carry.

OVN places routers' gateways itself: each gateway host may carry any, in the order of their names.
"""

from collections.abc import Sequence

from pileus.kit.hosts.registry import Host
from pileus.network.app import Network as App
from pileus.network.errors import AgentNotFound, BadRequest
from pileus.network.errors.agents import (
    InvalidDHCPAgent,
    InvalidL3Agent,
    NetworkNotHostedByDhcpAgent,
    RouterHostedByL3Agent,
    RouterNotHostedByL3Agent,
    RouterStays,
)
from pileus.network.models.agents import GATEWAY, METADATA, Agent, AgentNote, agent_id
from pileus.network.models.resources import Network, Router
from pileus.network.store import agents as rows

TOP_PRIORITY = 100


def is_gateway(host: Host) -> bool:
    """Whether the host may carry gateways: one that says it is on no physical network has no way out."""
    return host.facts.get("physical_networks") != []


async def agent_list(app: App) -> list[Agent]:
    """Every agent there is, but for those deleted since they were last heard."""
    now = app.clock.now()
    notes = {note.id: note for note in await app.db.all(rows.ALL)}
    found = []
    for host in await app.hosts.list():
        for binary in (GATEWAY, METADATA):
            id = agent_id(host.name, binary)
            note = notes.get(id, AgentNote(id, None, None))
            if note.deleted_at is not None and host.last_heard <= note.deleted_at:
                continue
            found.append(
                Agent(
                    id=id,
                    binary=binary,
                    host=host.name,
                    alive=host.up(now),
                    joined=host.joined,
                    last_heard=host.last_heard,
                    external=is_gateway(host),
                    description=note.description,
                )
            )
    return found


async def agent_get(app: App, id: str) -> Agent:
    """The agent of that id; raises AgentNotFound."""
    for agent in await agent_list(app):
        if agent.id == id:
            return agent
    raise AgentNotFound(id=id)


async def update_agent(app: App, agent: Agent, *, description: str | None, admin_up: bool | None) -> Agent:
    """The agent is described so; raises BadRequest when it is to be switched off, which OVN has no way of doing."""
    if admin_up is False:
        raise BadRequest(resource="agent", why="OVN agent status cannot be updated; drain the host instead")
    if description is not None:
        await app.db.run(rows.DESCRIBE, id=agent.id, description=description, deleted_at=None)
    return await agent_get(app, agent.id)


async def delete_agent(app: App, agent: Agent) -> None:
    """The agent is not listed until its host is heard again; raises BadRequest while it is alive."""
    if agent.alive:
        raise BadRequest(resource="agent", why=f"agent {agent.id} is alive; stop its host first")
    await app.db.run(rows.FORGET, id=agent.id, description=None, deleted_at=app.clock.now())


async def agents_of_router(app: App, router: Router) -> list[tuple[Agent, int]]:
    """The agents that may carry the router's gateway, each with its priority, the highest first."""
    if router.gateway_port_id is None:
        return []
    able = [agent for agent in await agent_list(app) if agent.binary == GATEWAY and agent.external]
    ordered = sorted(able, key=lambda agent: agent.host)
    return [(agent, max(TOP_PRIORITY - rank, 1)) for rank, agent in enumerate(ordered)]


async def routers_on(app: App, agent: Agent) -> Sequence[Router]:
    """The routers whose gateway the agent may carry."""
    if agent.binary != GATEWAY or not agent.external:
        return ()
    return await app.db.all(rows.ROUTED)


async def add_router(app: App, agent: Agent, router: Router) -> None:
    """Raises what stands in the way: OVN has put the router wherever it can be."""
    if agent.binary != GATEWAY or not agent.external:
        raise InvalidL3Agent(id=agent.id)
    if router.gateway_port_id is None:
        raise BadRequest(resource="router", why=f"router {router.id} has no gateway, so no agent carries it")
    raise RouterHostedByL3Agent(router=router.id, id=agent.id)


async def remove_router(app: App, agent: Agent, router_id: str) -> None:
    """Raises what stands in the way: OVN decides where the router is."""
    if router_id not in {router.id for router in await routers_on(app, agent)}:
        raise RouterNotHostedByL3Agent(router=router_id, id=agent.id)
    raise RouterStays(router=router_id, id=agent.id)


async def add_network(app: App, agent: Agent, network: Network) -> None:
    """Raises InvalidDHCPAgent: there are no DHCP agents."""
    raise InvalidDHCPAgent(id=agent.id)


async def remove_network(app: App, agent: Agent, network_id: str) -> None:
    """Raises NetworkNotHostedByDhcpAgent: there are no DHCP agents."""
    raise NetworkNotHostedByDhcpAgent(network=network_id, id=agent.id)
