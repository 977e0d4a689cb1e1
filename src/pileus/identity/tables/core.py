"""People, places, roles and what lets them act. A domain is a row of `projects` without a domain of its own."""

import sqlalchemy as sa

from pileus.kit.db import BigInteger, Boolean, Id, Integer, Json, Moment, Name, Text
from pileus.kit.db import metadata as new_metadata

metadata = new_metadata()


def to(column: str) -> sa.ForeignKey:
    """A reference with which the row goes too."""
    return sa.ForeignKey(column, ondelete="CASCADE")


projects = sa.Table(
    "identity_projects",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("domain_id", Id, to("identity_projects.id")),
    sa.Column("parent_id", Id, to("identity_projects.id"), index=True),
    sa.Column("is_domain", Boolean, nullable=False),
    sa.Column("enabled", Boolean, nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("tags", Json, nullable=False),
    sa.Column("options", Json, nullable=False),
    sa.Column("extra", Json, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)
sa.Index(
    "identity_domains_name",
    projects.c.name,
    unique=True,
    sqlite_where=projects.c.domain_id.is_(None),
    postgresql_where=projects.c.domain_id.is_(None),
)

users = sa.Table(
    "identity_users",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("domain_id", Id, to("identity_projects.id"), nullable=False),
    sa.Column("enabled", Boolean, nullable=False),
    sa.Column("password_hash", Text),
    sa.Column("default_project_id", Id, index=True),
    sa.Column("password_expires_at", Moment),
    sa.Column("tokens_after", Moment),
    sa.Column("password_set_at", Moment),
    sa.Column("active_at", Moment),
    sa.Column("options", Json, nullable=False),
    sa.Column("extra", Json, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

old_passwords = sa.Table(
    "identity_old_passwords",
    metadata,
    sa.Column("user_id", Id, to("identity_users.id"), primary_key=True),
    sa.Column("number", Integer, primary_key=True, autoincrement=False),
    sa.Column("password_hash", Text, nullable=False),
)

failures = sa.Table(
    "identity_login_failures",
    metadata,
    sa.Column("user_id", Id, to("identity_users.id"), primary_key=True),
    sa.Column("number", Integer, nullable=False),
    sa.Column("last_at", Moment, nullable=False),
)

groups = sa.Table(
    "identity_groups",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("domain_id", Id, to("identity_projects.id"), nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("extra", Json, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

group_members = sa.Table(
    "identity_group_members",
    metadata,
    sa.Column("user_id", Id, to("identity_users.id"), primary_key=True),
    sa.Column("group_id", Id, to("identity_groups.id"), primary_key=True, index=True),
)

roles = sa.Table(
    "identity_roles",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("domain_id", Id, to("identity_projects.id")),
    sa.Column("description", Text),
    sa.Column("options", Json, nullable=False),
    sa.Column("extra", Json, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)
sa.Index(
    "identity_global_roles_name",
    roles.c.name,
    unique=True,
    sqlite_where=roles.c.domain_id.is_(None),
    postgresql_where=roles.c.domain_id.is_(None),
)

implications = sa.Table(
    "identity_role_implications",
    metadata,
    sa.Column("prior_id", Id, to("identity_roles.id"), primary_key=True),
    sa.Column("implied_id", Id, to("identity_roles.id"), primary_key=True, index=True),
)

assignments = sa.Table(
    "identity_role_assignments",
    metadata,
    sa.Column("actor_id", Id, primary_key=True),
    sa.Column("scope_kind", Name, primary_key=True),
    sa.Column("scope_id", Id, primary_key=True),
    sa.Column("role_id", Id, to("identity_roles.id"), primary_key=True, index=True),
    sa.Column("inherited", Boolean, primary_key=True),
    sa.Column("actor_kind", Name, nullable=False),
    sa.Index("identity_assignments_in_scope", "scope_id", "scope_kind"),
)

regions = sa.Table(
    "identity_regions",
    metadata,
    sa.Column("id", Name, primary_key=True),
    sa.Column("description", Text, nullable=False),
    sa.Column("parent_region_id", Name, sa.ForeignKey("identity_regions.id", ondelete="CASCADE"), index=True),
    sa.Column("extra", Json, nullable=False),
)

services = sa.Table(
    "identity_services",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("type", Name, nullable=False),
    sa.Column("name", Name),
    sa.Column("description", Text),
    sa.Column("enabled", Boolean, nullable=False),
    sa.Column("extra", Json, nullable=False),
)

endpoints = sa.Table(
    "identity_endpoints",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("service_id", Id, to("identity_services.id"), nullable=False, index=True),
    sa.Column("interface", Name, nullable=False),
    sa.Column("url", Text, nullable=False),
    sa.Column("region_id", Name, sa.ForeignKey("identity_regions.id"), index=True),
    sa.Column("enabled", Boolean, nullable=False),
    sa.Column("bootstrapped", Boolean, nullable=False),
    sa.Column("extra", Json, nullable=False),
)

credentials = sa.Table(
    "identity_credentials",
    metadata,
    sa.Column("id", Name, primary_key=True),
    sa.Column("user_id", Id, to("identity_users.id"), nullable=False, index=True),
    sa.Column("project_id", Id, to("identity_projects.id"), index=True),
    sa.Column("type", Name, nullable=False),
    sa.Column("sealed", Text, nullable=False),
    sa.Column("extra", Json, nullable=False),
)

policies = sa.Table(
    "identity_policies",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("type", Name, nullable=False),
    sa.Column("blob", Text, nullable=False),
    sa.Column("extra", Json, nullable=False),
)

trusts = sa.Table(
    "identity_trusts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("trustor_user_id", Id, to("identity_users.id"), nullable=False, index=True),
    sa.Column("trustee_user_id", Id, to("identity_users.id"), nullable=False, index=True),
    sa.Column("project_id", Id, to("identity_projects.id"), nullable=False, index=True),
    sa.Column("impersonation", Boolean, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("remaining_uses", Integer),
    sa.Column("redelegated_trust_id", Id, index=True),
    sa.Column("redelegation_count", Integer),
    sa.Column("role_ids", Json, nullable=False),
    sa.Column("extra", Json, nullable=False),
)

application_credentials = sa.Table(
    "identity_application_credentials",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, to("identity_users.id"), nullable=False),
    sa.Column("project_id", Id, to("identity_projects.id"), nullable=False, index=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", Text),
    sa.Column("secret_hash", Text, nullable=False),
    sa.Column("role_ids", Json, nullable=False),
    sa.Column("rule_ids", Json),
    sa.Column("unrestricted", Boolean, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("certificate", Name),
    sa.UniqueConstraint("user_id", "name"),
)

access_rules = sa.Table(
    "identity_access_rules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, to("identity_users.id"), nullable=False),
    sa.Column("service", Name, nullable=False),
    sa.Column("method", Name, nullable=False),
    sa.Column("path", Name, nullable=False),
    sa.UniqueConstraint("user_id", "service", "method", "path"),
)

revocations = sa.Table(
    "identity_revocations",
    metadata,
    sa.Column("audit_id", Name, primary_key=True),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    sa.Column("revoked_at", Moment, nullable=False),
)

# One row: how often anything above has changed, for controllers that remember what they read.
changes = sa.Table(
    "identity_changes",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("number", BigInteger, nullable=False, autoincrement=False),
)
