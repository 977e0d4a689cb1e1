"""The documents by which clients find out which versions there are."""

from typing import Any

import msgspec

from pileus.compute.api.service import HIGHEST, LOWEST, PREFIX, api
from pileus.compute.app import Compute
from pileus.kit.errors import NotFound
from pileus.kit.http import Call, Reply
from pileus.kit.http.dialect import JSON

MEDIA_TYPE = "application/vnd.openstack.compute+json;version=2.1"


def _version(call: Call[Compute]) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": call.url(f"{PREFIX}/")}],
    }


def _detailed(call: Call[Compute]) -> dict[str, Any]:
    version = _version(call)
    documented = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}
    version["links"] = [*version["links"], documented]
    return {**version, "media-types": [{"base": "application/json", "type": MEDIA_TYPE}]}


@api.get("//", None)
async def versions(call: Call[Compute]) -> Reply:
    """List the versions of the API."""
    return Reply(200, msgspec.json.encode({"versions": [_version(call)]}), {"Content-Type": JSON})


@api.get("//v2.1", None)
async def version_document(call: Call[Compute]) -> Reply:
    """Show the version of the API."""
    return _document(call)


def _document(call: Call[Compute]) -> Reply:
    return Reply(200, msgspec.json.encode({"version": _detailed(call)}), {"Content-Type": JSON})


class NoSuchVersion(NotFound):
    """The resource could not be found."""


@api.get("/versions/{id}", None)
async def version_show(call: Call[Compute], id: str) -> Reply:
    """Show one version of the API."""
    if id != "v2.1":
        raise NoSuchVersion
    return _document(call)
