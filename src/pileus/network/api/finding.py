"""How resources that belong to one project are found and listed: the caller's own, or all for those above projects."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.network.api.policy import sees_all, shown
from pileus.network.app import Network as App
from pileus.network.models.resources import Standard
from pileus.network.store.shelf import Shelf

T = TypeVar("T", bound=Standard)


def own(shelf: Shelf[T], param: str) -> Callable[..., Awaitable[T]]:
    """Finds the one whose id is that parameter of the path, if the caller sees it."""

    async def find(app: App, caller: Caller, **ids: str) -> T:
        found = await shelf.get(app.db, ids[param])
        if not (caller.admin or "service" in caller.roles or found.project_id == caller.project_id):
            raise shelf.missing(id=found.id)
        return found

    return find


def anyones(shelf: Shelf[T], param: str) -> Callable[..., Awaitable[T]]:
    """Finds the one whose id is that parameter of the path; whether the caller may see it is for policy to say."""

    async def find(app: App, caller: Caller, **ids: str) -> T:
        return await shelf.get(app.db, ids[param])

    return find


async def listed(
    call: Call[App],
    shelf: Shelf[T],
    resource: str,
    wanted: Mapping[str, object],
    page: Page,
    *,
    everyones: bool = False,
) -> list[T]:
    """A page of those that the caller may see."""
    where: dict[str, Any] = dict(wanted)
    if not everyones and not sees_all(call):
        where["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        shelf.listing, where=where, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return shown(call, resource, found)
