"""Quotas: how much of each resource a project may have."""

from collections.abc import Mapping

from pileus.network.app import Network
from pileus.network.errors import InvalidInput, OverQuota, ProjectQuotaNotFound
from pileus.network.store import quotas as rows


def defaults(app: Network) -> dict[str, int]:
    """What a project may have unless told otherwise."""
    return {resource: getattr(app.config, f"quota_{resource}") for resource in rows.COUNTED}


async def make_room(app: Network, resource: str, project_id: str, asked: int = 1) -> None:
    """The project may have so many more; raises OverQuota."""
    if not project_id:
        return
    used, own = await rows.used_and_limit(app.db, resource, project_id)
    limit = defaults(app)[resource] if own is None else own
    if limit >= 0 and used + asked > limit:
        raise OverQuota(resource=resource, project=project_id, limit=limit, used=used, asked=asked)


async def limits_of(app: Network, project_id: str) -> dict[str, int]:
    """The project's limits."""
    return {**defaults(app), **dict(await app.db.all(rows.LIMITS, project_id=project_id))}


async def usage_of(app: Network, project_id: str) -> dict[str, dict[str, int]]:
    """The project's limits and what it has, resource by resource."""
    limits = await limits_of(app, project_id)
    found = {}
    for resource, limit in limits.items():
        used, _ = await rows.used_and_limit(app.db, resource, project_id)
        found[resource] = {"limit": limit, "used": used, "reserved": 0}
    return found


async def projects_with_limits(app: Network) -> dict[str, dict[str, int]]:
    """The limits of the projects that have some of their own."""
    found: dict[str, dict[str, int]] = {}
    for project_id, resource, limit in await app.db.all(rows.ALL):
        found.setdefault(project_id, defaults(app))[resource] = limit
    return found


async def set_limits(app: Network, project_id: str, limits: Mapping[str, int], *, checked: bool) -> dict[str, int]:
    """The project has these limits, and its others as before; raises OverQuota if checked and it has more already."""
    for resource, limit in limits.items():
        if resource not in rows.COUNTED:
            raise InvalidInput(why=f"there is no quota for '{resource}'")
        if limit < -1 or limit > (1 << 31) - 1:
            raise InvalidInput(why=f"'{limit}' is no limit for {resource}; -1 means none")
    async with app.db.transaction():
        for resource, limit in limits.items() if checked else ():
            used, _ = await rows.used_and_limit(app.db, resource, project_id)
            if 0 <= limit < used:
                raise OverQuota(resource=resource, project=project_id, limit=limit, used=used, asked=0)
        await app.db.run_many(
            rows.SET,
            [{"project_id": project_id, "resource": name, "limit": limit} for name, limit in limits.items()],
        )
        return await limits_of(app, project_id)


async def forget_limits(app: Network, project_id: str) -> None:
    """The project has the default limits."""
    if not await app.db.run(rows.FORGET, of_project=project_id):
        raise ProjectQuotaNotFound(id=project_id)
