"""Imports and the tasks that show them: values and pure rules."""

import datetime as dt
import enum
from collections.abc import Mapping

import msgspec

from pileus.image.models.images import Said

IMPORTING_TO = "os_glance_importing_to_stores"  # properties that show how far an import into several stores is
FAILED_IN = "os_glance_failed_import"
OURS = "os_glance"  # what no client sets


LOCATION = "location_import"


class Method(enum.StrEnum):
    """Where the bytes of an import come from."""

    DIRECT = "glance-direct"  # they were staged
    WEB = "web-download"  # an address
    COPY = "copy-image"  # a store the image is in already
    GLANCE = "glance-download"  # another region's image service


class Plugin(enum.StrEnum):
    """What happens to bytes on their way from the staging area to the stores, in this order."""

    UNPACK = "image_decompression"
    CONVERT = "image_conversion"
    INJECT = "inject_image_metadata"


class Far(msgspec.Struct, frozen=True, kw_only=True):
    """An image of another region."""

    image: str
    region: str
    interface: str = "public"


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """What an import has to do."""

    image: str
    method: Method
    uri: str = ""
    stores: tuple[str, ...]
    every_store: bool = True  # one store that fails fails the import
    far: Far | None = None
    plugins: tuple[Plugin, ...] = ()
    inject: Mapping[str, str] = {}  # properties that the image gets


class Locating(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that others keep, to be looked at."""

    image: str
    url: str
    said: Said
    size: int | None = None  # as the web server says


class TaskStatus(enum.StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILURE = "failure"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A long job as its owner sees it; kept for a while after it has ended."""

    id: str
    type: str  # import, api_image_import
    status: TaskStatus
    owner: str | None
    user: str | None
    image: str | None
    request_id: str | None
    input: Mapping[str, object]
    result: Mapping[str, object] | None
    message: str
    created_at: dt.datetime
    updated_at: dt.datetime
    expires_at: dt.datetime | None

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules see."""
        return {"project_id": self.owner, "owner": self.owner}


def progress(wanted: tuple[str, ...], there: set[str], failed: tuple[str, ...]) -> dict[str, str]:
    """The properties that show how far an import is."""
    ahead = [store for store in wanted if store not in there and store not in failed]
    return {IMPORTING_TO: ",".join(ahead), FAILED_IN: ",".join(failed)}
