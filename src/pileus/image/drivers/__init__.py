"""Where the bytes of images lie."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from pileus.image.config import ImageConfig, StoreConfig, WebConfig
from pileus.image.drivers.file import FileStore
from pileus.image.drivers.held import Held
from pileus.image.drivers.http import HttpSource
from pileus.image.drivers.interface import ByteSource, Store, Stores
from pileus.image.drivers.objects import ObjectsStore
from pileus.image.drivers.rbd import Pool, RbdStore
from pileus.ports.objects import Objects

STAGING = "staging"
CACHE = "cached"


class UnknownStore(Exception):
    """The configuration names a store, or a kind of store, that there is not."""


class Ground(msgspec.Struct, frozen=True):
    """What stores stand on."""

    state: Path
    web: WebConfig
    objects: Objects | None  # None where the cloud has no object storage


def _file(ground: Ground, id: str, config: StoreConfig) -> ByteSource:
    return Held(FileStore(ground.state / (config.path or f"images-{id}")))


def _http(ground: Ground, _id: str, _config: StoreConfig) -> ByteSource:
    return HttpSource(ground.web)


def _objects(ground: Ground, id: str, config: StoreConfig) -> ByteSource:
    if ground.objects is None:
        raise UnknownStore(f"image.stores.{id}.kind is object_store, and this cloud has none: see `services`")
    return Held(ObjectsStore(ground.objects, config.path or f"images-{id}"))


def _rbd(_ground: Ground, id: str, config: StoreConfig) -> ByteSource:
    pool = Pool(pool=config.pool, conf=config.conf, user=config.user, beginning=config.path or f"images-{id}")
    return Held(RbdStore(pool))


KINDS: Mapping[str, Callable[[Ground, str, StoreConfig], ByteSource]] = {
    "file": _file,
    "http": _http,
    "object_store": _objects,
    "rbd": _rbd,
}


def stores_of(config: ImageConfig, state: Path, objects: Objects | None = None) -> Stores:
    """The stores of the configuration, below the state directory; raises UnknownStore."""
    ground = Ground(state, config.web, objects)
    found: dict[str, Store] = {}
    for id, one in config.stores.items():
        if one.kind not in KINDS:
            raise UnknownStore(f"image.stores.{id}.kind is {one.kind!r}; there are {', '.join(sorted(KINDS))}")
        source = KINDS[one.kind](ground, id, one)
        found[id] = Store(id=id, kind=one.kind, description=one.description, weight=one.weight, source=source)
    if config.default_store not in found or found[config.default_store].target is None:
        raise UnknownStore(f"image.default_store is {config.default_store!r}: there is no such store to write to")
    return Stores(
        all=found,
        default=config.default_store,
        staging=FileStore(state / "images" / STAGING),
        cache=FileStore(state / "images" / CACHE),
    )
