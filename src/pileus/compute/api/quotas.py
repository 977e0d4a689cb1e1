"""Quotas and limits: what a project may have, and what it has."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import admin, anybody, api, reader
from pileus.compute.app import Compute
from pileus.compute.commands import quotas as commands
from pileus.compute.store.groups import group_count
from pileus.compute.store.servers import used, used_by
from pileus.kit.http import Call, F, Query, Wire
from pileus.kit.policy import ANY, Rule

SETS = "/os-quota-sets/{project_id}"
CLASSES = "/os-quota-class-sets/{name}"
DEFAULT = "default"
Most = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
Given = Most | UnsetType
UNTIL_NETWORKS = "2.35"
UNTIL_CLASSES = "2.49"
UNTIL_FILES = "2.56"


class QuotaLimits(Wire, kw_only=True):
    """A project's limits."""

    instances: int
    cores: int
    ram: int
    key_pairs: int
    metadata_items: int
    server_groups: int
    server_group_members: int
    fixed_ips: Annotated[int, F(until=UNTIL_NETWORKS)]
    floating_ips: Annotated[int, F(until=UNTIL_NETWORKS)]
    security_groups: Annotated[int, F(until=UNTIL_NETWORKS)]
    security_group_rules: Annotated[int, F(until=UNTIL_NETWORKS)]
    injected_files: Annotated[int, F(until=UNTIL_FILES)]
    injected_file_content_bytes: Annotated[int, F(until=UNTIL_FILES)]
    injected_file_path_bytes: Annotated[int, F(until=UNTIL_FILES)]


class QuotaSet(QuotaLimits, kw_only=True):
    """A project's limits, and whose they are."""

    id: str


class QuotaClass(QuotaSet, kw_only=True):
    """The limits of projects of which nothing else was said; group quotas came late to them, and those of networks went late."""

    fixed_ips: Annotated[int, F(until=UNTIL_CLASSES)]
    floating_ips: Annotated[int, F(until=UNTIL_CLASSES)]
    security_groups: Annotated[int, F(until=UNTIL_CLASSES)]
    security_group_rules: Annotated[int, F(until=UNTIL_CLASSES)]
    server_groups: Annotated[int, F(since="2.50")]
    server_group_members: Annotated[int, F(since="2.50")]


class Stock(Wire):
    """A limit with what is used of it."""

    limit: int
    in_use: int
    reserved: int = 0


class QuotaDetail(Wire, kw_only=True):
    """A project's limits with what is used of them."""

    id: str
    instances: Stock
    cores: Stock
    ram: Stock
    key_pairs: Stock
    metadata_items: Stock
    server_groups: Stock
    server_group_members: Stock
    fixed_ips: Annotated[Stock, F(until=UNTIL_NETWORKS)]
    floating_ips: Annotated[Stock, F(until=UNTIL_NETWORKS)]
    security_groups: Annotated[Stock, F(until=UNTIL_NETWORKS)]
    security_group_rules: Annotated[Stock, F(until=UNTIL_NETWORKS)]
    injected_files: Annotated[Stock, F(until=UNTIL_FILES)]
    injected_file_content_bytes: Annotated[Stock, F(until=UNTIL_FILES)]
    injected_file_path_bytes: Annotated[Stock, F(until=UNTIL_FILES)]


class QuotaUpdate(Wire, kw_only=True):
    """Limits to set."""

    force: bool | UnsetType = UNSET
    instances: Given = UNSET
    cores: Given = UNSET
    ram: Given = UNSET
    key_pairs: Given = UNSET
    metadata_items: Given = UNSET
    server_groups: Given = UNSET
    server_group_members: Given = UNSET
    fixed_ips: Annotated[Given, F(until=UNTIL_NETWORKS)] = UNSET
    floating_ips: Annotated[Given, F(until=UNTIL_NETWORKS)] = UNSET
    security_groups: Annotated[Given, F(until=UNTIL_NETWORKS)] = UNSET
    security_group_rules: Annotated[Given, F(until=UNTIL_NETWORKS)] = UNSET
    injected_files: Annotated[Given, F(until=UNTIL_FILES)] = UNSET
    injected_file_content_bytes: Annotated[Given, F(until=UNTIL_FILES)] = UNSET
    injected_file_path_bytes: Annotated[Given, F(until=UNTIL_FILES)] = UNSET


