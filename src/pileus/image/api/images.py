"""Images: their rows, properties and tags."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.image import errors
from pileus.image.api.query import filters_of
from pileus.image.api.service import MODIFY, api, image_find, moment, target
from pileus.image.app import ImageApp
from pileus.image.commands import copies, listing
from pileus.image.commands import images as commands
from pileus.image.models import patch as patches
from pileus.image.models.images import Change, Image, stores_of
from pileus.image.models.protections import Action
from pileus.kit.http import Call, F, Page, Wire
from pileus.kit.policy import PROJECT_MEMBER, PROJECT_READER, Rule

PATCH_2_1 = "application/openstack-images-v2.1-json-patch"
PATCH_2_0 = "application/openstack-images-v2.0-json-patch"
SEE = (
    "admin or project reader or reader[project=member_id] or reader[visibility=community] or reader[visibility=public] "
    "or reader[visibility=shared]"
)
PUBLICIZE = Rule("publicize_image", "admin")
COMMUNITIZE = Rule("communitize_image", PROJECT_MEMBER)
ADD = Rule("add_image", "admin or member[own-project & project=owner]")
SEE_LOCATIONS = Rule("get_image_location", PROJECT_READER)
SET_LOCATION = Rule("set_image_location", PROJECT_MEMBER)
DELETE_LOCATION = Rule("delete_image_location", "admin")
api.declare(PUBLICIZE, COMMUNITIZE, SEE_LOCATIONS, SET_LOCATION, DELETE_LOCATION)

ImageId = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$(?!\n)")
]


class ImageCreate(Wire):
    """A new image; every other key is one of its properties."""

    __extras__: ClassVar[str | None] = "properties"
    __exact__: ClassVar[bool] = True
    id: ImageId | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    visibility: str | UnsetType = UNSET
    owner: str | UnsetType | None = UNSET
    disk_format: str | UnsetType | None = UNSET
    container_format: str | UnsetType | None = UNSET
    min_disk: int | UnsetType = UNSET
    min_ram: int | UnsetType = UNSET
    protected: bool | UnsetType = UNSET
    os_hidden: bool | UnsetType = UNSET
    tags: list[str] = []
    properties: dict[str, object] = {}


class LocationView(Wire):
    """Where the bytes of an image are."""

    url: str
    metadata: dict[str, object]


class ImageView(Wire):
    """An image; its properties stand beside its attributes."""

    __extras__: ClassVar[str | None] = "properties"
    id: str
    name: str | None
    status: str
    visibility: str
    owner: str | None
    protected: bool
    os_hidden: bool
    disk_format: str | None
    container_format: str | None
    min_disk: int
    min_ram: int
    size: int | None
    virtual_size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    tags: list[str]
    created_at: str
    updated_at: str
    self_link: Annotated[str, F("self")]
    file: str
    schema: str
    stores: str | UnsetType
    direct_url: str | UnsetType
    locations: list[LocationView] | UnsetType
    properties: dict[str, str]


def view(call: Call[ImageApp], image: Image) -> ImageView:
    """The image as the caller is shown it; where its bytes are only if the operator and the policy let him see that."""
    config = call.app.config
    shown: list[LocationView] = []
    if (config.show_locations or config.show_direct_url) and call.allows(SEE_LOCATIONS.name, image.policy_target()):
        shown = [
            LocationView(url=copies.url_of(call.app, image, place), metadata={**copy.about, "store": copy.store})
            for place, copy in enumerate(image.copies)
        ]
    here = f"/v2/images/{image.id}"
    return ImageView(
        id=image.id,
        name=image.name,
        status=image.status.value,
        visibility=image.visibility.value,
        owner=image.owner,
        protected=image.protected,
        os_hidden=image.hidden,
        disk_format=image.disk_format,
        container_format=image.container_format,
        min_disk=image.min_disk,
        min_ram=image.min_ram,
        size=image.size,
        virtual_size=image.virtual_size,
        checksum=image.checksum,
        os_hash_algo=image.hash_algo,
        os_hash_value=image.hash_value,
        tags=list(image.tags),
        created_at=moment(image.created_at),
        updated_at=moment(image.updated_at),
        self_link=here,
        file=f"{here}/file",
        schema="/v2/schemas/image",
        stores=",".join(call.app.stores.in_order(stores_of(image))) if image.copies else UNSET,
        direct_url=shown[0].url if shown and config.show_direct_url else UNSET,
        locations=shown if config.show_locations else UNSET,
        properties=dict(call.app.guard.shown(call.caller, image.properties)),
    )


@api.get("/images", Rule("get_images", PROJECT_READER), key="images")
async def index(call: Call[ImageApp], page: Page) -> list[ImageView]:
    """List images."""
    if page.limit is None:
        page.limit = call.app.config.default_limit
    wanted = filters_of(call.query)
    if not listing.may_ask(call.app, call.caller, wanted):
        return []
    return [view(call, image) for image in await listing.image_list(call.app, call.caller, wanted, page)]


@api.post("/images", ADD, late=True)
async def create(call: Call[ImageApp], body: ImageCreate) -> ImageView:
    """Create an image."""
    given = body.given()
    for name, value in given["properties"].items():
        patches.check_name(name)
        if not call.app.guard.allows(call.caller, name, Action.CREATE):
            raise errors.Reserved(name=name)
        patches.check_property(name, value)
    owner = call.caller.project_id if body.owner is UNSET else body.owner
    if owner != call.caller.project_id and not call.allows(ADD.name, target(call, owner)):
        raise errors.NotYourImage(owner=owner)
    call.require(ADD.name, target(call, owner))
    columns = commands.checked_columns({name: given[name] for name in given if name in patches.COLUMNS})
    columns["owner"] = owner
    check_visibility(call, columns.get("visibility"), owner)
    id = None if isinstance(body.id, UnsetType) else body.id
    image = await commands.create_image(call.app, id, columns, body.properties, body.tags)
    call.reply_headers["OpenStack-image-import-methods"] = ",".join(call.app.config.import_methods)
    if len(call.app.stores.all) > 1:
        call.reply_headers["OpenStack-image-store-ids"] = ",".join(call.app.stores.all)
    call.reply_headers["Location"] = call.url(f"/v2/images/{image.id}")
    return view(call, image)


def check_visibility(call: Call[ImageApp], wanted: object, owner: str | None) -> None:
    """The caller may make an image seen by so many."""
    for visibility, rule in (("public", PUBLICIZE), ("community", COMMUNITIZE)):
        if wanted == visibility:
            call.require(rule.name, target(call, owner))


@api.get("/images/{image_id}", Rule("get_image", SEE), find=image_find)
async def show(call: Call[ImageApp], image: Image) -> ImageView:
    """Show an image."""
    return view(call, image)


@api.patch("/images/{image_id}", MODIFY, find=image_find, content=(PATCH_2_1, PATCH_2_0))
async def update(call: Call[ImageApp], image: Image, body: bytes) -> ImageView:
    """Change an image by a JSON patch."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        raise errors.WrongValue(why=f"The request body is not valid JSON: {str(bad)[:100]}.") from bad
    old_style = call.headers.get("content-type", "").startswith(PATCH_2_0)
    operations = patches.read(decoded, old_style=old_style)
    commands.check_values(operations)
    # Before anything is done, all of it can be done; what locations are, others have to be asked.
    _changed(call, image, operations)
    for one in operations:
        if one.name == patches.LOCATIONS:
            await _relocate(call, image, one)
            image = await commands.image_get(call.app, image.id)
    async with call.app.db.transaction():
        image = await commands.image_get(call.app, image.id)
        image = await commands.change_image(call.app, image, _changed(call, image, operations))
    return view(call, image)


