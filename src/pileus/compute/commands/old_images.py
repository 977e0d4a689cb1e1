"""Images, as clients asked compute for them until 2.35: handed on to the image service, in compute's words."""

from collections.abc import Mapping

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.quotas import check_metadata
from pileus.kit.auth import Caller
from pileus.kit.errors import OverQuota
from pileus.ports.image import ImageFacts


async def image_get(app: Compute, caller: Caller, id: str) -> ImageFacts:
    """The image; raises NoSuchThing."""
    found = await app.images.get(id, caller)
    if found is None:
        raise errors.NoSuchThing(what="Image", id=id)
    return found


async def delete_image(app: Compute, caller: Caller, id: str) -> None:
    """The image is gone; raises NoSuchThing or a Denied."""
    if not await app.images.delete(id, caller):
        raise errors.NoSuchThing(what="Image", id=id)


async def set_metadata(app: Compute, caller: Caller, image: ImageFacts, metadata: Mapping[str, str]) -> dict[str, str]:
    """The image has this metadata; raises TooManyMetadataItems, NoSuchThing or a Denied."""
    await check_metadata(app, caller.project_id or "", metadata)
    try:
        changed = await app.images.change(image.id, caller, metadata)
    except OverQuota as over:
        raise errors.NotForTheCaller(why=over.message) from over
    if changed is None:
        raise errors.NoSuchThing(what="Image", id=image.id)
    return dict(changed.properties)
