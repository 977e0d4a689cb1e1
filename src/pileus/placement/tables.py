"""Placement's tables. Standard classes and traits are not in them: they are part of the program."""

import sqlalchemy as sa

from pileus.kit.db import BigInteger, Float, Id, Integer, Moment, Name, metadata

PLACEMENT = metadata()

RESOURCE_CLASSES = sa.Table(
    "resource_classes",
    PLACEMENT,
    sa.Column("name", Name, primary_key=True),
    sa.Column("created_at", Moment, nullable=False),
)

TRAITS = sa.Table(
    "traits",
    PLACEMENT,
    sa.Column("name", Name, primary_key=True),
    sa.Column("created_at", Moment, nullable=False),
)

PROVIDERS = sa.Table(
    "resource_providers",
    PLACEMENT,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("generation", Integer, nullable=False),
    sa.Column("parent", Id, sa.ForeignKey("resource_providers.id")),
    sa.Column("root", Id, sa.ForeignKey("resource_providers.id"), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Index("providers_of_parent", "parent"),
    sa.Index("providers_of_root", "root"),
)

# `used` is the sum of the allocations of the row, kept with them in the same transaction: a decision reads one row for
# each provider and class however much is claimed, and a claim is one conditional update.
INVENTORIES = sa.Table(
    "inventories",
    PLACEMENT,
    sa.Column("provider", Id, sa.ForeignKey("resource_providers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("resource_class", Name, primary_key=True),
    sa.Column("total", Integer, nullable=False),
    sa.Column("reserved", Integer, nullable=False),
    sa.Column("min_unit", Integer, nullable=False),
    sa.Column("max_unit", Integer, nullable=False),
    sa.Column("step_size", Integer, nullable=False),
    sa.Column("allocation_ratio", Float, nullable=False),
    sa.Column("capacity", BigInteger, nullable=False, autoincrement=False),
    sa.Column("used", BigInteger, nullable=False, autoincrement=False),
    sa.Index("inventories_of_class", "resource_class"),
)

PROVIDER_TRAITS = sa.Table(
    "resource_provider_traits",
    PLACEMENT,
    sa.Column("provider", Id, sa.ForeignKey("resource_providers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("trait", Name, primary_key=True),
    sa.Index("providers_with_trait", "trait"),
)

PROVIDER_AGGREGATES = sa.Table(
    "resource_provider_aggregates",
    PLACEMENT,
    sa.Column("provider", Id, sa.ForeignKey("resource_providers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("aggregate", Id, primary_key=True),
    sa.Index("providers_in_aggregate", "aggregate"),
)

CONSUMERS = sa.Table(
    "consumers",
    PLACEMENT,
    sa.Column("id", Id, primary_key=True),
    sa.Column("project_id", Name, nullable=False),
    sa.Column("user_id", Name, nullable=False),
    sa.Column("consumer_type", Name),
    sa.Column("generation", Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("consumers_of_project", "project_id", "user_id"),
)

ALLOCATIONS = sa.Table(
    "allocations",
    PLACEMENT,
    sa.Column("consumer", Id, sa.ForeignKey("consumers.id"), primary_key=True),
    sa.Column("provider", Id, sa.ForeignKey("resource_providers.id"), primary_key=True),
    sa.Column("resource_class", Name, primary_key=True),
    sa.Column("used", BigInteger, nullable=False, autoincrement=False),
    sa.Index("allocations_of_provider", "provider"),
)
