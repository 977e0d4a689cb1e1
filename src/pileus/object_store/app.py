"""Object storage, wired: what the API answers from, what workers work on, and what is closed at the end."""

import msgspec

from pileus.kit.auth import Authenticator
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.features.pipeline import Pipeline
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.storage.far.serving import StorageChannel
from pileus.object_store.storage.keeper import Keeper
from pileus.object_store.storage.local import LocalServer
from pileus.object_store.storage.published import Atlas
from pileus.object_store.storage.reach import AllServers
from pileus.object_store.workers.auditor import Auditor
from pileus.object_store.workers.expirer import Expirer
from pileus.object_store.workers.follower import Follower
from pileus.object_store.workers.ledgers import LedgerReplicator
from pileus.object_store.workers.lines import Workforce
from pileus.object_store.workers.reaper import Reaper
from pileus.object_store.workers.recon import Recon
from pileus.object_store.workers.reconciler import Reconciler
from pileus.object_store.workers.reconstructor import Reconstructor
from pileus.object_store.workers.relinker import Relinker
from pileus.object_store.workers.replicator import Replicator
from pileus.object_store.workers.sharder import Sharder
from pileus.object_store.workers.sync import Syncer
from pileus.object_store.workers.teller import Teller
from pileus.object_store.workers.updater import Updater


class Workers(msgspec.Struct, frozen=True):
    """What keeps right what is stored; each `run` is one pass, and says in a few words what it did."""

    updater: Updater
    teller: Teller
    replicator: Replicator
    reconstructor: Reconstructor
    ledgers: LedgerReplicator
    auditor: Auditor
    expirer: Expirer
    reaper: Reaper
    syncer: Syncer
    sharder: Sharder
    reconciler: Reconciler
    relinker: Relinker
    follower: Follower


class ObjectStoreApp(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of object storage."""

    config: ObjectStoreConfig
    cluster: Cluster
    server: LocalServer
    servers: AllServers
    channel: StorageChannel  # where other machines of the cluster are answered, once it listens
    atlas: Atlas
    keeper: Keeper | None  # where the rings are kept: on the first controller
    pipeline: Pipeline
    people: Authenticator
    workers: Workers
    workforce: Workforce  # how they are doing
    recon: Recon  # what this machine says of itself

    async def close(self) -> None:
        """Nothing is under way, and nothing is open."""
        await self.channel.close()
        await self.server.close()
        await self.servers.close()
