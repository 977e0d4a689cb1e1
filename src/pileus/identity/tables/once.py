"""What all controllers must know at once: who failed to log in how often, and what is good only once."""

import sqlalchemy as sa

from pileus.identity.tables.core import metadata
from pileus.kit.db import Float, Id, Moment

failure_rates = sa.Table(
    "identity_failure_rates",
    metadata,
    sa.Column("key", Id, primary_key=True),
    sa.Column("level", Float, nullable=False),
    sa.Column("at", Moment, nullable=False, index=True),
)

# Signed requests and assertions that were taken, for as long as they could be brought again.
nonces = sa.Table(
    "identity_nonces",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("expires_at", Moment, nullable=False, index=True),
)
