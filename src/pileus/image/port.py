"""The image service's promises to other services and to hosts, kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.commands import download, seeding, trust
from pileus.image.commands.images import change_image, create_image, delete_image, image_find, image_get
from pileus.image.commands.listing import Wanted, image_list, may_ask
from pileus.image.commands.upload import give_up, upload
from pileus.image.flows.intake import file_chunks, readable
from pileus.image.flows.signed import is_signed
from pileus.image.models.images import Image, Status
from pileus.image.models.patch import Operation, applied, check_name
from pileus.image.store import images as store
from pileus.kit.auth import Caller
from pileus.kit.db import Ge
from pileus.kit.http import Page
from pileus.ports.image import ImageFacts, ImageQuery, NewImage


class ImagePort:
    """Implements pileus.ports.image.Images and pileus.ports.image_files.ImageFiles."""

    def __init__(self, app: ImageApp) -> None:
        self._app = app

    async def get(self, image_id: str, caller: Caller) -> ImageFacts | None:
        """The image, if it exists and the caller may see it."""
        image = await image_find(self._app, caller, image_id)
        return None if image is None else self._facts(image, caller, shared_at(self._app, image))

    def _facts(self, image: Image, caller: Caller, shared: str | None = None) -> ImageFacts:
        """What the caller may know of the image."""
        known = msgspec.structs.replace(image, properties=self._app.guard.shown(caller, image.properties))
        return facts(known, shared)

    async def list(self, caller: Caller, wanted: ImageQuery, *, marker: str | None, limit: int) -> Sequence[ImageFacts]:
        """A page of the images the caller sees in lists, newest first; raises UnknownMarker."""
        plain = {name: getattr(wanted, name) for name in ("name", "status", "min_disk", "min_ram")}
        filters: dict[str, object] = {name: value for name, value in plain.items() if value is not None}
        if wanted.updated_since is not None:
            filters["updated_at"] = Ge(wanted.updated_since)
        if wanted.properties:
            filters["property"] = tuple(f"{name}={value}" for name, value in wanted.properties.items())
        page, asked = Page(limit=limit, marker=marker), Wanted(filters)
        if not may_ask(self._app, caller, asked):
            return []
        return [self._facts(image, caller) for image in await image_list(self._app, caller, asked, page)]

    async def change(self, image_id: str, caller: Caller, properties: Mapping[str, str]) -> ImageFacts | None:
        """The caller's image has exactly these properties; None if he sees no such image."""
        image = await self._own(image_id, caller)
        if image is None:
            return None
        shown = self._app.guard.shown(caller, image.properties)
        steps = [Operation("remove", name) for name in shown if name not in properties]
        steps += [Operation("add", name, value) for name, value in properties.items() if shown.get(name) != value]
        for step in steps:
            check_name(step.name)
        change, columns = applied(image, steps, self._app.guard, caller)
        for name in columns:  # what images have of their own is no property
            raise errors.Reserved(name=name)
        return self._facts(await change_image(self._app, image, change), caller)

    async def delete(self, image_id: str, caller: Caller) -> bool:
        """The caller's image is gone; False if he sees no such image."""
        if await self._own(image_id, caller) is None:
            return False
        await delete_image(self._app, image_id)
        return True

    async def _own(self, image_id: str, caller: Caller) -> Image | None:
        image = await image_find(self._app, caller, image_id)
        if image is not None and not (caller.admin or (image.owner is not None and image.owner == caller.project_id)):
            raise errors.NotYours(image=image_id)
        return image

    async def create(self, image_id: str, image: NewImage) -> ImageFacts:
        """The image exists, waiting for its bytes."""
        known = await store.image_find(self._app, image_id)
        if known is not None:
            return facts(known)
        columns = {
            "name": image.name,
            "owner": image.owner,
            "disk_format": image.disk_format,
            "container_format": image.container_format,
            "visibility": image.visibility,
            "min_disk": image.min_disk,
            "min_ram": image.min_ram,
        }
        return facts(await create_image(self._app, image_id, columns, image.properties, []))

    async def take(self, image_id: str, source: str) -> ImageFacts:
        """The image holds the bytes of the file and is active."""
        image = await store.image_find(self._app, image_id)
        if image is None:
            raise errors.NoSuchImage(image=image_id)
        if image.status is Status.SAVING and image.upload is not None:
            # Ours, of a process that died over it: nobody else brings bytes to this image. Should it live yet, it ends in vain.
            await give_up(self._app, image.id, image.upload)
            image = await image_get(self._app, image_id)
        if image.status is not Status.ACTIVE:
            await upload(self._app, image, file_chunks(Path(source)), limited=False)
        return facts(await image_get(self._app, image_id))

    async def check_trust(self, image_id: str, trusted: Sequence[str]) -> None:
        """The image is signed by whom one of the certificates trusts; raises NotTrusted, BadSignature or NoSuchImage."""
        await trust.check_trust(self._app, image_id, trusted)

    async def remove(self, image_id: str) -> None:
        """The image is gone, its bytes too."""
        await seeding.remove_image(self._app, image_id)

    async def fetch(self, image_id: str, destination: Path) -> None:
        """The bytes of the image, verified against its checksum, are in `destination`."""
        await download.fetch(self._app, image_id, destination)

    async def sha512(self, image_id: str) -> str | None:
        """The SHA-512 of the image's bytes, if that is the hash it has."""
        image = await store.head_find(self._app, image_id)
        return image.hash_value if image is not None and image.hash_algo == "sha512" else None


def shared_at(app: ImageApp, image: Image) -> str | None:
    """Where volumes of the same cluster can be cloned of the image: only of what is a disk as it stands, and not signed."""
    if image.disk_format != "raw" or image.container_format != "bare" or is_signed(image.properties):
        return None
    for copy in readable(app, image.copies):
        url = app.stores.all[copy.store].source.url(copy.place)
        if url.startswith("rbd://") and url.count("/") == 5:
            return url
    return None


def facts(image: Image, shared: str | None = None) -> ImageFacts:
    """What other services are told of an image."""
    return ImageFacts(
        id=image.id,
        name=image.name,
        status=image.status.value,
        visibility=image.visibility.value,
        owner=image.owner,
        size=image.size,
        virtual_size=image.virtual_size,
        disk_format=image.disk_format,
        container_format=image.container_format,
        min_disk=image.min_disk,
        min_ram=image.min_ram,
        checksum=image.checksum,
        hash_algorithm=image.hash_algo,
        hash_value=image.hash_value,
        protected=image.protected,
        properties=image.properties,
        tags=image.tags,
        shared=shared,
        created_at=image.created_at,
        updated_at=image.updated_at,
    )
