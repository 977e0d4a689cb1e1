"""Extensions: how clients found out what an API can before it had microversions."""

from typing import Any

from pileus.compute import errors
from pileus.compute.api.service import anybody, api
from pileus.compute.app import Compute
from pileus.kit.http import Call

# Clients that look for extensions rather than microversions find what they need by these aliases.
EXTENSIONS = {
    "os-admin-actions": "AdminActions",
    "os-aggregates": "Aggregates",
    "os-attach-interfaces": "AttachInterfaces",
    "os-availability-zone": "AvailabilityZone",
    "os-config-drive": "ConfigDrive",
    "os-console-output": "ConsoleOutput",
    "os-consoles": "Consoles",
    "os-extended-availability-zone": "ExtendedAvailabilityZone",
    "os-extended-server-attributes": "ExtendedServerAttributes",
    "os-extended-status": "ExtendedStatus",
    "os-extended-volumes": "ExtendedVolumes",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-hosts": "Hosts",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-instance_usage_audit_log": "OSInstanceUsageAuditLog",
    "os-lock-server": "LockServer",
    "os-migrations": "Migrations",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "QuotaSets",
    "os-remote-consoles": "Consoles",
    "os-security-groups": "SecurityGroups",
    "os-server-diagnostics": "ServerDiagnostics",
    "os-server-external-events": "ServerExternalEvents",
    "os-server-groups": "ServerGroups",
    "os-server-password": "ServerPassword",
    "os-server-usage": "ServerUsage",
    "os-services": "Services",
    "os-simple-tenant-usage": "SimpleTenantUsage",
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
