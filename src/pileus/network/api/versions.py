"""The documents clients find the API by."""

from typing import Any

from pileus.kit.http.call import Call
from pileus.network.api.service import api
from pileus.network.app import Network as App

RESOURCES = (
    "networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules", "quotas",
    "extensions", "agents", "availability_zones",
)  # fmt: skip


@api.get("//", None)
async def root(call: Call[App]) -> dict[str, Any]:
    """List the versions of the API."""
    link = {"rel": "self", "href": call.url("/v2.0/")}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


@api.get("/", None)
async def resources(call: Call[App]) -> dict[str, Any]:
    """List the collections of version 2.0."""
    return {
        "resources": [
            {
                "name": name.replace("-", "_").removesuffix("s"),
                "collection": name.replace("-", "_"),
                "links": [{"rel": "self", "href": call.url(f"/v2.0/{name}")}],
            }
            for name in RESOURCES
        ]
    }
