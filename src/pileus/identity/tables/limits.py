"""What is seen of the catalog where, which policies belong to what, limits, and the settings of domains."""

import sqlalchemy as sa

from pileus.identity.tables.core import metadata, to
from pileus.kit.db import Id, Integer, Json, Name, Text

_REGION = "identity_regions.id"

endpoint_groups = sa.Table(
    "identity_endpoint_groups",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("filters", Json, nullable=False),
)

project_endpoints = sa.Table(
    "identity_project_endpoints",
    metadata,
    sa.Column("project_id", Id, to("identity_projects.id"), primary_key=True),
    sa.Column("endpoint_id", Id, to("identity_endpoints.id"), primary_key=True, index=True),
)

project_endpoint_groups = sa.Table(
    "identity_project_endpoint_groups",
    metadata,
    sa.Column("project_id", Id, to("identity_projects.id"), primary_key=True),
    sa.Column("endpoint_group_id", Id, to("identity_endpoint_groups.id"), primary_key=True, index=True),
)

# `place` says what a policy is for in one word, as NULLs are never equal: endpoint/E, service/S or service/S/region/R.
policy_associations = sa.Table(
    "identity_policy_associations",
    metadata,
    sa.Column("place", Name, primary_key=True),
    sa.Column("policy_id", Id, to("identity_policies.id"), nullable=False, index=True),
    sa.Column("endpoint_id", Id, to("identity_endpoints.id"), index=True),
    sa.Column("service_id", Id, to("identity_services.id"), index=True),
    sa.Column("region_id", Name, to(_REGION), index=True),
)

registered_limits = sa.Table(
    "identity_registered_limits",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("service_id", Id, to("identity_services.id"), nullable=False),
    sa.Column("region_id", Name, to(_REGION), index=True),
    sa.Column("resource_name", Name, nullable=False),
    sa.Column("default_limit", Integer, nullable=False),
    sa.Column("description", Text),
    sa.Index("identity_registered_limits_what", "service_id", "resource_name"),
)

limits = sa.Table(
    "identity_limits",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("registered_limit_id", Id, to("identity_registered_limits.id"), nullable=False, index=True),
    sa.Column("project_id", Id, to("identity_projects.id"), index=True),
    sa.Column("domain_id", Id, to("identity_projects.id"), index=True),
    sa.Column("service_id", Id, to("identity_services.id"), nullable=False, index=True),
    sa.Column("region_id", Name, to(_REGION), index=True),
    sa.Column("resource_name", Name, nullable=False),
    sa.Column("resource_limit", Integer, nullable=False),
    sa.Column("description", Text),
)

# What is sensitive among them is sealed.
domain_settings = sa.Table(
    "identity_domain_settings",
    metadata,
    sa.Column("domain_id", Id, to("identity_projects.id"), primary_key=True),
    sa.Column("section", Name, primary_key=True),
    sa.Column("option", Name, primary_key=True),
    sa.Column("value", Json, nullable=False),
)
