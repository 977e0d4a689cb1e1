"""What other services need of images: what one is, and whether a caller may use it.

The bytes are had through `ports/image_files.py`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from pileus.kit.auth import Caller


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An image as those who boot from it need it."""

    id: str
    name: str | None
    status: str  # queued, saving, active, deactivated ...
    visibility: str  # public, community, shared, private
    owner: str | None
    size: int | None  # bytes of the file
    virtual_size: int | None  # bytes of the disk it describes
    disk_format: str | None
    container_format: str | None
    min_disk: int = 0  # GiB
    min_ram: int = 0  # MiB
    checksum: str | None = None  # md5
    hash_algorithm: str | None = None
    hash_value: str | None = None
    protected: bool = False
    properties: Mapping[str, str] = {}
    tags: tuple[str, ...] = ()
    shared: str | None = None  # rbd://cluster/pool/image/snapshot of its raw bytes, for whoever shares that cluster
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def usable(self) -> bool:
        """Whether something can be booted from it now."""
        return self.status == "active"


class NewImage(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of an image before it has bytes."""

    name: str
    owner: str | None
    disk_format: str
    container_format: str = "bare"
    visibility: str = "private"
    min_disk: int = 0
    min_ram: int = 0
    properties: Mapping[str, str] = {}


class ImageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which images; None is any. Properties must all have these values."""

    name: str | None = None
    status: str | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    updated_since: dt.datetime | None = None
    properties: Mapping[str, str] = {}


class Images(Protocol):
    """What can be booted from."""

    async def get(self, image_id: str, caller: Caller) -> ImageFacts | None:
        """The image, if it exists and the caller may see it; None else. Joins the caller's transaction."""
        ...

    async def list(self, caller: Caller, wanted: ImageQuery, *, marker: str | None, limit: int) -> Sequence[ImageFacts]:
        """A page of the images the caller sees in lists, newest first; raises UnknownMarker."""
        ...

    async def change(self, image_id: str, caller: Caller, properties: Mapping[str, str]) -> ImageFacts | None:
        """The caller's image has exactly these properties; None if he sees no such image. Raises Denied."""
        ...

    async def delete(self, image_id: str, caller: Caller) -> bool:
        """The caller's image is gone; False if he sees no such image. Raises Denied if it is not his, or is protected."""
        ...

    async def create(self, image_id: str, image: NewImage) -> ImageFacts:
        """The image exists, waiting for its bytes; repeatable for the same id. For snapshots."""
        ...

    async def take(self, image_id: str, source: str) -> ImageFacts:
        """The image holds the bytes of the file `source` and is active, or this raises. Repeatable."""
        ...

    async def check_trust(self, image_id: str, trusted: Sequence[str]) -> None:
        """The image is signed, its bytes are what was signed, and the signer's certificate is one of these, or issued by one.

        Certificates are named by their references. Raises a Problem that says what is missing.
        """
        ...

    async def remove(self, image_id: str) -> None:
        """The image is gone, its bytes too; it need not have existed."""
        ...
