"""Container sync, receiving end: another cluster that knows the container's key and the realm's may write here."""

import hmac
from hashlib import sha1

import msgspec

from pileus.object_store.models.stamps import stamp_of
from pileus.object_store.proxy.asks import Answer, Ask, Handler, Refused, anyone
from pileus.object_store.proxy.cluster import Cluster

HEADER = "x-container-sync-auth"
STAMP = "x-backend-inbound-x-timestamp"


class ContainerSync:
    """Lets in who signs with both keys, and tells in `/info` which realms there are."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What the signature allows, done."""
        given = ask.headers.get(HEADER)
        if given is None or ask.path.depth != 3:
            if ask.headers.get("x-container-sync-to"):
                self._require_target(ask.headers["x-container-sync-to"])
            return await rest(ask)
        parts = given.split()
        realm = self._cluster.config.realms.get(parts[0].lower()) if parts else None
        if len(parts) != 3 or realm is None:
            raise Refused(401, "X-Container-Sync-Auth header not valid; contact cluster operator for support.")
        _, nonce, signature = parts
        facts = await self._cluster.container(ask.path)
        key = facts.metadata.get("x-container-sync-key", "") if facts is not None else ""
        stamp = ask.headers.get(STAMP, "")
        mount = "/" + ask.base.partition("://")[2].partition("/")[2] if ask.base else ""
        expected = []
        for prefix in {"", mount}:  # whoever knows this cluster by its endpoint signs the mount, too
            text = f"{ask.method}\n{prefix}/v1{ask.path}\n{stamp}\n{nonce}\n{key}"
            expected.append(hmac.new(realm.key.encode(), text.encode(), sha1).hexdigest())
        if not key or not any(hmac.compare_digest(one, signature) for one in expected):
            raise Refused(401, "X-Container-Sync-Auth header not valid; contact cluster operator for support.")
        return await rest(msgspec.structs.replace(ask, permit=anyone, stamp=_stamp(stamp)))

    def _require_target(self, text: str) -> None:
        """`//realm/cluster/account/container` of a realm that is known, or an address."""
        if text.startswith("//"):
            parts = text[2:].split("/")
            realm = self._cluster.config.realms.get(parts[0].lower())
            if len(parts) != 4 or realm is None or parts[1].lower() not in realm.clusters:
                raise Refused(400, f"No cluster endpoint for {text!r}")
            return
        if not text.startswith(("http://", "https://")):
            raise Refused(400, 'Invalid scheme in X-Container-Sync-To, must be "//", "http", or "https".')


def _stamp(text: str) -> str:
    try:
        return stamp_of(text)
    except ValueError:
        raise Refused(400, "Invalid X-Timestamp header") from None
