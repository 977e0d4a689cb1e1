"""With whom images are shared, as rows."""

import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.image.app import ImageApp
from pileus.image.models.images import Member
from pileus.image.tables import MEMBERS
from pileus.kit.db import command, query

_M = MEMBERS.c
_HERE = sa.and_(_M.image == bindparam("of_image"), _M.member == bindparam("who"))

FETCH = query(sa.select(MEMBERS).where(_HERE), Member)
ALL = query(sa.select(MEMBERS).where(_M.image == bindparam("of_image")).order_by(_M.created_at, _M.member), Member)
CREATE = command(sa.insert(MEMBERS))
ANSWER = command(sa.update(MEMBERS).where(_HERE).values(status=bindparam("answer"), updated_at=bindparam("now")))
DELETE = command(sa.delete(MEMBERS).where(_HERE))


async def member_find(app: ImageApp, image: str, member: str) -> Member | None:
    """The membership of one project."""
    return await app.db.one(FETCH, of_image=image, who=member)


async def member_list(app: ImageApp, image: str) -> list[Member]:
    """All members of an image, in the order they were added."""
    return await app.db.all(ALL, of_image=image)


async def member_create(app: ImageApp, member: Member) -> None:
    """The row is there; raises UniqueViolation when it was."""
    await app.db.run(
        CREATE,
        image=member.image,
        member=member.member,
        status=member.status,
        created_at=member.created_at,
        updated_at=member.updated_at,
    )


async def member_answer(app: ImageApp, image: str, member: str, answer: str) -> bool:
    """Whether there is such a member; this is its answer."""
    return await app.db.run(ANSWER, of_image=image, who=member, answer=answer, now=app.clock.now()) == 1


async def member_delete(app: ImageApp, image: str, member: str) -> bool:
    """Whether there was such a member; it is none any more."""
    return await app.db.run(DELETE, of_image=image, who=member) == 1
