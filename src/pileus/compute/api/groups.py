"""What clients ask for and this cloud has nothing of yet: server groups, extensions by name."""

from typing import Any

from pileus.compute import errors
from pileus.compute.api.service import anybody, api, reader
from pileus.compute.app import Compute
from pileus.kit.http import Call

# Clients that look for extensions rather than microversions find what they need by these aliases.
EXTENSIONS = {
    "os-availability-zone": "AvailabilityZone",
    "os-console-output": "ConsoleOutput",
    "os-extended-availability-zone": "ExtendedAvailabilityZone",
    "os-extended-server-attributes": "ExtendedServerAttributes",
    "os-extended-status": "ExtendedStatus",
    "os-extended-volumes": "ExtendedVolumes",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-lock-server": "LockServer",
    "os-quota-sets": "QuotaSets",
    "os-remote-consoles": "Consoles",
    "os-security-groups": "SecurityGroups",
    "os-server-usage": "ServerUsage",
    "os-services": "Services",
    "os-user-data": "UserData",
    "servers": "Servers",
}


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": EXTENSIONS[alias],
        "description": "",
        "links": [],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "updated": "2014-12-03T00:00:00Z",
    }


@api.get("/extensions", anybody("extensions"), key="extensions")
async def extensions(call: Call[Compute]) -> list[dict[str, Any]]:
    """List the extensions."""
    return [_extension(alias) for alias in EXTENSIONS]


@api.get("/extensions/{alias}", anybody("extensions"), key="extension")
async def extension_show(call: Call[Compute], alias: str) -> dict[str, Any]:
    """Show an extension."""
    if alias not in EXTENSIONS:
        raise errors.NoSuchThing(what="Extension", id=alias)
    return _extension(alias)


@api.get("/os-server-groups", reader("os-server-groups:index"), key="server_groups")
async def groups(call: Call[Compute]) -> list[dict[str, Any]]:
    """List server groups, of which there are none yet."""
    return []


@api.get("/os-server-groups/{group}", reader("os-server-groups:show"))
async def group_show(call: Call[Compute], group: str) -> None:
    """Show a server group, of which there are none yet."""
    raise errors.NoSuchThing(what="Instance group", id=group)