class QuotaClassLimits(QuotaLimits, kw_only=True):
    """The same without their name, as their changer is told."""

    fixed_ips: Annotated[int, F(until=UNTIL_CLASSES)]
    floating_ips: Annotated[int, F(until=UNTIL_CLASSES)]
    security_groups: Annotated[int, F(until=UNTIL_CLASSES)]
    security_group_rules: Annotated[int, F(until=UNTIL_CLASSES)]
    server_groups: Annotated[int, F(since="2.50")]
    server_group_members: Annotated[int, F(since="2.50")]


class QuotaClassUpdate(QuotaUpdate, kw_only=True):
    """Limits to set for projects of which nothing else was said."""

    fixed_ips: Annotated[Given, F(until=UNTIL_CLASSES)] = UNSET
    floating_ips: Annotated[Given, F(until=UNTIL_CLASSES)] = UNSET
    security_groups: Annotated[Given, F(until=UNTIL_CLASSES)] = UNSET
    security_group_rules: Annotated[Given, F(until=UNTIL_CLASSES)] = UNSET


class UserQuery(Query):
    """Whose quotas: the project's, or a user's in it."""

    user_id: str | None = None


SHOW = reader("os-quota-sets:show")
DETAIL = reader("os-quota-sets:detail")


def _of(call: Call[Compute], rule: Rule, project_id: str) -> None:
    call.require(rule.name, {"project_id": project_id, "user_id": call.caller.user_id})


async def _check_project(call: Call[Compute], project_id: str) -> None:
    """Raise BadRequest if there is no such project."""
    if project_id != call.caller.project_id and await call.app.identity.project(project_id) is None:
        raise errors.BadRequest(why=f"Project ID {project_id} is not a valid project.")


@api.get(SETS, SHOW, key="quota_set", late=True)
async def show(call: Call[Compute], project_id: str, query: UserQuery) -> QuotaSet:
    """Show a project's limits."""
    _of(call, SHOW, project_id)
    await _check_project(call, project_id)
    return QuotaSet(id=project_id, **await commands.limits_of(call.app, project_id, query.user_id))


@api.get(SETS + "/detail", DETAIL, key="quota_set", late=True)
async def detail(call: Call[Compute], project_id: str, query: UserQuery) -> QuotaDetail:
    """Show a project's limits with what is used of them."""
    _of(call, DETAIL, project_id)
    await _check_project(call, project_id)
    limits = await commands.limits_of(call.app, project_id, query.user_id)
    if query.user_id is None:
        have = await used(call.app, project_id)
    else:
        have = await used_by(call.app, project_id, query.user_id)
    groups = await group_count(call.app, project_id)
    in_use = {"instances": have.instances, "cores": have.cores, "ram": have.ram, "server_groups": groups}
    stocks = {name: Stock(limit=most, in_use=in_use.get(name, 0)) for name, most in limits.items()}
    return QuotaDetail(id=project_id, **stocks)


@api.get(SETS + "/defaults", Rule("os_compute_api:os-quota-sets:defaults", ANY), key="quota_set")
async def defaults(call: Call[Compute], project_id: str) -> QuotaSet:
    """Show the limits of projects of which nothing else was said."""
    await _check_project(call, project_id)
    return QuotaSet(id=project_id, **await commands.defaults(call.app))


@api.put(SETS, admin("os-quota-sets:update"), key="quota_set")
async def update(call: Call[Compute], project_id: str, body: QuotaUpdate, query: UserQuery) -> QuotaLimits:
    """Set a project's limits."""
    await _check_project(call, project_id)
    wanted: dict[str, Any] = body.given()
    force = bool(wanted.pop("force", False))
    if query.user_id is None:
        await commands.set_quotas(call.app, project_id, wanted, force=force)
    else:
        await commands.set_user_quotas(call.app, project_id, query.user_id, wanted, force=force)
    return QuotaLimits(**await commands.limits_of(call.app, project_id, query.user_id))


