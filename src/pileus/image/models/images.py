"""Images, their statuses and who sees them: values and pure rules."""

import datetime as dt
import enum
from collections.abc import Mapping

import msgspec

from pileus.kit.auth import Caller

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso", "gpt")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
HASH = "sha512"  # what is made of bytes that come here
HASHES = {"sha256": 64, "sha512": 128, "sha384": 96, "sha224": 56}  # and what others may have made: digits


class Status(enum.StrEnum):
    """Where an image stands."""

    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"  # its bytes are being staged, or are there and wait for the import
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class Visibility(enum.StrEnum):
    """Who sees an image besides its owner: everybody, whoever asks for it, its members, nobody."""

    PUBLIC = "public"
    COMMUNITY = "community"
    SHARED = "shared"
    PRIVATE = "private"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """An image's own row."""

    id: str
    name: str | None
    status: Status
    visibility: Visibility
    owner: str | None
    disk_format: str | None
    container_format: str | None
    size: int | None
    virtual_size: int | None
    checksum: str | None
    hash_algo: str | None
    hash_value: str | None
    min_disk: int
    min_ram: int
    protected: bool
    hidden: bool
    staged: str | None  # the file where its bytes wait for the import
    upload: str | None  # the upload under way
    upload_until: dt.datetime | None  # when that has ended without a word, unless it shows life
    created_at: dt.datetime
    updated_at: dt.datetime


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of an image in one store: a location."""

    id: str
    image: str
    store: str
    place: str  # the file's name in the store; an address, in one that others keep
    about: Mapping[str, object]  # what its owner notes on it
    whole: bool  # all of its bytes are there; one that is still being written is not shown
    created_at: dt.datetime


class Image(Head, frozen=True, kw_only=True):
    """An image with its copies, properties and tags, as one caller finds it."""

    copies: tuple[Copy, ...] = ()  # whole ones, the oldest first

    properties: Mapping[str, str] = {}
    tags: tuple[str, ...] = ()
    member_id: str | None = None  # the caller's project, where it is a member

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules see."""
        return {
            "image_id": self.id,
            "project_id": self.owner,
            "owner": self.owner,
            "visibility": self.visibility.value,
            "member_id": self.member_id,
        }


class Findings(msgspec.Struct, frozen=True):
    """What the bytes of an image turned out to be."""

    size: int
    virtual_size: int | None
    checksum: str
    hash_value: str
    hash_algo: str = HASH


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """An image's place in the cache: asked for, or there."""

    image: str
    file: str | None  # None while it is only asked for
    size: int
    hits: int
    asked_at: dt.datetime
    cached_at: dt.datetime | None
    read_at: dt.datetime | None


class Used(msgspec.Struct, frozen=True):
    """What a project has: bytes of images in stores and in the staging area, images, and those on their way in."""

    size: int
    staged: int
    images: int
    uploading: int


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is known, or said, of bytes that others keep."""

    size: int | None = None
    checksum: str | None = None
    hash_algo: str | None = None
    hash_value: str | None = None

    @property
    def says(self) -> bool:
        """Whether anything is said of what the bytes are."""
        return self.checksum is not None or self.hash_value is not None

    def fits(self, image: Head) -> bool:
        """Whether it is what the image is known to be."""
        known = (image.checksum, image.hash_algo, image.hash_value)
        return not self.says or (self.checksum, self.hash_algo, self.hash_value) == known


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a request makes of an image: columns, and the whole sets of properties and tags."""

    columns: Mapping[str, object] = {}
    properties: Mapping[str, str] = {}
    tags: tuple[str, ...] = ()


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A project an image is shared with, and what it thinks of that."""

    image: str
    member: str
    status: str
    created_at: dt.datetime
    updated_at: dt.datetime


def stores_of(image: Image) -> tuple[str, ...]:
    """Where the image's bytes are: the names of the stores, each once."""
    return tuple(sorted({copy.store for copy in image.copies}))


def sees(caller: Caller, image: Image) -> bool:
    """Whether the caller finds the image by its id."""
    if caller.admin or image.visibility in {Visibility.PUBLIC, Visibility.COMMUNITY}:
        return True
    if image.owner is not None and image.owner == caller.project_id:
        return True
    return image.visibility is Visibility.SHARED and image.member_id is not None