def _changed(call: Call[ImageApp], image: Image, operations: Sequence[patches.Operation]) -> Change:
    """What the operations make of the image as it is now, if the caller may do that."""
    others = [one for one in operations if one.name != patches.LOCATIONS]
    if not call.caller.admin and any(one.name == "owner" and one.verb == "replace" for one in others):
        raise errors.NotYourOwner(image=image.id)
    change, given = patches.applied(image, others, call.app.guard, call.caller)
    columns = commands.checked_columns(given)
    if columns.get("owner", image.owner) != image.owner and not call.caller.admin:
        raise errors.NotYourOwner(image=image.id)
    if columns.get("visibility", image.visibility) != image.visibility:
        check_visibility(call, columns["visibility"], image.owner)
    change = msgspec.structs.replace(change, columns=columns)
    commands.check_quotas(call.app, image.id, change)
    return change


async def _relocate(call: Call[ImageApp], image: Image, one: patches.Operation) -> None:
    """One step of a patch has been made of where the image's bytes are."""
    if not call.app.config.show_locations:
        raise errors.LocationsHidden
    if one.verb == "remove":
        call.require(DELETE_LOCATION.name, image.policy_target())
        await copies.remove_location(call.app, image, one.rest)
        return
    call.require(SET_LOCATION.name, image.policy_target())
    if one.verb == "add":
        await copies.add_location(call.app, image, _location(one.value), one.rest)
    elif isinstance(one.value, list):
        await copies.replace_locations(call.app, image, [_location(value) for value in one.value])
    else:
        raise errors.WrongValue(why="Invalid locations: a list is wanted.")


def _location(value: object) -> copies.Location:
    try:
        given = msgspec.convert(value, _Location)
    except msgspec.ValidationError as bad:
        raise errors.WrongValue(why=f"Invalid location: {bad}.") from bad
    return copies.Location(url=given.url, about=given.metadata, said=copies.said_of(given.validation_data))


class _Location(msgspec.Struct, frozen=True):
    """A location in a patch."""

    url: str
    metadata: dict[str, object] = {}
    validation_data: dict[str, str] = {}


@api.delete("/images/{image_id}", Rule("delete_image", PROJECT_MEMBER), find=image_find)
async def delete(call: Call[ImageApp], image: Image) -> None:
    """Delete an image."""
    await commands.delete_image(call.app, image.id)


@api.post("/images/{image_id}/actions/deactivate", Rule("deactivate", PROJECT_MEMBER), find=image_find, status=204)
async def deactivate(call: Call[ImageApp], image: Image) -> None:
    """Deactivate an image."""
    await commands.deactivate_image(call.app, image)


@api.post("/images/{image_id}/actions/reactivate", Rule("reactivate", PROJECT_MEMBER), find=image_find, status=204)
async def reactivate(call: Call[ImageApp], image: Image) -> None:
    """Reactivate an image."""
    await commands.reactivate_image(call.app, image)


@api.put("/images/{image_id}/tags/{tag_value}", MODIFY, find=image_find, status=204)
async def tag(call: Call[ImageApp], image: Image, tag_value: str) -> None:
    """Tag an image."""
    patches.tags_of([tag_value])
    await commands.tag_image(call.app, image.id, tag_value)


@api.delete("/images/{image_id}/tags/{tag_value}", MODIFY, find=image_find)
async def untag(call: Call[ImageApp], image: Image, tag_value: str) -> None:
    """Remove a tag from an image."""
    await commands.untag_image(call.app, image.id, tag_value)
