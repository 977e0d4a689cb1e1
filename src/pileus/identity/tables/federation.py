"""Those who come from elsewhere, by whom they are known there, and what is made of them here."""

import sqlalchemy as sa

from pileus.identity.tables.core import metadata, to
from pileus.kit.db import Boolean, Id, Integer, Json, Moment, Name, Text

identity_providers = sa.Table(
    "identity_identity_providers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("domain_id", Id, to("identity_projects.id"), nullable=False, index=True),
    sa.Column("description", Text),
    sa.Column("enabled", Boolean, nullable=False),
    sa.Column("authorization_ttl", Integer),
    sa.Column("remote_ids", Json, nullable=False),
)

# No two identity providers have a name in common by which they are known.
remote_ids = sa.Table(
    "identity_remote_ids",
    metadata,
    sa.Column("remote_id", Name, primary_key=True),
    sa.Column("idp_id", Id, to("identity_identity_providers.id"), nullable=False, index=True),
)

mappings = sa.Table(
    "identity_mappings",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("rules", Json, nullable=False),
    sa.Column("schema_version", Name, nullable=False),
)

protocols = sa.Table(
    "identity_protocols",
    metadata,
    sa.Column("idp_id", Id, to("identity_identity_providers.id"), primary_key=True),
    sa.Column("id", Id, primary_key=True),
    sa.Column("mapping_id", Id, nullable=False),
    sa.Column("remote_id_attribute", Name),
)

service_providers = sa.Table(
    "identity_service_providers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("auth_url", Text, nullable=False),
    sa.Column("sp_url", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("enabled", Boolean, nullable=False),
    sa.Column("relay_state_prefix", Name, nullable=False),
)

federated_users = sa.Table(
    "identity_federated_users",
    metadata,
    sa.Column("idp_id", Id, to("identity_identity_providers.id"), primary_key=True),
    sa.Column("protocol_id", Id, primary_key=True),
    sa.Column("unique_id", Name, primary_key=True),
    sa.Column("user_id", Id, to("identity_users.id"), nullable=False, index=True),
)

expiring_members = sa.Table(
    "identity_expiring_members",
    metadata,
    sa.Column("user_id", Id, to("identity_users.id"), primary_key=True),
    sa.Column("group_id", Id, to("identity_groups.id"), primary_key=True, index=True),
    sa.Column("idp_id", Id, to("identity_identity_providers.id"), primary_key=True, index=True),
    sa.Column("expires_at", Moment, nullable=False),
)
