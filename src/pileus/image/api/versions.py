"""The version documents."""

from pileus.image.api.service import api
from pileus.image.app import ImageApp
from pileus.kit.http import Call, Wire

OF_ALL = (17, 15, 9, 7, 6, 5, 4, 3, 2, 1, 0)
OF_STORES = (13, 12, 11, 10, 8)  # what comes with several stores
OF_CACHE = (18, 16, 14)  # and with a cache of images


class VersionLink(Wire):
    rel: str
    href: str


class VersionView(Wire):
    id: str
    status: str
    links: list[VersionLink]


class Versions(Wire):
    versions: list[VersionView]


def minors(app: ImageApp) -> list[int]:
    """The versions that this service speaks as it is set up, the newest first."""
    more = (OF_STORES if len(app.stores.all) > 1 else ()) + (OF_CACHE if app.config.cache_size else ())
    return sorted((*OF_ALL, *more), reverse=True)


def versions(call: Call[ImageApp]) -> Versions:
    link = VersionLink(rel="self", href=call.url("/v2/"))
    return Versions(
        versions=[
            VersionView(id=f"v2.{minor}", status="SUPPORTED" if at else "CURRENT", links=[link])
            for at, minor in enumerate(minors(call.app))
        ]
    )


@api.get("//", None, status=300)
async def root(call: Call[ImageApp]) -> Versions:
    """List versions, as a choice."""
    return versions(call)


@api.get("//versions", None)
async def index(call: Call[ImageApp]) -> Versions:
    """List versions."""
    return versions(call)
