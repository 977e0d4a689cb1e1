"""SQL tables of the network service.

What Neutron calls standard attributes (name, description, tags, times, revision) are columns of every resource. An
address is a row whose place, counted from the start of its block, is unique in the subnet: two requests can never get
the same one, whatever they read before.
"""

import sqlalchemy as sa

from pileus.kit import db
from pileus.kit.db import BigInteger, Boolean, Id, Integer, Json, Moment, Name, Text

metadata = db.metadata()


def _standard() -> list[sa.Column[object]]:
    """The columns all resources begin with."""
    return [
        sa.Column("id", Id, primary_key=True),
        sa.Column("project_id", Id, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("description", Name, nullable=False),
        sa.Column("tags", Json, nullable=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
    ]


networks = sa.Table(
    "networks",
    metadata,
    *_standard(),
    sa.Column("admin_up", Boolean, nullable=False),
    sa.Column("shared", Boolean, nullable=False),
    sa.Column("external", Boolean, nullable=False),
    sa.Column("is_default", Boolean, nullable=False),
    sa.Column("port_security", Boolean, nullable=False),
    sa.Column("mtu", Integer, nullable=False),
    sa.Column("dns_domain", Name, nullable=False),
    sa.Column("network_type", Name, nullable=False),
    # Empty rather than NULL, so that the index below compares it.
    sa.Column("physical_network", Name, nullable=False),
    sa.Column("segmentation_id", Integer),
    sa.Column("qos_policy_id", Id),
    # Whether guests' own tags pass, and how a tagged network's own one is told from them (802.1ad).
    sa.Column("vlan_transparent", Boolean, nullable=False, server_default=sa.false()),
    sa.Column("qinq", Boolean, nullable=False, server_default=sa.false()),
    sa.Column("zone_hints", Json, nullable=False, server_default=sa.text("'[]'")),
    sa.Index("networks_with_qos", "qos_policy_id"),
    sa.Index("one_segment", "network_type", "physical_network", "segmentation_id", unique=True),
    sa.Index("networks_of_project", "project_id"),
)

subnets = sa.Table(
    "subnets",
    metadata,
    *_standard(),
    sa.Column("network_id", Id, sa.ForeignKey("networks.id"), nullable=False),
    sa.Column("ip_version", Integer, nullable=False),
    sa.Column("cidr", Name, nullable=False),
    sa.Column("gateway_ip", Name),
    sa.Column("dhcp", Boolean, nullable=False),
    sa.Column("dns_servers", Json, nullable=False),
    sa.Column("host_routes", Json, nullable=False),
    sa.Column("pools", Json, nullable=False),
    sa.Column("service_types", Json, nullable=False),
    sa.Column("ipv6_ra_mode", Name),
    sa.Column("ipv6_address_mode", Name),
    sa.Column("dns_publish", Boolean, nullable=False),
    sa.Column("subnetpool_id", Id),
    sa.Index("subnets_of_pool", "subnetpool_id"),
    sa.Index("subnets_of_network", "network_id"),
    sa.Index("subnets_of_project", "project_id"),
)

ports = sa.Table(
    "ports",
    metadata,
    *_standard(),
    sa.Column("number", BigInteger, nullable=False),  # the order among the ports of a server
    sa.Column("network_id", Id, sa.ForeignKey("networks.id"), nullable=False),
    sa.Column("mac", Name, nullable=False),
    sa.Column("admin_up", Boolean, nullable=False),
    sa.Column("up", Boolean, nullable=False),  # what the fabric says
    sa.Column("device_id", Name, nullable=False),
    sa.Column("device_owner", Name, nullable=False),
    sa.Column("host", Name, nullable=False),
    sa.Column("vnic_type", Name, nullable=False),
    sa.Column("profile", Json, nullable=False),
    sa.Column("port_security", Boolean, nullable=False),
    sa.Column("allowed_pairs", Json, nullable=False),
    sa.Column("dhcp_options", Json, nullable=False),
    sa.Column("dns_name", Name, nullable=False),
    # The server whose card it is, as compute said; `device_id` is what anybody may write there.
    sa.Column("server_id", Id),
    sa.Column("made", Boolean, nullable=False),  # made for its server, and goes with it
    sa.Column("qos_policy_id", Id),
    sa.Column("dns_domain", Name, nullable=False, server_default=""),
    # The domain the port is named in where that is not its network's: keywords of the two are filled in when it is told.
    sa.Column("own_domain", Name, nullable=False, server_default=""),
    sa.Column("numa_policy", Name),
    sa.Column("device_profile", Name),
    sa.Index("ports_with_qos", "qos_policy_id"),
    sa.Index("one_mac", "network_id", "mac", unique=True),
    sa.Index("ports_of_project", "project_id"),
    sa.Index("ports_of_device", "device_id"),
    sa.Index("ports_of_server", "server_id"),
)

addresses = sa.Table(
    "addresses",
    metadata,
    sa.Column("subnet_id", Id, sa.ForeignKey("subnets.id"), primary_key=True),
    sa.Column("place", BigInteger, primary_key=True, autoincrement=False),  # from the start of the subnet's block
    sa.Column("address", Name, nullable=False),
    sa.Column("network_id", Id, nullable=False),
    sa.Column("port_id", Id, sa.ForeignKey("ports.id", ondelete="CASCADE"), nullable=False),
    sa.Column("rank", Integer, nullable=False),  # the order on the port
    sa.Index("addresses_of_port", "port_id", "rank"),
    sa.Index("who_has", "network_id", "address"),
)

routers = sa.Table(
    "routers",
    metadata,
    *_standard(),
    sa.Column("admin_up", Boolean, nullable=False),
    sa.Column("gateway_port_id", Id, sa.ForeignKey("ports.id")),
    sa.Column("gateway_network_id", Id),
    sa.Column("snat", Boolean, nullable=False),
    sa.Column("routes", Json, nullable=False),
    sa.Column("qos_policy_id", Id),  # of what goes out
    sa.Index("routers_with_qos", "qos_policy_id"),
    sa.Column("flavor_id", Id),
    sa.Column("ecmp", Boolean, nullable=False, server_default=sa.false()),
    sa.Column("bfd", Boolean, nullable=False, server_default=sa.false()),
    sa.Column("zone_hints", Json, nullable=False, server_default=sa.text("'[]'")),
    sa.Index("routers_of_flavor", "flavor_id"),
    sa.Index("routers_of_project", "project_id"),
    sa.Index("routers_out", "gateway_network_id"),
)

segment_ranges = sa.Table(
    "segment_ranges",
    metadata,
    *_standard(),
    sa.Column("network_type", Name, nullable=False),
    sa.Column("physical_network", Name, nullable=False),
    sa.Column("minimum", Integer, nullable=False),
    sa.Column("maximum", Integer, nullable=False),
    sa.Column("shared", Boolean, nullable=False),
    sa.Column("default", Boolean, nullable=False),
    sa.Index("segment_ranges_of_kind", "network_type", "physical_network", "minimum"),
)

# The ways out of a router beside its first one.
further_gateways = sa.Table(
    "further_gateways",
    metadata,
    sa.Column("port_id", Id, sa.ForeignKey("ports.id"), primary_key=True),
    sa.Column("router_id", Id, sa.ForeignKey("routers.id"), nullable=False),
    sa.Column("network_id", Id, nullable=False),
    sa.Column("snat", Boolean, nullable=False),
    sa.Column("number", BigInteger, nullable=False),  # the order in which they came
    sa.Index("further_gateways_of_router", "router_id", "number"),
    sa.Index("further_gateways_out", "network_id"),
)

router_interfaces = sa.Table(
    "router_interfaces",
    metadata,
    sa.Column("router_id", Id, sa.ForeignKey("routers.id"), primary_key=True),
    sa.Column("subnet_id", Id, sa.ForeignKey("subnets.id"), primary_key=True),
    sa.Column("port_id", Id, sa.ForeignKey("ports.id", ondelete="CASCADE"), nullable=False),
    sa.Index("interfaces_on_subnet", "subnet_id"),
    sa.Index("interfaces_of_port", "port_id"),
)

floating_ips = sa.Table(
    "floating_ips",
    metadata,
    *_standard(),
    sa.Column("network_id", Id, sa.ForeignKey("networks.id"), nullable=False),
    sa.Column(
        "outer_port_id", Id, sa.ForeignKey("ports.id"), nullable=False
    ),  # holds the address on the external network
    sa.Column("address", Name, nullable=False),
    sa.Column("port_id", Id, sa.ForeignKey("ports.id")),
    sa.Column("fixed_ip", Name),
    sa.Column("router_id", Id, sa.ForeignKey("routers.id")),
    sa.Column("dns_name", Name, nullable=False),
    sa.Column("dns_domain", Name, nullable=False),
    sa.Column("qos_policy_id", Id),
    sa.Index("floating_ips_with_qos", "qos_policy_id"),
    sa.Index("one_floating_ip", "network_id", "port_id", "fixed_ip", unique=True),
    sa.Index("floating_ips_of_project", "project_id"),
    sa.Index("floating_ips_of_port", "port_id"),
    sa.Index("floating_ips_of_router", "router_id"),
)

security_groups = sa.Table(
    "security_groups",
    metadata,
    *_standard(),
    sa.Column("stateful", Boolean, nullable=False),
    # The project, in its default group only: a project has one.
    sa.Column("default_for", Id, unique=True),
    sa.Index("security_groups_of_project", "project_id"),
)

security_rules = sa.Table(
    "security_rules",
    metadata,
    *_standard(),
    sa.Column("group_id", Id, sa.ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False),
    sa.Column("direction", Name, nullable=False),
    sa.Column("ethertype", Name, nullable=False),
    sa.Column("protocol", Name),
    sa.Column("port_min", Integer),
    sa.Column("port_max", Integer),
    sa.Column("remote_prefix", Name),
    sa.Column("remote_group", Id, sa.ForeignKey("security_groups.id")),
    sa.Column("address_group", Id, sa.ForeignKey("address_groups.id")),
    sa.Column("says", Text, nullable=False),  # all of the above in one text: the same rule is not there twice
    sa.Index("one_such_rule", "group_id", "says", unique=True),
    sa.Index("rules_of_project", "project_id"),
    sa.Index("rules_on_remote_group", "remote_group"),
    sa.Index("rules_on_address_group", "address_group"),
)

address_groups = sa.Table(
    "address_groups",
    metadata,
    *_standard(),
    sa.Column("addresses", Json, nullable=False),
    sa.Index("address_groups_of_project", "project_id"),
)

port_groups = sa.Table(
    "port_groups",
    metadata,
    sa.Column("port_id", Id, sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("group_id", Id, sa.ForeignKey("security_groups.id"), primary_key=True),
    sa.Index("ports_of_group", "group_id"),
)

address_scopes = sa.Table(
    "address_scopes",
    metadata,
    *_standard(),
    sa.Column("ip_version", Integer, nullable=False),
    sa.Column("shared", Boolean, nullable=False),
    sa.Index("address_scopes_of_project", "project_id"),
)

subnetpools = sa.Table(
    "subnetpools",
    metadata,
    *_standard(),
    sa.Column("ip_version", Integer, nullable=False),
    sa.Column("prefixes", Json, nullable=False),
    sa.Column("default_prefixlen", Integer, nullable=False),
    sa.Column("min_prefixlen", Integer, nullable=False),
    sa.Column("max_prefixlen", Integer, nullable=False),
    sa.Column("default_quota", BigInteger),
    sa.Column("address_scope_id", Id, sa.ForeignKey("address_scopes.id")),
    sa.Column("shared", Boolean, nullable=False),
    sa.Column("is_default", Boolean, nullable=False),
    sa.Index("subnetpools_of_project", "project_id"),
    sa.Index("subnetpools_of_scope", "address_scope_id"),
)

# Who else may use a thing. `shared` and `external` of networks, pools and scopes say that there is a row for everybody.
rbac_policies = sa.Table(
    "rbac_policies",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("object_type", Name, nullable=False),
    sa.Column("object_id", Id, nullable=False),
    sa.Column("action", Name, nullable=False),
    sa.Column("target", Name, nullable=False),  # a project, or * for all
    sa.Index("one_such_policy", "object_id", "action", "target", unique=True),
    sa.Index("policies_for_target", "target"),
    sa.Index("policies_of_project", "project_id"),
)

# Where a port is going to be, beside the host in its own row, where it is.
port_bindings = sa.Table(
    "port_bindings",
    metadata,
    sa.Column("port_id", Id, sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("host", Name, primary_key=True),
    sa.Column("vnic_type", Name, nullable=False),
    sa.Column("profile", Json, nullable=False),
)

auto_topologies = sa.Table(
    "auto_topologies",
    metadata,
    sa.Column("project_id", Id, primary_key=True),
    sa.Column("network_id", Id, sa.ForeignKey("networks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("router_id", Id, sa.ForeignKey("routers.id", ondelete="CASCADE"), nullable=False),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("project_id", Id, primary_key=True),
    sa.Column("resource", Name, primary_key=True),
    sa.Column("limit", Integer, nullable=False),
)

# What operators said of agents, which are hosts and have no table of their own.
agent_notes = sa.Table(
    "agent_notes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("description", Name),
    sa.Column("deleted_at", Moment),
)

qos_policies = sa.Table(
    "qos_policies",
    metadata,
    *_standard(),
    sa.Column("shared", Boolean, nullable=False),
    # The project, in its default policy only: a project has one.
    sa.Column("default_for", Id, unique=True),
    sa.Index("qos_policies_of_project", "project_id"),
)

qos_rules = sa.Table(
    "qos_rules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("policy_id", Id, sa.ForeignKey("qos_policies.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", Name, nullable=False),
    sa.Column("direction", Name, nullable=False),  # empty in what has none
    sa.Column("max_kbps", Integer),
    sa.Column("max_burst_kbps", Integer),
    sa.Column("min_kbps", Integer),
    sa.Column("dscp_mark", Integer),
    sa.Index("one_such_qos_rule", "policy_id", "kind", "direction", unique=True),
)

port_forwardings = sa.Table(
    "port_forwardings",
    metadata,
    *_standard(),
    sa.Column("floating_ip_id", Id, sa.ForeignKey("floating_ips.id", ondelete="CASCADE"), nullable=False),
    sa.Column("port_id", Id, sa.ForeignKey("ports.id", ondelete="CASCADE"), nullable=False),
    sa.Column("protocol", Name, nullable=False),
    sa.Column("address", Name, nullable=False),  # of the port
    sa.Column("inner_first", Integer, nullable=False),
    sa.Column("outer_first", Integer, nullable=False),
    sa.Column("count", Integer, nullable=False),
    sa.Index("one_such_forwarding", "floating_ip_id", "protocol", "outer_first", unique=True),
    sa.Index("forwardings_to_port", "port_id"),
)

trunks = sa.Table(
    "trunks",
    metadata,
    *_standard(),
    sa.Column("port_id", Id, sa.ForeignKey("ports.id"), nullable=False, unique=True),
    sa.Column("admin_up", Boolean, nullable=False),
    sa.Index("trunks_of_project", "project_id"),
)

subports = sa.Table(
    "subports",
    metadata,
    sa.Column("port_id", Id, sa.ForeignKey("ports.id"), primary_key=True),
    sa.Column("trunk_id", Id, sa.ForeignKey("trunks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("segmentation_type", Name, nullable=False),
    sa.Column("segmentation_id", Integer, nullable=False),
    sa.Index("one_tag_on_trunk", "trunk_id", "segmentation_id", unique=True),
)

# What new security groups say, beside what is built in; `dropped_rules` are those built in that somebody deleted.
default_rules = sa.Table(
    "default_rules",
    metadata,
    *_standard(),
    sa.Column("direction", Name, nullable=False),
    sa.Column("ethertype", Name, nullable=False),
    sa.Column("protocol", Name),
    sa.Column("port_min", Integer),
    sa.Column("port_max", Integer),
    sa.Column("remote_prefix", Name),
    sa.Column("remote_group", Name),  # an id, or PARENT: the new group itself
    sa.Column("address_group", Id),
    sa.Column("in_default", Boolean, nullable=False),
    sa.Column("in_others", Boolean, nullable=False),
)

dropped_rules = sa.Table("dropped_rules", metadata, sa.Column("id", Id, primary_key=True))

# Whether a project's new security groups are stateful, where it said so.
group_statefulness = sa.Table(
    "group_statefulness",
    metadata,
    *_standard(),
    sa.Column("stateful", Boolean, nullable=False),
    sa.Index("one_statefulness", "project_id", unique=True),
)

logs = sa.Table(
    "logs",
    metadata,
    *_standard(),
    sa.Column("enabled", Boolean, nullable=False),
    sa.Column("event", Name, nullable=False),
    sa.Column("resource_type", Name, nullable=False),
    # No foreign keys: a log outlives what it is about, and then says nothing.
    sa.Column("resource_id", Id),
    sa.Column("target_id", Id),
    sa.Index("logs_of_project", "project_id"),
)

router_flavors = sa.Table(
    "router_flavors",
    metadata,
    *_standard(),
    sa.Column("service_type", Name, nullable=False),
    sa.Column("enabled", Boolean, nullable=False),
)

service_profiles = sa.Table(
    "service_profiles",
    metadata,
    *_standard(),
    sa.Column("driver", Text, nullable=False),
    sa.Column("metainfo", Text, nullable=False),
    sa.Column("enabled", Boolean, nullable=False),
)

router_flavor_profiles = sa.Table(
    "router_flavor_profiles",
    metadata,
    sa.Column("flavor_id", Id, sa.ForeignKey("router_flavors.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("profile_id", Id, sa.ForeignKey("service_profiles.id"), primary_key=True),
    sa.Index("router_flavors_with_profile", "profile_id"),
)

# What was changed of what the fabric is made of, so that it need not all be read again; old rows are dropped.
fabric_changes = sa.Table(
    "fabric_changes",
    metadata,
    sa.Column("number", BigInteger, primary_key=True),
    sa.Column("part", Name, nullable=False),
    sa.Column("subject", Name, nullable=False),
)
