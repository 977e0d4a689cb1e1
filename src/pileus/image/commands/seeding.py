"""Images this program brings along or makes itself: put in place from files, repeatably."""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path

from pileus.image.app import ImageApp
from pileus.image.commands.images import create_image, delete_image
from pileus.image.commands.upload import upload
from pileus.image.flows.intake import file_chunks
from pileus.image.models.images import Status
from pileus.image.store import images as store


async def ensure_image(
    app: ImageApp,
    *,
    name: str,
    path: Path,
    disk_format: str,
    properties: Mapping[str, str] | None = None,
    visibility: str = "public",
    owner: str | None = None,
) -> str:
    """An active image of this name has the file's content; returns its id. Same content, nothing to do."""
    digest = await asyncio.to_thread(_sha512, path)
    for image in await store.image_named(app, name, owner):
        if image.status is Status.ACTIVE and image.hash_value == digest:
            return image.id
        if image.status is Status.QUEUED:
            # An earlier try that did not get its bytes.
            await upload(app, image, file_chunks(path), limited=False)
            return image.id
    about = {
        "name": name,
        "disk_format": disk_format,
        "container_format": "bare",
        "visibility": visibility,
        "owner": owner,
    }
    image = await create_image(app, None, about, dict(properties or {}), [])
    await upload(app, image, file_chunks(path), limited=False)
    return image.id


async def remove_image(app: ImageApp, id: str) -> None:
    """The image is gone, protected or not, its file too; it need not have existed."""
    async with app.db.transaction():
        if await store.head_find(app, id) is None:
            return
        await store.image_update(app, id, {"protected": False})
    await delete_image(app, id)


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()
