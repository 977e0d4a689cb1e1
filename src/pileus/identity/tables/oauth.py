"""Programs that people let act for them, and passcodes that were used."""

import sqlalchemy as sa

from pileus.identity.tables.core import metadata, to
from pileus.kit.db import BigInteger, Id, Json, Moment, Name, Text

consumers = sa.Table(
    "identity_consumers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("description", Text),
    sa.Column("sealed", Text, nullable=False),
    sa.Column("extra", Json, nullable=False),
)

request_tokens = sa.Table(
    "identity_request_tokens",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("consumer_id", Id, to("identity_consumers.id"), nullable=False, index=True),
    sa.Column("sealed", Text, nullable=False),
    sa.Column("project_id", Id, to("identity_projects.id"), nullable=False, index=True),
    sa.Column("user_id", Id, to("identity_users.id"), index=True),
    sa.Column("role_ids", Json, nullable=False),
    sa.Column("verifier", Name),
    sa.Column("expires_at", Moment, nullable=False),
)

access_tokens = sa.Table(
    "identity_access_tokens",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("consumer_id", Id, to("identity_consumers.id"), nullable=False, index=True),
    sa.Column("sealed", Text, nullable=False),
    sa.Column("project_id", Id, to("identity_projects.id"), nullable=False, index=True),
    sa.Column("user_id", Id, to("identity_users.id"), nullable=False, index=True),
    sa.Column("role_ids", Json, nullable=False),
    sa.Column("expires_at", Moment),
)

# The newest step whose passcode was used: none is good twice.
used_passcodes = sa.Table(
    "identity_used_passcodes",
    metadata,
    sa.Column("credential_id", Name, to("identity_credentials.id"), primary_key=True),
    sa.Column("counter", BigInteger, nullable=False),
)
