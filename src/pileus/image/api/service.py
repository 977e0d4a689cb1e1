"""The API all image operations are declared on, and what their answers share."""

import datetime as dt

from pileus.image.app import ImageApp
from pileus.image.commands import images as commands
from pileus.image.errors import NoSuchImage
from pileus.image.models.images import Image
from pileus.kit.auth import Caller
from pileus.kit.http import Api, Call, Pages
from pileus.kit.policy import ANY, Rule

api = Api("image", Pages(), prefixes=("/v2",))

MODIFY = Rule("modify_image", "admin or project member")
# Schemas and the like are for everybody with a token. The service's own rule for that is called `default`, which other
# services use for something else; so it is not declared under that name.
ANYBODY = Rule("image:default", ANY)


async def image_find(app: ImageApp, caller: Caller, image_id: str, **_rest: str) -> Image:
    """The image a path names; raises NoSuchImage when there is none the caller may see."""
    image = await commands.image_find(app, caller, image_id)
    if image is None:
        raise NoSuchImage(image=image_id)
    return image


def moment(when: dt.datetime) -> str:
    """A moment as image clients read it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def target(call: Call[ImageApp], owner: str | None) -> dict[str, object]:
    """What rules see of an image that is not there yet."""
    return {"project_id": owner, "owner": owner}
