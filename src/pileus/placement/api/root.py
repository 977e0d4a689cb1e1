"""The version document."""

from pileus.kit.http import Call, Wire
from pileus.placement.api.service import HIGHEST, LOWEST, api, stamp
from pileus.placement.app import PlacementApp


class Link(Wire):
    rel: str
    href: str


class VersionView(Wire):
    """The one version there is, and its microversions."""

    id: str
    max_version: str
    min_version: str
    status: str
    links: list[Link]


class Versions(Wire):
    versions: list[VersionView]


@api.get("/", None)
async def root(call: Call[PlacementApp]) -> Versions:
    """List versions."""
    stamp(call)
    only = VersionView(
        id="v1.0",
        max_version=str(HIGHEST),
        min_version=str(LOWEST),
        status="CURRENT",
        links=[Link(rel="self", href="")],
    )
    return Versions(versions=[only])
