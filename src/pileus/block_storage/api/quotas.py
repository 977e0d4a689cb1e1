"""Quotas and limits: what a project may have, and what it has."""

from typing import Annotated, Any

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.api.service import admin, api, flag, reader
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas as commands
from pileus.block_storage.store.quotas import used
from pileus.kit.http import Call, F, Query
from pileus.kit.policy import Rule

SETS = "/os-quota-sets/{of_project}"
CLASSES = "/os-quota-class-sets/{name}"
Most = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
Given = dict[str, Any]
SHOW = reader("volume_extension:quotas:show")


class UsageQuery(Query):
    """Whether to say what is used too."""

    usage: str | None = None


def _require(call: Call[BlockStorage], rule: Rule, project_id: str) -> None:
    call.require(rule.name, {"project_id": project_id, "user_id": call.caller.user_id})


@api.get(SETS, SHOW, late=True)
async def show(call: Call[BlockStorage], of_project: str, query: UsageQuery) -> dict[str, Any]:
    """Show a project's limits, and what is used of them if asked for."""
    _require(call, SHOW, of_project)
    limits: dict[str, Any] = dict(await commands.limits_of(call.app, of_project))
    if query.usage is not None and flag(query.usage, "usage"):
        have = await used(call.app, of_project)
        limits = {
            name: {"limit": most, "in_use": have.of(name) - kept, "reserved": kept, "allocated": 0}
            for name, most in limits.items()
            for kept in [have.reserved.get(name, 0)]
        }
    return {"quota_set": {"id": of_project, **limits}}


@api.get(SETS + "/defaults", SHOW, late=True)
async def defaults(call: Call[BlockStorage], of_project: str) -> dict[str, Any]:
    """Show the limits of projects of which nothing else was said."""
    _require(call, SHOW, of_project)
    return {"quota_set": {"id": of_project, **await commands.defaults(call.app)}}


def _wanted(body: Given) -> dict[str, int]:
    """The limits a body sets; raises BadRequest for what is none."""
    ignored = {"tenant_id", "id", "skip_validation", "class_name"}
    wanted = {}
    for name, most in body.items():
        if name in ignored:
            continue
        try:
            wanted[name] = msgspec.convert(most, Most, strict=False)
        except msgspec.ValidationError as bad:
            raise errors.BadRequest(why=f"Invalid input for field/attribute {name}: {bad}.") from bad
    return wanted


@api.put(SETS, admin("volume_extension:quotas:update"), key="quota_set", reply_key="", on="c")
async def update(call: Call[BlockStorage], of_project: str, body: Given) -> dict[str, Any]:
    """Set a project's limits."""
    if await call.app.identity.project(of_project) is None:
        raise errors.BadRequest(why=f"Project ID {of_project} is not a valid project.")
    not_below_use = not flag(body.get("skip_validation", True), "skip_validation")
    await commands.set_quotas(call.app, of_project, _wanted(body), not_below_use=not_below_use)
    return {"quota_set": await commands.limits_of(call.app, of_project)}


@api.delete(SETS, admin("volume_extension:quotas:delete"), status=200)
async def delete(call: Call[BlockStorage], of_project: str) -> None:
    """Give a project the default limits."""
    await commands.forget_quotas(call.app, of_project)


@api.get(CLASSES, admin("volume_extension:quota_classes:get"))
async def class_show(call: Call[BlockStorage], name: str) -> dict[str, Any]:
    """Show the limits of a class."""
    return {"quota_class_set": {"id": name, **await commands.limits_of_class(call.app, name)}}


@api.put(CLASSES, admin("volume_extension:quota_classes:update"), key="quota_class_set", reply_key="", on="c")
async def class_update(call: Call[BlockStorage], name: str, body: Given) -> dict[str, Any]:
    """Set the limits of a class; in class default are all projects of which nothing else was said."""
    await commands.set_class(call.app, name, _wanted(body))
    return {"quota_class_set": await commands.limits_of_class(call.app, name)}


class LimitsQuery(Query):
    """Whose limits."""

    project_id: Annotated[str | None, F(since="3.39")] = None
    tenant_id: Annotated[str | None, F(since="3.39")] = None


@api.get("/limits", reader("limits_extension:used_limits"))
async def limits(call: Call[BlockStorage], query: LimitsQuery) -> dict[str, Any]:
    """Show the limits of the caller's project, or for admins of any, and what it has."""
    project_id = call.caller.project_id or ""
    if call.caller.admin:
        project_id = query.project_id or query.tenant_id or project_id
    most, have = await commands.limits_of(call.app, project_id), await used(call.app, project_id)
    absolute = {
        "maxTotalVolumes": most["volumes"],
        "maxTotalSnapshots": most["snapshots"],
        "maxTotalVolumeGigabytes": most["gigabytes"],
        "maxTotalBackups": most["backups"],
        "maxTotalBackupGigabytes": most["backup_gigabytes"],
        "totalVolumesUsed": have.volumes,
        "totalSnapshotsUsed": have.snapshots,
        "totalGigabytesUsed": have.gigabytes,
        "totalBackupsUsed": have.backups,
        "totalBackupGigabytesUsed": have.backup_gigabytes,
    }
    return {"limits": {"rate": [], "absolute": absolute}}
