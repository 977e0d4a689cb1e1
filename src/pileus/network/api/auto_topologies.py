"""Topologies that are made for a project when it asks for one."""

from msgspec import json

from pileus.kit.http.call import Call, Reply
from pileus.kit.http.route import Query
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.commands import auto_topologies as commands

PATH = "/auto-allocated-topology/{project_id}"
OWN = ("None", "null")  # how clients say that they mean their own


class Fields(Query):
    fields: list[str] = []


def _project(call: Call[App], verb: str, project_id: str) -> str:
    named = call.caller.project_id or "" if project_id in OWN else project_id
    call.require(f"{verb}_auto_allocated_topology", {"project_id": named, "tenant_id": named})
    return named


@api.get(PATH, rule("get_auto_allocated_topology"), late=True)
async def show(call: Call[App], project_id: str, query: Fields) -> Reply:
    """Show a project's topology, which is made when first asked for; or, as a dry run, whether it can be."""
    named = _project(call, "get", project_id)
    if "dry-run" in query.fields:
        await commands.parts(call.app, named)
        return _reply("dry-run=pass", named)
    found = await commands.ensure_topology(call.app, named)
    return _reply(found.network_id, named)


def _reply(topology_id: str, project_id: str) -> Reply:
    # A dry run is asked for as a field to see; the answer has its usual fields all the same.
    seen = {"id": topology_id, "project_id": project_id, "tenant_id": project_id}
    body = json.encode({"auto_allocated_topology": seen})
    return Reply(200, body, {"Content-Type": "application/json"})


@api.delete(PATH, rule("delete_auto_allocated_topology"), late=True)
async def delete(call: Call[App], project_id: str) -> None:
    """Delete a project's topology."""
    await commands.delete_topology(call.app, _project(call, "delete", project_id))
