"""Object storage, wired: what the API answers from, what workers work on, and what is closed at the end."""

import msgspec

from pileus.kit.auth import Authenticator
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.features.pipeline import Pipeline
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.storage.local import LocalServer
from pileus.object_store.workers.auditor import Auditor
from pileus.object_store.workers.expirer import Expirer
from pileus.object_store.workers.ledgers import LedgerReplicator
from pileus.object_store.workers.reaper import Reaper
from pileus.object_store.workers.replicator import Replicator
from pileus.object_store.workers.sync import Syncer
from pileus.object_store.workers.updater import Updater


class Workers(msgspec.Struct, frozen=True):
    """What keeps right what is stored; each `run` is one pass, and says in a few words what it did."""

    updater: Updater
    replicator: Replicator
    ledgers: LedgerReplicator
    auditor: Auditor
    expirer: Expirer
    reaper: Reaper
    syncer: Syncer


class ObjectStoreApp(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of object storage."""

    config: ObjectStoreConfig
    cluster: Cluster
    server: LocalServer
    pipeline: Pipeline
    people: Authenticator
    workers: Workers
