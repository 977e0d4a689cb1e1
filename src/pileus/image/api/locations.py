"""Where the bytes of images are: stores and locations."""

from typing import ClassVar

from pileus.image.api.images import DELETE_LOCATION, SEE_LOCATIONS, LocationView
from pileus.image.api.service import api, image_find
from pileus.image.app import ImageApp
from pileus.image.commands import copies
from pileus.image.models.images import Image
from pileus.kit.http import Call, Wire
from pileus.kit.policy import Rule

ADD = Rule("add_image_location", "admin or service or member[own-project & project=owner]")
FETCH = Rule("fetch_image_location", "admin or service")


class Validation(Wire):
    """What the bytes are said to be."""

    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None


class LocationCreate(Wire):
    """An address where the bytes are."""

    __exact__: ClassVar[bool] = True
    url: str
    validation_data: Validation | None = None


@api.delete("/stores/{store_id}/{image_id}", DELETE_LOCATION, find=image_find)
async def leave(call: Call[ImageApp], image: Image, store_id: str) -> None:
    """Delete an image's data from one store."""
    call.require(SEE_LOCATIONS.name, image.policy_target())
    await copies.leave_store(call.app, image, store_id)


@api.get("/images/{image_id}/locations", FETCH, find=image_find)
async def index(call: Call[ImageApp], image: Image) -> list[LocationView]:
    """Tell a service where an image's data is."""
    return [
        LocationView(url=copies.url_of(call.app, image, place), metadata={**copy.about, "store": copy.store})
        for place, copy in enumerate(image.copies)
    ]


@api.post("/images/{image_id}/locations", ADD, find=image_find, status=202)
async def add(call: Call[ImageApp], image: Image, body: LocationCreate) -> None:
    """Add the location where an image's data is."""
    said = copies.said_of(body.validation_data.given() if body.validation_data is not None else {})
    await copies.locate(call.app, call.caller, image, copies.Location(url=body.url, said=said))
