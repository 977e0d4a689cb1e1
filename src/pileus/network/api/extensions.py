"""Extensions: what of Neutron's optional API holds here, by the aliases clients ask for."""

from typing import Any

from pileus.kit.http.call import Call
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.errors import ExtensionNotFound

# Only what is really here: a client that finds an alias will use it.
EXTENSIONS = {
    "agent": "Agents that run on hosts",
    "allowed-address-pairs": "Other addresses a port may use",
    "availability_zone": "Availability zones",
    "binding": "Where ports are bound",
    "dns-integration": "Names of ports",
    "empty-string-filtering": "Filters by empty strings",
    "ext-gw-mode": "Routers with and without source NAT",
    "external-net": "External networks",
    "extra_dhcp_opt": "DHCP options of ports",
    "extraroute": "Static routes of routers",
    "extraroute-atomic": "Static routes added and removed one by one",
    "filter-validation": "Unknown filters are refused",
    "fip-port-details": "Details of the port a floating IP leads to",
    "net-mtu": "MTU of networks",
    "net-mtu-writable": "MTU of networks can be set",
    "network_availability_zone": "Availability zones of networks",
    "pagination": "Lists in pages",
    "port-security": "Port security can be switched off",
    "port-security-groups-filtering": "Ports by security groups",
    "project-id": "project_id beside tenant_id",
    "provider": "Physical networks",
    "quota_details": "Usage beside limits",
    "quotas": "Quotas of projects",
    "router": "Routers and floating IPs",
    "router_availability_zone": "Availability zones of routers",
    "security-group": "Security groups",
    "security-groups-normalized-cidr": "CIDRs of rules without host bits",
    "security-groups-rules-belongs-to-default-sg": "Rules tell whether their group is the default one",
    "sorting": "Lists in a chosen order",
    "standard-attr-description": "Descriptions",
    "standard-attr-revisions": "Revision numbers",
    "standard-attr-tag": "Tags",
    "standard-attr-timestamp": "Times of creation and change",
    "stateful-security-group": "Stateful and stateless security groups",
    "subnet-external-network": "Subnets tell whether their network is external",
    "subnet-service-types": "Subnets for certain owners of ports",
    "tag-creation": "Tags added with POST",
}


def _view(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": EXTENSIONS[alias],
        "description": EXTENSIONS[alias],
        "updated": "2026-01-01T00:00:00-00:00",
        "links": [],
    }


@api.get("/extensions", None, key="extensions")
async def index(call: Call[App]) -> list[dict[str, Any]]:
    """List what of the optional API is here."""
    return [_view(alias) for alias in EXTENSIONS]


@api.get("/extensions/{alias}", None, key="extension")
async def show(call: Call[App], alias: str) -> dict[str, Any]:
    """Show one extension."""
    if alias not in EXTENSIONS:
        raise ExtensionNotFound(id=alias)
    return _view(alias)
