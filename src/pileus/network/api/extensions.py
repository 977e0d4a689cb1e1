"""Extensions: what of Neutron's optional API holds here, by the aliases clients ask for."""

from typing import Any

from pileus.kit.http.call import Call
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.errors import ExtensionNotFound

# Only what is really here: a client that finds an alias will use it. Some clients look for the name instead.
EXTENSIONS = {
    "address-group": "Address group",
    "address-scope": "Address scope",
    "agent": "agent",
    "allowed-address-pairs": "Allowed Address Pairs",
    "auto-allocated-topology": "Auto Allocated Topology Services",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "binding-extended": "Port Bindings Extended",
    "default-subnetpools": "Default Subnetpools",
    "dhcp_agent_scheduler": "DHCP Agent Scheduler",
    "dns-domain-ports": "dns_domain for ports",
    "dns-integration": "DNS Integration",
    "dns-integration-domain-keywords": "DNS domain names with keywords allowed",
    "empty-string-filtering": "Empty String Filtering Extension",
    "enable-default-route-bfd": "Enables BFD monitoring of default routes",
    "enable-default-route-ecmp": "Enables configurable ECMP behavior for default routes",
    "ext-gw-mode": "Neutron L3 Configurable external gateway mode",
    "external-gateway-multihoming": "Router external gateway multihoming",
    "external-net": "Neutron external network",
    "extra_dhcp_opt": "Neutron Extra DHCP options",
    "extraroute": "Neutron Extra Route",
    "extraroute-atomic": "Atomically add/remove extra routes",
    "filter-validation": "Filter parameters validation",
    "fip-port-details": "Floating IP Port Details Extension",
    "expose-port-forwarding-in-fip": "Expose Port Forwarding in FIP",
    "floatingip-pools": "Floating IP pools",
    "flavors": "Neutron Service Flavors",
    "floating-ip-port-forwarding": "Floating IP Port Forwarding",
    "floating-ip-port-forwarding-description": "Floating IP Port Forwarding new field 'description'",
    "floating-ip-port-forwarding-detail": "Port forwarding details of floating IPs",
    "floating-ip-port-forwarding-port-ranges": "Floating IP Port Forwarding support for ranges of ports",
    "ip-substring-filtering": "IP address substring filtering",
    "l3-agent-scheduler-ha-chassis-priority": "HA chassis priority of L3 agents",
    "l3-flavors": "Router Flavor Extension",
    "l3-ha": "HA Router extension",
    "l3_agent_scheduler": "L3 Agent Scheduler",
    "logging": "Logging API Extension",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "network-ip-availability": "Network IP Availability",
    "network-ip-availability-details": "Network IP Availability Details Extension",
    "network_availability_zone": "Network Availability Zone",
    "network-segment-range": "Neutron Network Segment Range",
    "pagination": "Pagination support",
    "port-device-profile": "Port device profile",
    "port-mac-address-regenerate": "Neutron Port MAC address regenerate",
    "port-numa-affinity-policy": "Port NUMA affinity policy",
    "port-numa-affinity-policy-socket": 'Port NUMA affinity policy "socket"',
    "port-security": "Port Security",
    "port-security-groups-filtering": "Port filtering on security groups",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "qinq": "QinQ",
    "qos": "Quality of Service",
    "qos-bw-limit-direction": "Direction for QoS bandwidth limit rule",
    "qos-default": "QoS default policy",
    "qos-fip": "Floating IP QoS",
    "qos-gateway-ip": "Gateway IP QoS",
    "qos-rule-type-details": "Details of QoS rule types",
    "qos-rules-alias": "Alias for QoS rules",
    "quota-check-limit": "Quota engine limit check",
    "quota-check-limit-default": "Quota engine limit check by default",
    "quota_details": "Quota details management support",
    "quotas": "Quota management support",
    "rbac-address-scope": "Add address_scope type to RBAC",
    "rbac-policies": "RBAC Policies",
    "rbac-security-groups": "Add security_group type to network RBAC",
    "rbac-subnetpool": "Add subnetpool type to RBAC",
    "revision-if-match": "If-Match constraints based on revision_number",
    "router": "Neutron L3 Router",
    "router-enable-snat": "Router enable SNAT",
    "router_availability_zone": "Router Availability Zone",
    "security-group": "security-group",
    "security-groups-default-rules": "Default rules for security groups",
    "security-groups-default-statefulness": "Default statefulness of security groups",
    "security-groups-normalized-cidr": "Normalized CIDR field for security group rules",
    "security-groups-shared-filtering": "Security group filtering on the shared field",
    "security-groups-remote-address-group": "Remote address group id field for security group rules",
    "security-groups-rules-belongs-to-default-sg": "Security group rules belong to the default security group",
    "service-type": "Neutron Service Type Management",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "standard-attr-revisions",
    "standard-attr-tag": "Tag support for resources",
    "standard-attr-timestamp": "Resource timestamps",
    "subnet-dns-publish-fixed-ip": "Subnet DNS publish fixed IP",
    "subnet-external-network": "Subnets of external networks",
    "subnet-service-types": "Subnet service types",
    "stateful-security-group": "Stateful security group",
    "subnet_allocation": "Subnet Allocation",
    "subnet_onboard": "Subnet Onboard",
    "subnetpool-prefix-ops": "Subnet Pool Prefix Operations",
    "tag-creation": "Tag creation",
    "trunk": "Trunk Extension",
    "vlan-transparent": "Vlantransparent",
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
