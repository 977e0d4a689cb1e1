"""All features before the proxy, in their order: each may answer by itself, or change what is asked and answered."""

from collections.abc import Sequence
from functools import partial

from pileus.kit.observe.log import log_of
from pileus.object_store.features.bulk import Bulk
from pileus.object_store.features.container_sync import ContainerSync
from pileus.object_store.features.copying import Copying
from pileus.object_store.features.cors import Cors
from pileus.object_store.features.dlo import DynamicLargeObjects
from pileus.object_store.features.encryption import Encryption, Secrets
from pileus.object_store.features.formpost import FormPost
from pileus.object_store.features.legacy_versions import VersionedWrites
from pileus.object_store.features.object_locks import ObjectLocks
from pileus.object_store.features.policing import EtagQuoter, RateLimits, ReadOnly
from pileus.object_store.features.quotas import AccountQuotas, ContainerQuotas
from pileus.object_store.features.slo import StaticLargeObjects
from pileus.object_store.features.staticweb import StaticWeb
from pileus.object_store.features.symlinks import Symlinks
from pileus.object_store.features.tempurl import TemporaryUrls
from pileus.object_store.features.versions import Versioning
from pileus.object_store.proxy.asks import Answer, Ask, Feature, Handler, Refused, refusal
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.replicas import AWAY

log = log_of(__name__)


def features(cluster: Cluster, secrets: Secrets) -> tuple[Feature, ...]:
    """Every feature, the outermost first. The order is what they rely on: a copy meets quotas, a large object its segments."""
    return (
        Cors(cluster),
        EtagQuoter(cluster),
        ContainerSync(cluster),
        Bulk(),
        TemporaryUrls(cluster),
        RateLimits(cluster),
        FormPost(cluster),
        StaticWeb(cluster),
        ReadOnly(cluster),
        Copying(cluster),
        ContainerQuotas(cluster),
        AccountQuotas(cluster),
        StaticLargeObjects(),
        DynamicLargeObjects(),
        ObjectLocks(cluster),
        VersionedWrites(cluster),
        Versioning(cluster),
        Symlinks(),
        Encryption(secrets),
    )


class Pipeline:
    """Answers what is asked of object storage: what the Swift API and S3 both stand on."""

    def __init__(self, features: Sequence[Feature], proxy: Handler) -> None:
        way = proxy
        for feature in reversed(features):
            way = partial(feature, rest=way)
        self._way = way

    async def __call__(self, ask: Ask) -> Answer:
        """What is asked, done or refused; never raises Refused."""
        try:
            return await self._way(ask)
        except Refused as refused:
            return refused.answer
        except AWAY as away:  # features ask for what guards a thing before they ask the proxy for the thing
            log.warning("object storage cannot do it now", why=away.message, path=str(ask.path))
            return refusal(503)
