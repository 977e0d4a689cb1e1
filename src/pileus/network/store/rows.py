"""What the statements of all resources have in common."""

from collections.abc import Mapping

import sqlalchemy as sa

from pileus.kit.db import Command, command
from pileus.kit.db.filters import Column, Rule, Test


def insert_of(table: sa.Table) -> Command:
    """Insert a row."""
    return command(sa.insert(table))


def change_of(table: sa.Table) -> Command:
    """Change the columns given of the row `of_id`."""
    return command(sa.update(table).where(table.c.id == sa.bindparam("of_id")))


def delete_of(table: sa.Table) -> Command:
    """Delete the row `of_id`."""
    return command(sa.delete(table).where(table.c.id == sa.bindparam("of_id")))


def standard_filters(table: sa.Table) -> dict[str, Rule]:
    """Filters on what all resources have."""
    names = ("id", "project_id", "name", "description", "revision", "created_at", "updated_at", "tags")
    return {name: table.c[name] for name in names}


def standard_sorts(table: sa.Table, *more: str) -> dict[str, Column]:
    """Orders by what all resources have and by some more columns, under their wire names."""
    columns = {name: table.c[name] for name in ("id", "project_id", "name", "description", "created_at", "updated_at")}
    wire: Mapping[str, Column] = {"tenant_id": table.c.project_id, "revision_number": table.c.revision}
    return {**columns, **wire, **{name: table.c[name] for name in more}}


def any_of(*clauses: object) -> sa.ColumnElement[bool]:
    """One of these holds."""
    return sa.or_(*clauses)  # type: ignore[arg-type]


__all__ = ["Test", "any_of", "change_of", "delete_of", "insert_of", "standard_filters", "standard_sorts"]
