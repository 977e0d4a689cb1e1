"""Accounts: what they hold, and what was said about them. One is there as soon as somebody may use it."""

from pileus.object_store.disk.accounts import AccountFacts
from pileus.object_store.errors import Missing
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import http_date
from pileus.object_store.proxy.asks import Answer, Ask, Guards, Refused
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.listed import said_of, shown, type_of, wanted_of, written
from pileus.object_store.proxy.replicas import read_any, write_all

ACL = "x-account-access-control"


class AccountProxy:
    """Answers what is asked about accounts."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, ask: Ask) -> Answer:
        """The account's containers."""
        await self._permit(ask)
        kind = type_of(ask)
        wanted = wanted_of(ask, self._cluster.config.account_listing_limit)
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        try:
            facts, entries = await read_any(
                places, handoffs, lambda at: servers.of(at).accounts.listed(at, ask.path, wanted)
            )
        except Missing as missing:
            facts, entries = self._unborn(ask, missing), []
        return written(entries, kind, "account", ask.path.account, self._headers(facts, ask))

    async def head(self, ask: Ask) -> Answer:
        """What the account holds."""
        await self._permit(ask)
        kind = type_of(ask)
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        try:
            facts = await read_any(places, handoffs, lambda at: servers.of(at).accounts.facts(at, ask.path))
        except Missing as missing:
            facts = self._unborn(ask, missing)
        return Answer(status=204, headers={**self._headers(facts, ask), "content-type": f"{kind}; charset=utf-8"})

    async def put(self, ask: Ask) -> Answer:
        """The account is there."""
        await self._permit(ask)
        if not ask.reseller:
            raise Refused(403)
        fresh = await self._write(ask)
        return Answer(status=201 if fresh else 202, headers={"content-type": "text/html; charset=UTF-8"})

    async def post(self, ask: Ask) -> Answer:
        """The account's metadata is so."""
        await self._permit(ask)
        await self._write(ask)
        return Answer(status=204, headers={"content-type": "text/html; charset=UTF-8"})

    async def delete(self, ask: Ask) -> Answer:
        """The account is gone; what was in it goes in time."""
        await self._permit(ask)
        if not ask.reseller:
            raise Refused(403)
        if ask.query:
            raise Refused(400, "An account is deleted by a DELETE without a query.")
        stamp = ask.stamp or self._cluster.stamps.next()
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        outcome = await write_all(places, handoffs, lambda at: servers.of(at).accounts.delete(at, ask.path, stamp))
        self._cluster.changed(ask.path)
        try:
            outcome.settle()
        except Missing:
            raise Refused(404) from None
        return Answer(status=204, headers={"content-type": "text/html; charset=UTF-8"})

    async def _write(self, ask: Ask) -> bool:
        facts = await self._cluster.account(ask.path)
        if facts is None and await self._deleted(ask.path):
            raise Refused(403, "Recently deleted")
        return await ensure_account(self._cluster, ask.path, said_of(ask, "account"), ask.stamp)

    async def _deleted(self, path: Path) -> bool:
        places, handoffs = self._cluster.where(path)
        servers = self._cluster.servers
        try:
            found = await read_any(
                places, handoffs, lambda at: servers.of(at).accounts.facts(at, path, deleted_too=True)
            )
        except Missing:
            return False
        return found.deleted

    async def _permit(self, ask: Ask) -> None:
        facts = await self._cluster.account(ask.path)
        ask.permit(ask, Guards(account=facts.metadata.get(ACL, "") if facts is not None else ""))

    def _unborn(self, ask: Ask, missing: Missing) -> AccountFacts:
        """An account nobody has used yet looks like an empty one; one that was deleted is gone."""
        if missing.stamp is not None or not ask.owner:
            raise Refused(404)
        stamp = self._cluster.stamps.next()
        return AccountFacts(account=ask.path.account, created=stamp, put_stamp=stamp)

    def _headers(self, facts: AccountFacts, ask: Ask) -> dict[str, str]:
        headers = {
            "x-account-container-count": str(facts.containers),
            "x-account-object-count": str(facts.objects),
            "x-account-bytes-used": str(facts.bytes),
            "x-timestamp": facts.created,
            "x-put-timestamp": facts.put_stamp,
            "last-modified": http_date(facts.put_stamp),
            "accept-ranges": "bytes",
            **shown(facts.metadata, owner=ask.owner),
        }
        for index, held in facts.held.items():
            policy = self._cluster.rings.policies.get(index)
            if policy is None:
                continue
            prefix = f"x-account-storage-policy-{policy.name.lower()}"
            total = facts.totals.get(index)
            headers[f"{prefix}-container-count"] = str(held.count)
            headers[f"{prefix}-object-count"] = str(total.count if total else 0)
            headers[f"{prefix}-bytes-used"] = str(total.bytes if total else 0)
        return headers


async def ensure_account(cluster: Cluster, path: Path, said: dict[str, str], stamp: str | None = None) -> bool:
    """The account is there, with this said about it; return whether it was not before."""
    path = Path(path.account)
    now = stamp or cluster.stamps.next()
    places, handoffs = cluster.where(path)
    outcome = await write_all(places, handoffs, lambda at: cluster.servers.of(at).accounts.put(at, path, said, now))
    cluster.changed(path)
    return any(outcome.settle())
