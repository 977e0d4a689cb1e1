"""The API all of placement's operations are declared on, and what their answers share."""

import datetime as dt
import re
from email.utils import format_datetime
from typing import Annotated, Any, ClassVar

import msgspec

from pileus.kit.http import Api, Call, Errors, Microversions, Query, Route, Version
from pileus.kit.policy import ADMIN_OR_SERVICE, Rule
from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.commands.providers import provider_get
from pileus.placement.models.providers import Provider

LOWEST, HIGHEST = Version(1, 0), Version(1, 39)

_READABLE = {"application/json", "application/*", "*/*"}


def _media(call: Call[Any], route: Route) -> None:
    """Bodies are JSON and say so, and who reads takes JSON; raises otherwise, before anything is looked at."""
    if route.rule is not None and not route.late and not call.enforcer.allows(route.rule.name, call.caller, {}):
        return  # Who may not ask is told so, and nothing else.
    if route.body is not None:
        given = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != "application/json":
            raise errors.NotJson(given=given[:64] or "None")
    accepted = call.headers.get("accept", "") if route.method == "GET" and route.status == 200 else ""
    if accepted and not any(_takes(one) for one in accepted.split(",")):
        raise errors.OnlyJson


def _takes(media: str) -> bool:
    """Whether one part of an Accept header is about JSON, and not to say that it is unwanted."""
    kind, *marks = (part.strip().lower() for part in media.split(";"))
    return kind in _READABLE and not any(re.fullmatch(r"q=0(\.0*)?", mark) for mark in marks)


api = Api(
    "placement",
    Errors(),
    prefixes=("",),
    microversions=Microversions("placement", LOWEST, HIGHEST),
    body_limit=16 << 20,
    check=_media,
)

Uuid = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$(?!\n)"),
]
ResourceClass = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9_]+$(?!\n)", max_length=255)]
TraitName = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9_]+$(?!\n)", min_length=1, max_length=255)]
Generation = Annotated[int, msgspec.Meta(ge=0)]


class StrictQuery(Query):
    """A query string; what it does not know is an error."""

    __loose__: ClassVar[bool] = False


def ruled(name: str) -> Rule:
    """One of placement's rules with the default that nearly all of them have."""
    return Rule(f"placement:{name}", ADMIN_OR_SERVICE)


async def provider_find(app: PlacementApp, _caller: object, uuid: str) -> Provider | errors.NoSuchProvider:
    """The provider a path names, or that there is none."""
    try:
        return await provider_get(app, uuid)
    except errors.NoSuchProvider as missing:
        return missing


def stamp(call: Call[PlacementApp], changed: dt.datetime | None = None) -> None:
    """The answer says when it last changed, and that caches must ask; since 1.15."""
    if call.version >= (1, 15):
        call.reply_headers["Last-Modified"] = format_datetime(changed or call.app.clock.now(), usegmt=True)
        call.reply_headers["Cache-Control"] = "no-cache"
