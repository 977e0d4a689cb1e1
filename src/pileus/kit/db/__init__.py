"""The database: statements compiled once, transactions of the current task, lists, migrations.

SERVER_FETCH = query(select(SERVERS).where(SERVERS.c.id == bindparam("id")), Server)
SERVER_CREATE = command(insert(SERVERS))
SERVER_MOVE = command(update(SERVERS).where(SERVERS.c.id == bindparam("id")))

async with db.transaction():
    await db.run(SERVER_CREATE, id=id, name=name, created_at=clock.now())
    db.on_commit(wake)
server = await db.one(SERVER_FETCH, id=id)
"""

from pileus.kit.db.database import Database
from pileus.kit.db.errors import (
    BadText,
    BrokenMigration,
    CheckViolation,
    DatabaseBusy,
    DatabaseFull,
    DatabaseUnavailable,
    ForeignKeyViolation,
    TooManyFilters,
    UniqueViolation,
    UnknownFilter,
    UnknownMarker,
    UnknownSortKey,
)
from pileus.kit.db.filters import Ge, Gt, In, IsNull, Le, Like, Lt, Matches, Not
from pileus.kit.db.listing import Listing
from pileus.kit.db.migrate import create_all, migrate
from pileus.kit.db.statements import Command, Query, command, query, scalar, upsert
from pileus.kit.db.types import BigInteger, Boolean, Float, Id, Integer, Json, Moment, Name, Text, metadata

__all__ = [
    "BadText",
    "BigInteger",
    "Boolean",
    "BrokenMigration",
    "CheckViolation",
    "Command",
    "Database",
    "DatabaseBusy",
    "DatabaseFull",
    "DatabaseUnavailable",
    "Float",
    "ForeignKeyViolation",
    "Ge",
    "Gt",
    "Id",
    "In",
    "Integer",
    "IsNull",
    "Json",
    "Le",
    "Like",
    "Listing",
    "Lt",
    "Matches",
    "Moment",
    "Name",
    "Not",
    "Query",
    "Text",
    "TooManyFilters",
    "UniqueViolation",
    "UnknownFilter",
    "UnknownMarker",
    "UnknownSortKey",
    "command",
    "create_all",
    "metadata",
    "migrate",
    "query",
    "scalar",
    "upsert",
]
