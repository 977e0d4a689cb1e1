"""Object storage, wired: what the API answers from, what workers work on, and what is closed at the end."""

import msgspec

from pileus.kit.auth import Authenticator
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.features.pipeline import Pipeline
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.storage.local import LocalServer


class ObjectStoreApp(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of object storage."""

    config: ObjectStoreConfig
    cluster: Cluster
    server: LocalServer
    pipeline: Pipeline
    people: Authenticator
