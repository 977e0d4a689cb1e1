"""Which images a caller gets to see in a list."""

from collections.abc import Mapping

import msgspec

from pileus.image.app import ImageApp
from pileus.image.models.images import Image, Used
from pileus.image.models.protections import Action
from pileus.image.store import images as store
from pileus.kit.auth import Caller
from pileus.kit.http import Page


class Wanted(msgspec.Struct, frozen=True):
    """What a list is asked for."""

    filters: Mapping[str, object]
    visibility: str | None = None  # public, private, shared, community, all
    member_status: str = "accepted"


async def image_list(app: ImageApp, caller: Caller, wanted: Wanted, page: Page) -> list[Image]:
    """A page of what the caller may see of what is wanted."""
    where = {**wanted.filters, **_seen(caller, wanted)}
    return await store.image_list(app, where, page.sort, page.marker, page.limit or 0)


def may_ask(app: ImageApp, caller: Caller, wanted: Wanted) -> bool:
    """Whether the caller may read the properties he asks by; as far as he can tell, no image has one that he may not."""
    asked = wanted.filters.get("property", ())
    pairs = (asked,) if isinstance(asked, str) else asked
    assert isinstance(pairs, tuple), "one pair, or several"
    return all(app.guard.allows(caller, str(pair).partition("=")[0], Action.READ) for pair in pairs)


async def usage_of(app: ImageApp, caller: Caller) -> Used:
    """What the caller's project has."""
    return await store.images_used(app, [caller.project_id or ""])


def _seen(caller: Caller, wanted: Wanted) -> dict[str, object]:
    """Community images show only to who asks for them; others' shared ones to their members."""
    project = caller.project_id or ""
    match wanted.visibility:
        case None:
            return (
                {"unless_others_community": project} if caller.admin else {f"listed_to_{wanted.member_status}": project}
            )
        case "all":
            return {} if caller.admin else {f"reached_by_{wanted.member_status}": project}
        case "public" | "community":
            return {"visibility": wanted.visibility}
        case _:
            mine: dict[str, object] = {"visibility": wanted.visibility}
            return mine if caller.admin else {**mine, f"listed_to_{wanted.member_status}": project}
