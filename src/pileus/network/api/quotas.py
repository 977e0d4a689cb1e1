"""Quotas."""

from typing import Any

from msgspec import UNSET, UnsetType

from pileus.kit.http.call import Call
from pileus.kit.http.wire import Wire
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.commands import quotas as commands


class QuotaWanted(Wire):
    """Limits to set; -1 is none."""

    network: int | UnsetType = UNSET
    subnet: int | UnsetType = UNSET
    port: int | UnsetType = UNSET
    router: int | UnsetType = UNSET
    floatingip: int | UnsetType = UNSET
    security_group: int | UnsetType = UNSET
    security_group_rule: int | UnsetType = UNSET
    subnetpool: int | UnsetType = UNSET
    rbac_policy: int | UnsetType = UNSET
    address_group: int | UnsetType = UNSET
    qos_policy: int | UnsetType = UNSET
    trunk: int | UnsetType = UNSET
    force: bool | UnsetType = UNSET
    check_limit: bool | UnsetType = UNSET
    project_id: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET


def _require(call: Call[App], name: str, project_id: str) -> None:
    call.require(name, {"project_id": project_id, "tenant_id": project_id})


@api.get("/quotas", rule("get_quota"), key="quotas", late=True)
async def index(call: Call[App]) -> list[dict[str, Any]]:
    """List the limits of projects that have some of their own."""
    found = await commands.projects_with_limits(call.app)
    return [
        {**limits, "project_id": project_id, "tenant_id": project_id}
        for project_id, limits in found.items()
        if call.allows("get_quota", {"project_id": project_id})
    ]


@api.get("/quotas/tenant", rule("get_quota"), key="tenant", late=True)
async def tenant(call: Call[App]) -> dict[str, str | None]:
    """Show whose quotas the caller's are."""
    return {"tenant_id": call.caller.project_id}


@api.get("/quotas/project", rule("get_quota"), key="project", late=True)
async def project(call: Call[App]) -> dict[str, str | None]:
    """Show whose quotas the caller's are."""
    return {"project_id": call.caller.project_id}


@api.get("/quotas/{project_id}", rule("get_quota"), key="quota", late=True)
async def show(call: Call[App], project_id: str) -> dict[str, int]:
    """Show a project's limits."""
    _require(call, "get_quota", project_id)
    return await commands.limits_of(call.app, project_id)


@api.get("/quotas/{project_id}/default", rule("get_quota"), key="quota", late=True)
async def default(call: Call[App], project_id: str) -> dict[str, int]:
    """Show the limits a project has unless told otherwise."""
    _require(call, "get_quota", project_id)
    return commands.defaults(call.app)


@api.get("/quotas/{project_id}/details", rule("get_quota"), key="quota", late=True)
async def details(call: Call[App], project_id: str) -> dict[str, dict[str, int]]:
    """Show a project's limits and what it has."""
    _require(call, "get_quota", project_id)
    return await commands.usage_of(call.app, project_id)


@api.put("/quotas/{project_id}", rule("update_quota"), key="quota", late=True)
async def update(call: Call[App], project_id: str, body: QuotaWanted) -> dict[str, int]:
    """Set limits of a project; below what it has only if forced."""
    _require(call, "update_quota", project_id)
    other = {"force", "check_limit", "project_id", "tenant_id"}
    limits = {name: value for name, value in body.given().items() if name not in other}
    return await commands.set_limits(call.app, project_id, limits, checked=body.force is not True)


@api.delete("/quotas/{project_id}", rule("delete_quota"), late=True)
async def delete(call: Call[App], project_id: str) -> None:
    """Give a project the default limits."""
    _require(call, "delete_quota", project_id)
    await commands.forget_limits(call.app, project_id)
