"""Which headers of a request are kept with an object, and how its container lists it."""

import mimetypes
from collections.abc import Mapping

from pileus.object_store.models.limits import wrong_metadata
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Ask, Refused

PLAIN = (
    "content-disposition", "content-encoding", "x-object-manifest", "x-static-large-object", "cache-control",
    "content-language", "expires", "x-robots-tag",
)  # fmt: skip
SYSMETA = "x-object-sysmeta-"
TRANSIENT = "x-object-transient-sysmeta-"
LISTED = f"{SYSMETA}container-update-override-"  # how a feature has the object listed


def kept_of(ask: Ask, *, with_sysmeta: str | tuple[str, ...] = (SYSMETA, TRANSIENT)) -> dict[str, str]:
    """What of a request's headers is kept with the object."""
    wrong = wrong_metadata(ask.headers, "object")
    if wrong is not None:
        raise Refused(400, wrong)
    prefixes = ("x-object-meta-", *((with_sysmeta,) if isinstance(with_sysmeta, str) else with_sysmeta))
    return {name: value for name, value in ask.headers.items() if name.startswith(prefixes) or name in PLAIN}


def guessed(name: str) -> str:
    """The type an object has when nobody said: what its name looks like."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def listed_as(path: Path, policy: int, metadata: Mapping[str, str], stamp: str, changed: str = "") -> ObjectRow:
    """The row of an object in its container's listing."""
    size = metadata.get(f"{LISTED}size", metadata.get("content-length", "0"))
    return ObjectRow(
        name=str(path.object),
        stamp=stamp,
        changed=changed,
        size=int(size),
        type=metadata.get(f"{LISTED}content-type", metadata.get("content-type", "")),
        etag=metadata.get(f"{LISTED}etag", metadata.get("etag", "")),
        policy=policy,
    )
