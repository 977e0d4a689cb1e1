"""What operators said of agents, in the database; the agents themselves are hosts."""

from sqlalchemy import bindparam, select

from pileus.kit.db import command, query, upsert
from pileus.network.models.agents import AgentNote
from pileus.network.models.resources import Router
from pileus.network.tables import agent_notes, routers

ALL = query(select(*agent_notes.c), AgentNote)
DESCRIBE = command(upsert(agent_notes, ["id"], ["description"]))
FORGET = command(upsert(agent_notes, ["id"], ["description", "deleted_at"]))
# Routers with a way out: those without one are everywhere and nowhere.
ROUTED = query(select(*routers.c).where(routers.c.gateway_port_id.is_not(None)).order_by(routers.c.id), Router)
ROUTED_ONE = query(
    select(*routers.c).where(routers.c.gateway_port_id.is_not(None), routers.c.id == bindparam("id")), Router
)