@api.delete(SETS, admin("os-quota-sets:delete"), status=202)
async def delete(call: Call[Compute], project_id: str, query: UserQuery) -> None:
    """Give a project the default limits, or a user those of the project."""
    if query.user_id is None:
        await commands.forget_quotas(call.app, project_id)
    else:
        await commands.forget_user_quotas(call.app, project_id, query.user_id)


@api.get(CLASSES, admin("os-quota-class-sets:show"), key="quota_class_set")
async def class_show(call: Call[Compute], name: str) -> QuotaClass:
    """Show the limits of projects of which nothing else was said."""
    return QuotaClass(id=name, **await commands.defaults(call.app))


@api.put(CLASSES, admin("os-quota-class-sets:update"), key="quota_class_set")
async def class_update(call: Call[Compute], name: str, body: QuotaClassUpdate) -> QuotaClassLimits:
    """Set the limits of projects of which nothing else was said."""
    if name != DEFAULT:
        raise errors.BadRequest(why=f"There is no quota class {name}; projects are in class {DEFAULT}.")
    wanted: dict[str, Any] = body.given()
    if wanted.pop("force", None) is not None:
        raise errors.BadRequest(why="Additional properties are not allowed ('force' was unexpected)")
    await commands.set_default_quotas(call.app, wanted)
    return QuotaClassLimits(**await commands.defaults(call.app))


class LimitsQuery(Query):
    """Whose limits."""

    tenant_id: str | None = None


class Absolute(Wire, kw_only=True):
    """The limits that matter to a project, and what it has."""

    instances: Annotated[int, F("maxTotalInstances")]
    cores: Annotated[int, F("maxTotalCores")]
    ram: Annotated[int, F("maxTotalRAMSize")]
    metadata_items: Annotated[int, F("maxServerMeta")]
    image_metadata: Annotated[int, F("maxImageMeta", until="2.38")]
    key_pairs: Annotated[int, F("maxTotalKeypairs")]
    server_groups: Annotated[int, F("maxServerGroups")]
    server_group_members: Annotated[int, F("maxServerGroupMembers")]
    floating_ips: Annotated[int, F("maxTotalFloatingIps", until=UNTIL_NETWORKS)]
    security_groups: Annotated[int, F("maxSecurityGroups", until=UNTIL_NETWORKS)]
    security_group_rules: Annotated[int, F("maxSecurityGroupRules", until=UNTIL_NETWORKS)]
    files: Annotated[int, F("maxPersonality", until=UNTIL_FILES)]
    file_size: Annotated[int, F("maxPersonalitySize", until=UNTIL_FILES)]
    used_instances: Annotated[int, F("totalInstancesUsed")]
    used_cores: Annotated[int, F("totalCoresUsed")]
    used_ram: Annotated[int, F("totalRAMUsed")]
    used_server_groups: Annotated[int, F("totalServerGroupsUsed")]
    used_floating_ips: Annotated[int, F("totalFloatingIpsUsed", until=UNTIL_NETWORKS)] = 0
    used_security_groups: Annotated[int, F("totalSecurityGroupsUsed", until=UNTIL_NETWORKS)] = 0


class Limits(Wire):
    """Limits, as clients expect them wrapped."""

    absolute: Absolute
    rate: list[str] = []


@api.get("/limits", anybody("limits"), key="limits")
async def limits(call: Call[Compute], query: LimitsQuery) -> Limits:
    """Show the limits of the caller's project, or for admins of any."""
    project_id = call.caller.project_id or ""
    if query.tenant_id not in {None, project_id}:
        call.require("os_compute_api:limits:other_project")
        project_id = query.tenant_id or ""
    most, have = await commands.limits_of(call.app, project_id), await used(call.app, project_id)
    plain = ("instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups", "server_group_members",
             "floating_ips", "security_groups", "security_group_rules")  # fmt: skip
    absolute = Absolute(
        **{name: most[name] for name in plain},
        image_metadata=most["metadata_items"],
        files=most["injected_files"],
        file_size=most["injected_file_content_bytes"],
        used_instances=have.instances,
        used_cores=have.cores,
        used_ram=have.ram,
        used_server_groups=await group_count(call.app, project_id),
    )
    return Limits(absolute=absolute)


api.declare(admin("limits:other_project"))
