"""The proxy: finds where things are and asks who keeps them. It is the end of the way that features stand on."""

from collections.abc import Mapping

from pileus.kit.observe.log import log_of
from pileus.object_store.errors import DeviceUnusable, Unreachable
from pileus.object_store.proxy.accounts import AccountProxy
from pileus.object_store.proxy.asks import Answer, Ask, Handler, Refused
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.containers import ContainerProxy
from pileus.object_store.proxy.objects import ObjectProxy
from pileus.object_store.proxy.replicas import TooFew
from pileus.object_store.proxy.uploads import UploadProxy

log = log_of(__name__)
METHODS = "HEAD, GET, PUT, POST, DELETE, COPY, OPTIONS"


class Proxy:
    """Answers what is asked of accounts, containers and objects."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        account, container, object = AccountProxy(cluster), ContainerProxy(cluster), ObjectProxy(cluster)
        upload = UploadProxy(cluster, object)
        self._handlers: Mapping[int, Mapping[str, Handler]] = {
            1: {method: getattr(account, method.lower()) for method in ("GET", "HEAD", "PUT", "POST", "DELETE")},
            2: {method: getattr(container, method.lower()) for method in ("GET", "HEAD", "PUT", "POST", "DELETE")},
            3: {
                **{method: getattr(object, method.lower()) for method in ("GET", "HEAD", "POST", "DELETE")},
                "PUT": upload.put,
            },
        }

    async def __call__(self, ask: Ask) -> Answer:
        """What is asked, done or refused."""
        handler = self._handlers[ask.path.depth].get(ask.method)
        if handler is None:
            raise Refused(405, headers={"allow": METHODS})
        try:
            return await handler(ask)
        except (TooFew, DeviceUnusable, Unreachable) as failed:
            log.warning("object storage cannot do it now", why=failed.message, path=str(ask.path))
            raise Refused(503) from failed
