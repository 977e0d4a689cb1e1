"""Tasks as rows."""

import datetime as dt
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.image.app import ImageApp
from pileus.image.models.imports import Task
from pileus.image.tables import TASKS
from pileus.kit.db import Listing, command, query

_T = TASKS.c
NEWEST_FIRST = (("created_at", "desc"), ("id", "desc"))
LISTING = Listing(
    TASKS,
    Task,
    key=_T.id,
    filters={name: _T[name] for name in ("id", "type", "status", "owner")},
    sorts={name: _T[name] for name in ("id", "type", "status", "owner", "created_at", "updated_at", "expires_at")},
)
FETCH = query(sa.select(TASKS).where(_T.id == bindparam("at")), Task)
OF_IMAGE = query(
    sa.select(TASKS).where(_T.image == bindparam("image")).order_by(_T.created_at.desc(), _T.id.desc()).limit(100), Task
)
CREATE = command(sa.insert(TASKS))
UPDATE = command(sa.update(TASKS).where(_T.id == bindparam("at")))
FORGET = command(sa.delete(TASKS).where(_T.expires_at < bindparam("now")))


async def task_find(app: ImageApp, id: str) -> Task | None:
    """The task."""
    return await app.db.one(FETCH, at=id)


async def task_list(
    app: ImageApp, where: Mapping[str, object], sort: Sequence[tuple[str, str]], marker: str | None, limit: int
) -> list[Task]:
    """A page of tasks; newest first unless asked otherwise."""
    return await app.db.page(LISTING, where=where, sort=sort or NEWEST_FIRST, marker=marker, limit=limit)


async def tasks_of_image(app: ImageApp, image: str) -> list[Task]:
    """The image's tasks, newest first."""
    return await app.db.all(OF_IMAGE, image=image)


async def task_create(app: ImageApp, columns: Mapping[str, object]) -> None:
    """The row is there."""
    now = app.clock.now()
    await app.db.run(CREATE, created_at=now, updated_at=now, **columns)


async def task_update(app: ImageApp, id: str, *, ended: bool, **columns: object) -> None:
    """The task has these columns; one that has ended is forgotten after a while."""
    now = app.clock.now()
    if ended:
        columns["expires_at"] = now + dt.timedelta(hours=app.config.task_ttl_h)
    await app.db.run(UPDATE, at=id, updated_at=now, **columns)


async def tasks_forget(app: ImageApp) -> int:
    """How many old tasks there were; they are gone."""
    return await app.db.run(FORGET, now=app.clock.now())
