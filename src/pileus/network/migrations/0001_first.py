"""First."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0001"
down_revision = None
branch_labels = ("network",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "networks",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("admin_up", db.Boolean(), nullable=False),
        sa.Column("shared", db.Boolean(), nullable=False),
        sa.Column("external", db.Boolean(), nullable=False),
        sa.Column("is_default", db.Boolean(), nullable=False),
        sa.Column("port_security", db.Boolean(), nullable=False),
        sa.Column("mtu", db.Integer(), nullable=False),
        sa.Column("dns_domain", db.Name(), nullable=False),
        sa.Column("network_type", db.Name(), nullable=False),
        sa.Column("physical_network", db.Name(), nullable=False),
        sa.Column("segmentation_id", db.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_networks")),
    )
    with op.batch_alter_table("networks", schema=None) as batch_op:
        batch_op.create_index("networks_of_project", ["project_id"], unique=False)
        batch_op.create_index("one_segment", ["network_type", "physical_network", "segmentation_id"], unique=True)

    op.create_table(
        "quotas",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("resource", db.Name(), nullable=False),
        sa.Column("limit", db.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "resource", name=op.f("pk_quotas")),
    )
    op.create_table(
        "security_groups",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("stateful", db.Boolean(), nullable=False),
        sa.Column("default_for", db.Id(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_groups")),
        sa.UniqueConstraint("default_for", name=op.f("uq_security_groups_default_for")),
    )
    with op.batch_alter_table("security_groups", schema=None) as batch_op:
        batch_op.create_index("security_groups_of_project", ["project_id"], unique=False)

    op.create_table(
        "ports",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("network_id", db.Id(), nullable=False),
        sa.Column("mac", db.Name(), nullable=False),
        sa.Column("admin_up", db.Boolean(), nullable=False),
        sa.Column("up", db.Boolean(), nullable=False),
        sa.Column("device_id", db.Name(), nullable=False),
        sa.Column("device_owner", db.Name(), nullable=False),
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("vnic_type", db.Name(), nullable=False),
        sa.Column("profile", db.Json(), nullable=False),
        sa.Column("port_security", db.Boolean(), nullable=False),
        sa.Column("allowed_pairs", db.Json(), nullable=False),
        sa.Column("dhcp_options", db.Json(), nullable=False),
        sa.Column("dns_name", db.Name(), nullable=False),
        sa.Column("server_id", db.Id(), nullable=True),
        sa.Column("made", db.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_ports_network_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ports")),
    )
    with op.batch_alter_table("ports", schema=None) as batch_op:
        batch_op.create_index("one_mac", ["network_id", "mac"], unique=True)
        batch_op.create_index("ports_of_device", ["device_id"], unique=False)
        batch_op.create_index("ports_of_project", ["project_id"], unique=False)
        batch_op.create_index("ports_of_server", ["server_id"], unique=False)

    op.create_table(
        "security_rules",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("group_id", db.Id(), nullable=False),
        sa.Column("direction", db.Name(), nullable=False),
        sa.Column("ethertype", db.Name(), nullable=False),
        sa.Column("protocol", db.Name(), nullable=True),
        sa.Column("port_min", db.Integer(), nullable=True),
        sa.Column("port_max", db.Integer(), nullable=True),
        sa.Column("remote_prefix", db.Name(), nullable=True),
        sa.Column("remote_group", db.Id(), nullable=True),
        sa.Column("says", db.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["security_groups.id"], name=op.f("fk_security_rules_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["remote_group"], ["security_groups.id"], name=op.f("fk_security_rules_remote_group")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_rules")),
    )
    with op.batch_alter_table("security_rules", schema=None) as batch_op:
        batch_op.create_index("one_such_rule", ["group_id", "says"], unique=True)
        batch_op.create_index("rules_of_project", ["project_id"], unique=False)
        batch_op.create_index("rules_on_remote_group", ["remote_group"], unique=False)

    op.create_table(
        "subnets",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("network_id", db.Id(), nullable=False),
        sa.Column("ip_version", db.Integer(), nullable=False),
        sa.Column("cidr", db.Name(), nullable=False),
        sa.Column("gateway_ip", db.Name(), nullable=True),
        sa.Column("dhcp", db.Boolean(), nullable=False),
        sa.Column("dns_servers", db.Json(), nullable=False),
        sa.Column("host_routes", db.Json(), nullable=False),
        sa.Column("pools", db.Json(), nullable=False),
        sa.Column("service_types", db.Json(), nullable=False),
        sa.Column("ipv6_ra_mode", db.Name(), nullable=True),
        sa.Column("ipv6_address_mode", db.Name(), nullable=True),
        sa.Column("dns_publish", db.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_subnets_network_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subnets")),
    )
    with op.batch_alter_table("subnets", schema=None) as batch_op:
        batch_op.create_index("subnets_of_network", ["network_id"], unique=False)
        batch_op.create_index("subnets_of_project", ["project_id"], unique=False)

    op.create_table(
        "addresses",
        sa.Column("subnet_id", db.Id(), nullable=False),
        sa.Column("place", db.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", db.Name(), nullable=False),
        sa.Column("network_id", db.Id(), nullable=False),
        sa.Column("port_id", db.Id(), nullable=False),
        sa.Column("rank", db.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name=op.f("fk_addresses_port_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["subnet_id"], ["subnets.id"], name=op.f("fk_addresses_subnet_id")),
        sa.PrimaryKeyConstraint("subnet_id", "place", name=op.f("pk_addresses")),
    )
    with op.batch_alter_table("addresses", schema=None) as batch_op:
        batch_op.create_index("addresses_of_port", ["port_id", "rank"], unique=False)
        batch_op.create_index("who_has", ["network_id", "address"], unique=False)

    op.create_table(
        "port_groups",
        sa.Column("port_id", db.Id(), nullable=False),
        sa.Column("group_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["security_groups.id"], name=op.f("fk_port_groups_group_id")),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name=op.f("fk_port_groups_port_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("port_id", "group_id", name=op.f("pk_port_groups")),
    )
    with op.batch_alter_table("port_groups", schema=None) as batch_op:
        batch_op.create_index("ports_of_group", ["group_id"], unique=False)

    op.create_table(
        "routers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("admin_up", db.Boolean(), nullable=False),
        sa.Column("gateway_port_id", db.Id(), nullable=True),
        sa.Column("gateway_network_id", db.Id(), nullable=True),
        sa.Column("snat", db.Boolean(), nullable=False),
        sa.Column("routes", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(["gateway_port_id"], ["ports.id"], name=op.f("fk_routers_gateway_port_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routers")),
    )
    with op.batch_alter_table("routers", schema=None) as batch_op:
        batch_op.create_index("routers_of_project", ["project_id"], unique=False)
        batch_op.create_index("routers_out", ["gateway_network_id"], unique=False)

    op.create_table(
        "floating_ips",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("network_id", db.Id(), nullable=False),
        sa.Column("outer_port_id", db.Id(), nullable=False),
        sa.Column("address", db.Name(), nullable=False),
        sa.Column("port_id", db.Id(), nullable=True),
        sa.Column("fixed_ip", db.Name(), nullable=True),
        sa.Column("router_id", db.Id(), nullable=True),
        sa.Column("dns_name", db.Name(), nullable=False),
        sa.Column("dns_domain", db.Name(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_floating_ips_network_id")),
        sa.ForeignKeyConstraint(["outer_port_id"], ["ports.id"], name=op.f("fk_floating_ips_outer_port_id")),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name=op.f("fk_floating_ips_port_id")),
        sa.ForeignKeyConstraint(["router_id"], ["routers.id"], name=op.f("fk_floating_ips_router_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_floating_ips")),
    )
    with op.batch_alter_table("floating_ips", schema=None) as batch_op:
        batch_op.create_index("floating_ips_of_port", ["port_id"], unique=False)
        batch_op.create_index("floating_ips_of_project", ["project_id"], unique=False)
        batch_op.create_index("floating_ips_of_router", ["router_id"], unique=False)
        batch_op.create_index("one_floating_ip", ["network_id", "port_id", "fixed_ip"], unique=True)

    op.create_table(
        "router_interfaces",
        sa.Column("router_id", db.Id(), nullable=False),
        sa.Column("subnet_id", db.Id(), nullable=False),
        sa.Column("port_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["port_id"], ["ports.id"], name=op.f("fk_router_interfaces_port_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["router_id"], ["routers.id"], name=op.f("fk_router_interfaces_router_id")),
        sa.ForeignKeyConstraint(["subnet_id"], ["subnets.id"], name=op.f("fk_router_interfaces_subnet_id")),
        sa.PrimaryKeyConstraint("router_id", "subnet_id", name=op.f("pk_router_interfaces")),
    )
    with op.batch_alter_table("router_interfaces", schema=None) as batch_op:
        batch_op.create_index("interfaces_of_port", ["port_id"], unique=False)
        batch_op.create_index("interfaces_on_subnet", ["subnet_id"], unique=False)
