"""The version documents."""

from pileus.image.api.service import api
from pileus.image.app import ImageApp
from pileus.kit.http import Call, Wire

# With one store and no cache of images; the numbers left out stand for what comes with those.
MINORS = (17, 15, 9, 7, 6, 5, 4, 3, 2, 1, 0)


class VersionLink(Wire):
    rel: str
    href: str


class VersionView(Wire):
    id: str
    status: str
    links: list[VersionLink]


class Versions(Wire):
    versions: list[VersionView]


def versions(call: Call[ImageApp]) -> Versions:
    link = VersionLink(rel="self", href=call.url("/v2/"))
    return Versions(
        versions=[
            VersionView(id=f"v2.{minor}", status="SUPPORTED" if at else "CURRENT", links=[link])
            for at, minor in enumerate(MINORS)
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
