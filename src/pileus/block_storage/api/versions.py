"""The documents by which clients find out which versions there are."""

from typing import Any

import msgspec

from pileus.block_storage.api.service import HIGHEST, LOWEST, PREFIX, api
from pileus.block_storage.app import BlockStorage
from pileus.kit.http import Call, Reply
from pileus.kit.http.dialect import JSON


def _document(call: Call[BlockStorage], status: int) -> Reply:
    version: dict[str, Any] = {
        "id": "v3.0",
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": call.url(f"{PREFIX}/")},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }
    return Reply(status, msgspec.json.encode({"versions": [version]}), {"Content-Type": JSON})


@api.get("//", None, status=300)
async def versions(call: Call[BlockStorage]) -> Reply:
    """List the versions of the API."""
    return _document(call, 300)


@api.get("//v3", None)
async def version_document(call: Call[BlockStorage]) -> Reply:
    """Show the version of the API."""
    return _document(call, 200)
