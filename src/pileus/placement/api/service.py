"""The API all of placement's operations are declared on, and what their answers share."""

import datetime as dt
from email.utils import format_datetime
from typing import Annotated, ClassVar

import msgspec

from pileus.kit.http import Api, Call, Errors, Microversions, Query, Version
from pileus.kit.policy import ADMIN_OR_SERVICE, Rule
from pileus.placement import errors
from pileus.placement.app import PlacementApp
from pileus.placement.commands.providers import provider_get
from pileus.placement.models.providers import Provider

LOWEST, HIGHEST = Version(1, 0), Version(1, 39)

api = Api(
    "placement",
    Errors(),
    prefixes=("",),
    microversions=Microversions("placement", LOWEST, HIGHEST),
    body_limit=16 << 20,
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
