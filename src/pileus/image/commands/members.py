"""Sharing images with projects, and what those answer."""

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.models.images import Image, Member, Visibility
from pileus.image.store import members as store
from pileus.kit.auth import Caller
from pileus.kit.db import UniqueViolation

ANSWERS = ("pending", "accepted", "rejected")


def check_shared(image: Image) -> None:
    """The image is one that can have members."""
    if image.visibility is not Visibility.SHARED:
        raise errors.NotShared(image=image.id, visibility=image.visibility.value)


async def member_list(app: ImageApp, caller: Caller, image: Image) -> list[Member]:
    """The image's members; to one of them only himself."""
    check_shared(image)
    members = await store.member_list(app, image.id)
    if caller.admin or caller.project_id == image.owner:
        return members
    return [member for member in members if member.member == caller.project_id]


async def member_get(app: ImageApp, caller: Caller, image: Image, member_id: str) -> Member:
    """One member of the image; raises NoSuchMember."""
    shared = image.visibility is Visibility.SHARED
    for member in await member_list(app, caller, image) if shared else ():
        if member.member == member_id:
            return member
    raise errors.NoSuchMember(member=member_id, image=image.id)


async def add_member(app: ImageApp, image: Image, member_id: str) -> Member:
    """The image is offered to the project."""
    check_shared(image)
    now = app.clock.now()
    member = Member(image=image.id, member=member_id, status="pending", created_at=now, updated_at=now)
    async with app.db.transaction():
        count = len(await store.member_list(app, image.id)) + 1
        if count > app.config.members_quota:
            raise errors.TooManyMembers(image=image.id, count=count, quota=app.config.members_quota)
        try:
            await store.member_create(app, member)
        except UniqueViolation as taken:
            raise errors.MemberExists(image=image.id, member=member_id) from taken
    return member


async def answer_offer(app: ImageApp, image: Image, member_id: str, answer: str) -> Member:
    """The project's answer is noted."""
    check_shared(image)
    if answer not in ANSWERS:
        raise errors.WrongValue(why=f"status must be one of {', '.join(ANSWERS)}, not {answer!r}.")
    async with app.db.transaction():
        if not await store.member_answer(app, image.id, member_id, answer):
            raise errors.NoSuchMember(member=member_id, image=image.id)
        found = await store.member_find(app, image.id, member_id)
        assert found is not None
        return found


async def remove_member(app: ImageApp, image: Image, member_id: str) -> None:
    """The image is not shared with the project any more."""
    check_shared(image)
    if not await store.member_delete(app, image.id, member_id):
        raise errors.NoSuchMember(member=member_id, image=image.id)
