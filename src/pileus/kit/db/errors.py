"""What the database can refuse, in terms a service can act on.

A broken constraint is a conflict the caller may be told of; an engine that cannot write now is a service that is
unavailable. Every driver's own exceptions are turned into these, so that no caller needs to know the driver.
"""

from pileus.kit.errors import Conflict, Invalid, Problem, Unavailable


class UniqueViolation(Conflict):
    """Another row of {table} has the same {columns}."""

    def __init__(self, table: str, columns: tuple[str, ...]) -> None:
        self.table = table
        self.columns = columns
        super().__init__(table=table, columns=", ".join(columns))


class ForeignKeyViolation(Conflict):
    """What this row refers to does not exist, or something still refers to it."""


class CheckViolation(Problem):
    """A value does not fit its column: {why}."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be used now: {why}."""


class DatabaseBusy(DatabaseUnavailable):
    """Another program holds the database: {why}."""


class DatabaseFull(DatabaseUnavailable):
    """There is no room left to write to the database: {why}."""


class BadText(Invalid):
    """A text cannot be stored or searched for: {why}."""


class UnknownMarker(Invalid):
    """The marker {marker} was not found."""

    def __init__(self, marker: object) -> None:
        self.marker = marker
        super().__init__(marker=marker)


class UnknownFilter(Invalid):
    """There is no filter named {name}."""


class TooManyFilters(Invalid):
    """A list can be narrowed by {most} conditions at once, not by {given}."""


class UnknownSortKey(Invalid):
    """{name} is not something to sort by."""


class BrokenMigration(Problem):
    """The database cannot be brought up to date: {why}."""
