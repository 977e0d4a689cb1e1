"""Two small tables and their statements, as a service would declare them."""

import contextlib
import datetime as dt
import enum
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
from sqlalchemy import Column, ForeignKey, Table, UniqueConstraint, bindparam, delete, func, insert, select, update

from pileus.kit.db import (
    Boolean,
    Database,
    Id,
    Integer,
    Json,
    Listing,
    Moment,
    Name,
    command,
    create_all,
    metadata,
    query,
    scalar,
)

Opened = Callable[[], contextlib.AbstractAsyncContextManager[Database]]

METADATA = metadata()

SERVERS = Table(
    "servers",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("project", Id, nullable=False),
    Column("name", Name),
    Column("state", Name, nullable=False, default="build"),
    Column("born", Moment),
    Column("locked", Boolean, nullable=False, default=False),
    Column("tags", Json, nullable=False, default=()),
    Column("extra", Json),
    Column("generation", Integer, nullable=False, default=0),
    UniqueConstraint("project", "name"),
)

DISKS = Table(
    "disks",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("server", Id, ForeignKey("servers.id"), nullable=False),
)


class State(enum.Enum):
    BUILD = "build"
    ACTIVE = "active"


class Tag(msgspec.Struct, frozen=True):
    key: str
    value: int


class Server(msgspec.Struct, frozen=True):
    id: str
    project: str
    name: str | None
    state: State
    born: dt.datetime | None
    locked: bool
    tags: tuple[Tag, ...]
    extra: dict[str, object] | None
    generation: int


SERVER_FETCH = query(select(SERVERS).where(SERVERS.c.id == bindparam("id")), Server)
SERVER_LIST = query(select(SERVERS).where(SERVERS.c.id.in_(bindparam("ids", expanding=True))), Server)
SERVER_COUNT = scalar(select(func.count()).select_from(SERVERS), int)
SERVER_CREATE = command(insert(SERVERS))
SERVER_UPDATE = command(update(SERVERS).where(SERVERS.c.id == bindparam("id")))
SERVER_MOVE = command(
    update(SERVERS)
    .where(SERVERS.c.id == bindparam("id"), SERVERS.c.generation == bindparam("generation"))
    .values(state=bindparam("state"), generation=SERVERS.c.generation + 1)
)
SERVER_DELETE = command(delete(SERVERS).where(SERVERS.c.id == bindparam("id")))
DISK_CREATE = command(insert(DISKS))

SERVERS_LISTED = Listing(
    SERVERS,
    Server,
    key=SERVERS.c.id,
    filters={
        "project": SERVERS.c.project,
        "name": SERVERS.c.name,
        "state": SERVERS.c.state,
        "born": SERVERS.c.born,
        "locked": SERVERS.c.locked,
        "disk": lambda test: SERVERS.c.id.in_(select(DISKS.c.server).where(test(DISKS.c.id))),
    },
    sorts={"born": SERVERS.c.born, "name": SERVERS.c.name, "generation": SERVERS.c.generation, "id": SERVERS.c.id},
    whose=("project",),
)


@contextlib.asynccontextmanager
async def opened(path: Path | str = ":memory:") -> AsyncIterator[Database]:
    """A database with the two tables."""
    db = await Database.open(path)
    try:
        await create_all(db, METADATA)
        yield db
    finally:
        await db.close()


async def create(db: Database, id: str, **fields: object) -> None:
    """One more server."""
    await db.run(SERVER_CREATE, **{"id": id, "project": "p", "name": id, **fields})
