"""Errors of the network service, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, Invalid, NotFound, PreconditionFailed, Unavailable
from pileus.kit.errors import OverQuota as Quota


class NetworkNotFound(NotFound):
    """Network {id} could not be found."""


class SubnetNotFound(NotFound):
    """Subnet {id} could not be found."""


class PortNotFound(NotFound):
    """Port {id} could not be found."""


class RouterNotFound(NotFound):
    """Router {id} could not be found."""


class FloatingIPNotFound(NotFound):
    """Floating IP {id} could not be found"""


class SecurityGroupNotFound(NotFound):
    """Security group {id} does not exist"""


class SecurityGroupRuleNotFound(NotFound):
    """Security group rule {id} does not exist"""


class ExtensionNotFound(NotFound):
    """Extension with alias {id} does not exist"""


class AgentNotFound(NotFound):
    """Agent {id} could not be found."""


class TagNotFound(NotFound):
    """Tag {tag} could not be found."""


class ProjectQuotaNotFound(NotFound):
    """Quota for project {id} could not be found."""


class RevisionNumberConstraintFailed(PreconditionFailed):
    """Constrained to revision_number={expected}, but the resource is at {there}; read it again."""


class OverQuota(Quota):
    """Quota exceeded for resources: ['{resource}']. The limit of project {project} is {limit}, {used} are used and {asked} more were asked for."""


class InvalidInput(Invalid):
    """Invalid input for operation: {why}."""


class InvalidAttribute(Invalid):
    """Invalid input for {name}. Reason: {why}."""


class BadRequest(Invalid):
    """Bad {resource} request: {why}."""


class NetworkInUse(Conflict):
    """Unable to complete operation on network {id}. There are one or more ports still in use on the network, id for these ports is: {ports}."""


class SubnetInUse(Conflict):
    """Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet: {ports}."""


class PortInUse(Conflict):
    """Unable to complete operation on port {id}. Port already has an attached device {device}."""


class ServicePortInUse(Conflict):
    """Port {id} cannot be deleted directly via the port API: {why}."""


class MacAddressInUse(Conflict):
    """Unable to complete operation for network {network}. The mac address {mac} is in use."""


class UnsupportedPortDeviceOwner(Conflict):
    """Operation {operation} is not supported for device_owner {owner} on port {id}."""


class IpAddressAlreadyAllocated(Conflict):
    """IP address {address} already allocated in subnet {subnet}"""


class IpAddressGenerationFailure(Conflict):
    """No more IP addresses available on network {network}."""


class InvalidIpForNetwork(Invalid):
    """IP address {address} is not a valid IP for any of the subnets on the specified network."""


class InvalidIpForSubnet(Invalid):
    """IP address {address} is not a valid IP for the specified subnet."""


class AllocationOnAutoAddressSubnet(Invalid):
    """IPv6 address {address} can not be directly assigned to a port on subnet {subnet} since the subnet is configured for automatic addresses"""


class OverlappingAllocationPools(Conflict):
    """Found overlapping allocation pools: {one} {other} for subnet {cidr}."""


class OutOfBoundsAllocationPool(Invalid):
    """The allocation pool {pool} spans beyond the subnet cidr {cidr}."""


class InvalidAllocationPool(Invalid):
    """The allocation pool {pool} is not valid."""


class GatewayConflictWithAllocationPools(Conflict):
    """Gateway ip {address} conflicts with allocation pool {pool}."""


class GatewayIpInUse(Conflict):
    """Current gateway ip {address} already in use by port {port}. Unable to update."""


class ExternalNetworkInUse(Invalid):
    """External network {id} cannot be updated to be made non-external, since it has existing gateway ports."""


class InvalidSharedSetting(Conflict):
    """Unable to reconfigure sharing settings for network {id}. Multiple projects are using it."""


class TunnelIdInUse(Conflict):
    """Unable to create the network. The tunnel ID {segment} is in use."""


class VlanIdInUse(Conflict):
    """Unable to create the network. The VLAN {segment} on physical network {physical} is in use."""


class FlatNetworkInUse(Conflict):
    """Unable to create the flat network. Physical network {physical} is in use."""


class AvailabilityZoneNotFound(NotFound):
    """AvailabilityZone {zone} could not be found."""


class DNSNameServersExhausted(Invalid):
    """Unable to complete operation for {id}. The number of DNS nameservers exceeds the limit {limit}."""


class HostRoutesExhausted(Invalid):
    """Unable to complete operation for {id}. The number of host routes exceeds the limit {limit}."""


class AddressPairsExhausted(Invalid):
    """The number of allowed address pair exceeds the maximum {limit}."""


class RoutesExhausted(Invalid):
    """Unable to complete operation for {id}. The number of routes exceeds the maximum {limit}."""


class SubnetMismatchForPort(Conflict):
    """Subnet on port {port} does not match the requested subnet {subnet}."""


class InvalidSubnetServiceType(Invalid):
    """Subnet service type {kind} does not correspond to a valid device owner."""


class InvalidCIDR(Invalid):
    """Invalid CIDR {cidr} given as IP prefix."""


class RouterInUse(Conflict):
    """Router {id} {why}"""


class RouterInterfaceNotFound(NotFound):
    """Router {id} does not have an interface with id {port}"""


class RouterInterfaceNotFoundForSubnet(NotFound):
    """Router {id} has no interface on subnet {subnet}"""


class RouterInterfaceInUseByFloatingIP(Conflict):
    """Router interface for subnet {subnet} on router {id} cannot be deleted, as it is required by one or more floating IPs."""


class RouterInterfaceInUseByRoute(Conflict):
    """Router interface for subnet {subnet} on router {id} cannot be deleted, as it is required by one or more routes."""


class RouterExternalGatewayInUseByFloatingIp(Conflict):
    """Gateway cannot be updated for router {id}, since a gateway to external network {network} is required by one or more floating IPs."""


class InvalidRoutes(Invalid):
    """Invalid format for routes: {routes}, {why}"""


class ExternalGatewayForFloatingIPNotFound(NotFound):
    """External network {network} is not reachable from subnet {subnet}. Therefore, cannot associate Port {port} with a Floating IP."""


class FloatingIPPortAlreadyAssociated(Conflict):
    """Cannot associate floating IP {address} ({id}) with port {port} using fixed IP {fixed}, as that fixed IP already has a floating IP on external network {network}."""


class SecurityGroupInUse(Conflict):
    """Security Group {id} in use."""


class SecurityGroupCannotRemoveDefault(Conflict):
    """Insufficient rights for removing default security group."""


class SecurityGroupCannotUpdateDefault(Conflict):
    """Updating default security group not allowed."""


class SecurityGroupDefaultAlreadyExists(Conflict):
    """Default security group already exists."""


class SecurityGroupRuleExists(Conflict):
    """Security group rule already exists. Rule id is {id}."""


class SecurityGroupInvalidPortRange(Invalid):
    """For TCP/UDP protocols, port_range_min must be <= port_range_max"""


class SecurityGroupInvalidPortValue(Invalid):
    """Invalid value for port {port}"""


class SecurityGroupInvalidIcmpValue(Invalid):
    """Invalid value for ICMP {field} ({attr}) {value}. It must be 0 to 255."""


class SecurityGroupMissingIcmpType(Invalid):
    """ICMP code (port-range-max) {value} is provided but ICMP type (port-range-min) is missing."""


class SecurityGroupProtocolRequiredWithPorts(Invalid):
    """Must also specify protocol if port range is given."""


class SecurityGroupRuleInvalidProtocol(Invalid):
    """Security group rule protocol {protocol} not supported. Only protocol values {values} and integer representations [0 to 255] are supported."""


class SecurityGroupRuleParameterConflict(Invalid):
    """Conflicting value ethertype {ethertype} for CIDR {cidr}"""


class SecurityGroupEthertypeConflictWithProtocol(Invalid):
    """Invalid ethertype {ethertype} for protocol {protocol}."""


class SecurityGroupRemoteGroupAndRemoteIpPrefix(Invalid):
    """Only one of remote_ip_prefix, remote_group_id and remote_address_group_id may be provided."""


class PortSecurityAndIPRequiredForSecurityGroups(Invalid):
    """Port security must be enabled and port must have an IP address in order to use security groups."""


class PortSecurityPortHasSecurityGroup(Conflict):
    """Port has security group associated. Cannot disable port security or IP address until security group is removed."""


class AddressPairAndPortSecurityRequired(Conflict):
    """Port Security must be enabled in order to have allowed address pairs on a port."""


class DuplicateAddressPairInRequest(Invalid):
    """Request contains duplicate address pair: mac_address {mac} ip_address {address}."""


class PortRefused(Invalid):
    """A port for the server cannot be had: {why}."""


class FixedIpAlreadyInUse(Invalid):
    """Fixed IP address {address} is already in use on another port of network {network}."""


class PortStillInUse(Conflict):
    """Port {id} is still in use."""


class SecurityGroupInvalidProtocolForPort(Invalid):
    """Invalid protocol {protocol} for port range, only supported for TCP, UDP and SCTP."""


class RbacPolicyNotFound(NotFound):
    """RBAC policy of type {object_type} with ID {id} not found"""


class DuplicateRbacPolicy(Conflict):
    """An RBAC policy already exists with those values."""


class RbacPolicyInUse(Conflict):
    """RBAC policy on object {id} cannot be removed because other objects depend on it. Details: projects {projects} use it"""


class AddressScopeNotFound(NotFound):
    """Address scope {id} could not be found"""


class AddressScopeInUse(Conflict):
    """Unable to complete operation on address scope {id}. There are one or more subnet pools in use on the address scope"""


class AddressScopeUpdateError(Invalid):
    """Unable to update address scope {id} : {why}"""


class AddressScopePrefixConflict(Conflict):
    """Failed to associate address scope: subnetpools within an address scope must have unique prefixes"""


class SubnetPoolNotFound(NotFound):
    """Subnet pool {id} could not be found."""


class SubnetPoolDeleteError(Invalid):
    """Unable to delete subnet pool: {why}."""


class SubnetPoolInUse(Conflict):
    """Unable to complete operation on subnet pool {id}. {why}."""


class PrefixVersionMismatch(Invalid):
    """Cannot mix IPv4 and IPv6 prefixes in a subnet pool."""


class IllegalSubnetPoolPrefixBounds(Invalid):
    """Illegal prefix bounds: {why}."""


class IllegalSubnetPoolPrefixUpdate(Invalid):
    """Illegal update to prefixes: {why}."""


class IllegalSubnetPoolUpdate(Invalid):
    """Illegal subnetpool update : {why}."""


class IllegalSubnetPoolAssociationToAddressScope(Invalid):
    """Illegal subnetpool association: subnetpool {id} cannot be associated with address scope {scope}."""


class IllegalSubnetPoolIpVersionAssociationToAddressScope(Invalid):
    """Illegal subnetpool association: subnetpool {id} cannot associate with address scope {scope} because subnetpool ip_version is not {ip_version}."""


class SubnetAllocationError(Conflict):
    """Failed to allocate subnet: {why}."""


class MinPrefixSubnetAllocationError(Invalid):
    """Unable to allocate subnet with prefix length {length}, minimum allowed prefix is {limit}."""


class MaxPrefixSubnetAllocationError(Invalid):
    """Unable to allocate subnet with prefix length {length}, maximum allowed prefix is {limit}."""


class SubnetPoolQuotaExceeded(Conflict):
    """Per-project subnet pool prefix quota exceeded."""


class NetworkSubnetPoolAffinityError(Invalid):
    """Subnets hosted on the same network must be allocated from the same subnet pool."""


class PortBindingNotFound(NotFound):
    """Binding for port {id} for host {host} could not be found."""


class PortBindingAlreadyExists(Conflict):
    """Binding for port {id} on host {host} already exists."""


class PortBindingAlreadyActive(Conflict):
    """Binding for port {id} on host {host} is already active."""


class AutoAllocationFailure(Conflict):
    """Deployment error: {why}."""


class NoNetworkAvailable(Unavailable):
    """Unable to create the network. No available network segment was found in maximum allowed attempts."""
