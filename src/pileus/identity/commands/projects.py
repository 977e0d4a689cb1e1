"""Projects and domains: making, changing and deleting them, and the tree they form."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.scopes import ancestors
from pileus.identity.errors import (
    DefaultDomain,
    DepthExceeded,
    DomainEnabled,
    Duplicate,
    Immutable,
    Missing,
    NotAllowedToChange,
    NotLeaf,
    ParentDisabled,
    ReferenceMissing,
    SubtreeEnabled,
    TagNotFound,
)
from pileus.identity.models import Project
from pileus.identity.models.entities import MAX_DEPTH
from pileus.identity.store import changing
from pileus.identity.store.projects import (
    domain_find,
    project_change,
    project_create,
    project_delete,
    project_find,
    projects_below,
    projects_with_ids,
)
from pileus.identity.store.roles import assignments_drop_orphans, assignments_drop_scope
from pileus.identity.store.users import default_project_forget
from pileus.kit.db import UniqueViolation


def changed_options(
    kind: str, thing_id: str, options: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The options after a change, None when it names none; refuses a change of what is immutable and stays so."""
    asked = given.get("options")
    if options.get("immutable") and not (asked and asked.get("immutable") is False):
        raise Immutable(kind=kind, id=thing_id)
    if asked is None:
        return None
    return {name: value for name, value in {**options, **asked}.items() if value is not None}


def refuse_immutable(kind: str, thing_id: str, options: Mapping[str, Any]) -> None:
    """Raise Immutable where the options say so."""
    if options.get("immutable"):
        raise Immutable(kind=kind, id=thing_id)


def _taken(project: Project) -> Duplicate:
    if project.is_domain:
        return Duplicate(kind="domain", what=f"name {project.name}")
    return Duplicate(
        f"Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in "
        f"the same domain : {project.name}."
    )


async def create_project(app: Identity, project: Project) -> Project:
    """The project (or domain) exists below its parent."""
    if not project.is_domain:
        await _check_place(app, project)
    try:
        async with changing(app):
            await project_create(app, project)
    except UniqueViolation:
        raise _taken(project) from None
    return project


async def _check_place(app: Identity, project: Project) -> None:
    if project.domain_id is None or await domain_find(app, project.domain_id) is None:
        raise Missing(kind="domain", id=project.domain_id)
    parent = await project_find(app, project.parent_id) if project.parent_id else None
    if parent is None:
        raise Missing(kind="project", id=project.parent_id)
    if (parent.domain_id or parent.id) != project.domain_id:
        raise ReferenceMissing(kind="project of this domain", id=parent.id, field="parent_id")
    if not parent.enabled:
        raise ParentDisabled(project=project.name, parent=parent.id)
    if len(await ancestors(app, project)) > MAX_DEPTH:
        raise DepthExceeded(limit=MAX_DEPTH, project=parent.id)


async def change_project(app: Identity, project: Project, given: Mapping[str, Any]) -> Project:
    """The project (or domain) has these values."""
    kind = "domain" if project.is_domain else "project"
    options = changed_options(kind, project.id, project.options, given)
    for field in ("domain_id", "parent_id", "is_domain"):
        if field in given and given[field] != getattr(project, field):
            raise NotAllowedToChange(field=field, kind=kind)
    columns = {name: given[name] for name in ("name", "description", "enabled", "tags") if given.get(name) is not None}
    if options is not None:
        columns["options"] = options
    if given.get("extra"):
        columns["extra"] = {**project.extra, **given["extra"]}
    if not project.is_domain and "enabled" in columns and columns["enabled"] != project.enabled:
        await _check_enabling(app, project, enabled=columns["enabled"])
    try:
        async with changing(app):
            await project_change(app, project.id, **columns)
    except UniqueViolation:
        raise _taken(msgspec.structs.replace(project, name=columns["name"])) from None
    return await project_find(app, project.id) or project


async def _check_enabling(app: Identity, project: Project, *, enabled: bool) -> None:
    if enabled:
        parent = await project_find(app, project.parent_id) if project.parent_id else None
        if parent is not None and not parent.enabled:
            raise ParentDisabled(project=project.id, parent=parent.id)
    elif any(below.enabled for below in await projects_with_ids(app, await projects_below(app, project.id))):
        raise SubtreeEnabled(project=project.id)


async def delete_project(app: Identity, project: Project) -> None:
    """The project is gone, and with it every role in it; it must have none below it."""
    if project.is_domain:
        await delete_domain(app, project)
        return
    refuse_immutable("project", project.id, project.options)
    async with changing(app):
        if await projects_below(app, project.id):
            raise NotLeaf(project=project.id)
        await assignments_drop_scope(app, project.id)
        await default_project_forget(app, project.id)
        await project_delete(app, project.id)


async def delete_domain(app: Identity, domain: Project) -> None:
    """The domain is gone with its projects, users, groups and roles; it must be disabled."""
    if domain.id == app.config.default_domain:
        raise DefaultDomain
    refuse_immutable("domain", domain.id, domain.options)
    if domain.enabled:
        raise DomainEnabled
    async with changing(app):
        await project_delete(app, domain.id)
        await assignments_drop_orphans(app)


async def set_tags(app: Identity, project: Project, tags: tuple[str, ...]) -> Project:
    """The project has these tags and no others."""
    kept = tuple(sorted(set(tags)))
    async with changing(app):
        await project_change(app, project.id, tags=kept)
    return msgspec.structs.replace(project, tags=kept)


async def remove_tag(app: Identity, project: Project, tag: str) -> None:
    """The project does not have the tag, which it had."""
    if tag not in project.tags:
        raise TagNotFound(tag=tag)
    await set_tags(app, project, tuple(one for one in project.tags if one != tag))
