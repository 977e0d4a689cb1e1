"""The documents by which clients find out which versions there are."""

from typing import Any

import msgspec

from pileus.compute.api.service import HIGHEST, LOWEST, OLD_PREFIX, PREFIX, api
from pileus.compute.app import Compute
from pileus.kit.errors import NotFound
from pileus.kit.http import Call, Reply
from pileus.kit.http.dialect import JSON


def _version(call: Call[Compute]) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": call.url(f"{PREFIX}/")}],
    }


def _old_version(call: Call[Compute]) -> dict[str, Any]:
    return {
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": call.url(f"{OLD_PREFIX}/")}],
    }


def _detailed(version: dict[str, Any]) -> dict[str, Any]:
    media_type = f"application/vnd.openstack.compute+json;version={'2' if version['id'] == 'v2.0' else '2.1'}"
    documented = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}
    version["links"] = [*version["links"], documented]
    return {**version, "media-types": [{"base": "application/json", "type": media_type}]}


@api.get("//", None)
async def versions(call: Call[Compute]) -> Reply:
    """List the versions of the API."""
    return Reply(200, msgspec.json.encode({"versions": [_old_version(call), _version(call)]}), {"Content-Type": JSON})


@api.get("//v2.1", None)
async def version_document(call: Call[Compute]) -> Reply:
    """Show the version of the API."""
    return _document(_version(call))


@api.get("//v2", None)
async def old_version_document(call: Call[Compute]) -> Reply:
    """Show the version of the API that had no microversions."""
    return _document(_old_version(call))


def _document(version: dict[str, Any]) -> Reply:
    return Reply(200, msgspec.json.encode({"version": _detailed(version)}), {"Content-Type": JSON})


class NoSuchVersion(NotFound):
    """The resource could not be found."""


@api.get("/versions/{id}", None)
async def version_show(call: Call[Compute], id: str) -> Reply:
    """Show one version of the API."""
    if id not in {"v2.0", "v2.1"}:
        raise NoSuchVersion
    return _document(_version(call) if id == "v2.1" else _old_version(call))
