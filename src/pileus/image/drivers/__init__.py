"""Where the bytes of images lie."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pileus.image.config import ImageConfig, StoreConfig, WebConfig
from pileus.image.drivers.file import FileStore
from pileus.image.drivers.http import HttpSource
from pileus.image.drivers.interface import ByteSource, Store, Stores

STAGING = "staging"
CACHE = "cached"


class UnknownStore(Exception):
    """The configuration names a store, or a kind of store, that there is not."""


def _file(state: Path, id: str, config: StoreConfig, _web: WebConfig) -> ByteSource:
    return FileStore(state / (config.path or f"images-{id}"))


def _http(_state: Path, _id: str, _config: StoreConfig, web: WebConfig) -> ByteSource:
    return HttpSource(web)


KINDS: Mapping[str, Callable[[Path, str, StoreConfig, WebConfig], ByteSource]] = {"file": _file, "http": _http}


def stores_of(config: ImageConfig, state: Path) -> Stores:
    """The stores of the configuration, below the state directory; raises UnknownStore."""
    found: dict[str, Store] = {}
    for id, one in config.stores.items():
        if one.kind not in KINDS:
            raise UnknownStore(f"image.stores.{id}.kind is {one.kind!r}; there are {', '.join(sorted(KINDS))}")
        source = KINDS[one.kind](state, id, one, config.web)
        found[id] = Store(id=id, kind=one.kind, description=one.description, weight=one.weight, source=source)
    if config.default_store not in found or found[config.default_store].target is None:
        raise UnknownStore(f"image.default_store is {config.default_store!r}: there is no such store to write to")
    return Stores(
        all=found,
        default=config.default_store,
        staging=FileStore(state / "images" / STAGING),
        cache=FileStore(state / "images" / CACHE),
    )
