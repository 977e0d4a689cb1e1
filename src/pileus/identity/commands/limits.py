"""Registered limits and limits: making and changing them within the rules of the model the cloud goes by.

In the strict two-level model a limit is checked against those above and below it when it is set, so that nobody finds out
later that what they were given cannot be used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.identity.app import Identity
from pileus.identity.errors import BadLimit, LimitInUse, LimitTaken, LimitTooHigh, NoRegisteredLimit
from pileus.identity.models import Project
from pileus.identity.models.limits import STRICT, Limit, RegisteredLimit, within
from pileus.identity.store import changing
from pileus.identity.store.catalog import region_find, service_find, services_all
from pileus.identity.store.limits import LIMITS, REGISTERED
from pileus.identity.store.projects import project_find, projects_below
from pileus.ports.limits import Bound

Where = tuple[str, str | None, str]  # service, region, resource


def _where(one: Limit | RegisteredLimit) -> Where:
    return one.service_id, one.region_id, one.resource_name


async def _check_place(app: Identity, service_id: str, region_id: str | None) -> None:
    if await service_find(app, service_id) is None:
        raise BadLimit(why=f"there is no service {service_id}, which service_id names")
    if region_id is not None and await region_find(app, region_id) is None:
        raise BadLimit(why=f"there is no region {region_id}, which region_id names")


async def _registered(app: Identity, where: Where) -> RegisteredLimit | None:
    found = await REGISTERED.all(app, service_id=where[0], region_id=where[1], resource_name=where[2])
    return found[0] if found else None


def _taken(kind: str, where: Where) -> LimitTaken:
    return LimitTaken(kind=kind, service=where[0], region=where[1], resource=where[2])


async def create_registered(app: Identity, asked: Sequence[RegisteredLimit]) -> list[RegisteredLimit]:
    """The registered limits exist, all of them."""
    async with changing(app):
        for one in asked:
            await _check_place(app, one.service_id, one.region_id)
            if await _registered(app, _where(one)) is not None:
                raise _taken("registered_limit", _where(one))
            await REGISTERED.create(app, one)
    return list(asked)


async def change_registered(app: Identity, one: RegisteredLimit, given: Mapping[str, Any]) -> RegisteredLimit:
    """The registered limit has these values; what it is for stays while projects have limits of it."""
    changed = msgspec.structs.replace(one, **given)
    async with changing(app):
        if _where(changed) != _where(one):
            await _check_place(app, changed.service_id, changed.region_id)
            if await LIMITS.all(app, registered_limit_id=one.id):
                raise LimitInUse(limit=one.id)
            if await _registered(app, _where(changed)) is not None:
                raise _taken("registered_limit", _where(changed))
        await REGISTERED.change(app, one.id, **given)
    return changed


async def delete_registered(app: Identity, one: RegisteredLimit) -> None:
    """The registered limit is gone; refused while projects have limits of it."""
    async with changing(app):
        if await LIMITS.all(app, registered_limit_id=one.id):
            raise LimitInUse(limit=one.id)
        await REGISTERED.delete(app, one.id)


async def create_limits(app: Identity, asked: Sequence[Limit]) -> list[Limit]:
    """The limits exist, all of them."""
    made = []
    async with changing(app):
        for one in asked:
            limit = await _placed(app, one)
            taken = await LIMITS.all(
                app,
                registered_limit_id=limit.registered_limit_id,
                project_id=limit.project_id,
                domain_id=limit.domain_id,
            )
            if taken:
                raise _taken("limit", _where(limit))
            await _check_model(app, limit)
            await LIMITS.create(app, limit)
            made.append(limit)
    return made


async def _placed(app: Identity, one: Limit) -> Limit:
    """The limit with its registered limit, and as a domain's where the project named acts as one."""
    await _check_place(app, one.service_id, one.region_id)
    project = await project_find(app, one.project_id or one.domain_id or "")
    if project is None or (one.domain_id is not None and not project.is_domain):
        raise BadLimit(why=f"there is no project or domain {one.project_id or one.domain_id}")
    registered = await _registered(app, _where(one))
    if registered is None:
        raise NoRegisteredLimit(resource=one.resource_name, service=one.service_id)
    place = {"domain_id": project.id, "project_id": None} if project.is_domain else {"project_id": project.id}
    return msgspec.structs.replace(one, registered_limit_id=registered.id, **place)


async def change_limit(app: Identity, limit: Limit, given: Mapping[str, Any]) -> Limit:
    """The limit has these values."""
    changed = msgspec.structs.replace(limit, **given)
    async with changing(app):
        await _check_model(app, changed)
        await LIMITS.change(app, limit.id, **given)
    return changed


async def delete_limit(app: Identity, limit: Limit) -> None:
    """The limit is gone; the default counts."""
    async with changing(app):
        await LIMITS.delete(app, limit.id)


# -- the strict model ---------------------------------------------------------------------------------------------------


async def _check_model(app: Identity, limit: Limit) -> None:
    """Raise LimitTooHigh where the strict model would be broken."""
    if app.config.limit_model != STRICT:
        return
    registered = await REGISTERED.find(app, limit.registered_limit_id)
    assert registered is not None, "a limit goes with its registered limit"
    project = await project_find(app, limit.project_id or limit.domain_id or "")
    if project is None:
        return
    if project.parent_id is not None:
        above = await _limit_in(app, registered, project.parent_id)
        if not within(limit.resource_limit, above):
            raise LimitTooHigh(why=f"{limit.resource_limit} is above the {above} of {project.parent_id}, its parent.")
    for below in await projects_below(app, project.id):
        found = await _own_limit(app, registered, below)
        if found is not None and not within(found.resource_limit, limit.resource_limit):
            raise LimitTooHigh(
                why=f"project {below} below has {found.resource_limit}, which is above {limit.resource_limit}."
            )


async def _own_limit(app: Identity, registered: RegisteredLimit, project_id: str) -> Limit | None:
    for column in ("project_id", "domain_id"):
        found = await LIMITS.all(app, registered_limit_id=registered.id, **{column: project_id})
        if found:
            return found[0]
    return None


async def _limit_in(app: Identity, registered: RegisteredLimit, project_id: str) -> int:
    own = await _own_limit(app, registered, project_id)
    return own.resource_limit if own is not None else registered.default_limit


# -- for other services -------------------------------------------------------------------------------------------------


async def bounds_of(app: Identity, project_id: str, service_type: str, region_id: str | None) -> dict[str, Bound]:
    """What the project may use of each resource the service has registered limits for; a region's go before all's."""
    project = await project_find(app, project_id)
    services = [one.id for one in await services_all(app) if one.type == service_type]
    if project is None or not services:
        return {}
    known = [one for one in await REGISTERED.all(app, service_id=services[0]) if one.region_id in {None, region_id}]
    tree = await _tree(app, project) if app.config.limit_model == STRICT else ()
    found = {}
    for one in sorted(known, key=lambda one: one.region_id is not None):
        whole = await _limit_in(app, one, tree[0]) if tree else None
        found[one.resource_name] = Bound(await _limit_in(app, one, project_id), tree, whole)
    return found


async def _tree(app: Identity, project: Project) -> tuple[str, ...]:
    """The project at the top of this one's tree, and all below: those that share a limit."""
    top = project.parent_id or project.id
    return (top, *await projects_below(app, top))
