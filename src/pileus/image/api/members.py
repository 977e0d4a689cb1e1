"""Members: the projects an image is shared with."""

from typing import Annotated, ClassVar

import msgspec

from pileus.image.api.service import api, image_find, moment
from pileus.image.app import ImageApp
from pileus.image.commands import members as commands
from pileus.image.models.images import Image, Member
from pileus.kit.http import Call, Wire
from pileus.kit.policy import PROJECT_MEMBER, Rule

READ = "admin or project reader or reader[project=member_id]"
MEMBERS = "/images/{image_id}/members"
MEMBER = "/images/{image_id}/members/{member_id}"


class MemberAdd(Wire):
    """Whom to share with."""

    __loose__: ClassVar[bool] = True
    member: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class MemberAnswer(Wire):
    """What the member makes of it; clients send his name along, which the path says already."""

    __loose__: ClassVar[bool] = True
    status: str


class MemberView(Wire):
    image_id: str
    member_id: str
    status: str
    created_at: str
    updated_at: str
    schema: str


class MemberList(Wire):
    members: list[MemberView]
    schema: str


def view(member: Member) -> MemberView:
    return MemberView(
        image_id=member.image,
        member_id=member.member,
        status=member.status,
        created_at=moment(member.created_at),
        updated_at=moment(member.updated_at),
        schema="/v2/schemas/member",
    )


@api.get(MEMBERS, Rule("get_members", READ), find=image_find)
async def index(call: Call[ImageApp], image: Image) -> MemberList:
    """List an image's members."""
    members = [view(member) for member in await commands.member_list(call.app, call.caller, image)]
    return MemberList(members=members, schema="/v2/schemas/members")


@api.post(MEMBERS, Rule("add_member", PROJECT_MEMBER), find=image_find, status=200)
async def create(call: Call[ImageApp], image: Image, body: MemberAdd) -> MemberView:
    """Share an image with a project."""
    return view(await commands.add_member(call.app, image, body.member))


@api.get(MEMBER, Rule("get_member", READ), late=True)
async def show(call: Call[ImageApp], image_id: str, member_id: str) -> MemberView:
    """Show a member of an image."""
    image = await image_find(call.app, call.caller, image_id)
    call.require("get_member", image.policy_target())
    return view(await commands.member_get(call.app, call.caller, image, member_id))


@api.put(MEMBER, Rule("modify_member", "admin or member[project=member_id]"), late=True, on="c")
async def answer(call: Call[ImageApp], image_id: str, member_id: str, body: MemberAnswer) -> MemberView:
    """Accept or reject an image that is shared with the caller's project."""
    image = await image_find(call.app, call.caller, image_id)
    call.require("modify_member", {"project_id": image.owner, "member_id": member_id})
    return view(await commands.answer_offer(call.app, image, member_id, body.status))


@api.delete(MEMBER, Rule("delete_member", PROJECT_MEMBER), late=True)
async def delete(call: Call[ImageApp], image_id: str, member_id: str) -> None:
    """Share an image with a project no more."""
    image = await image_find(call.app, call.caller, image_id)
    call.require("delete_member", image.policy_target())
    await commands.remove_member(call.app, image, member_id)
