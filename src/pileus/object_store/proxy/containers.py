"""Containers: their objects' names, how many there are, and what was said about them."""

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import Missing, NotEmpty, Superseded, WrongPolicy
from pileus.object_store.models.limits import wrong_name
from pileus.object_store.models.stamps import http_date
from pileus.object_store.proxy.accounts import ACL, ensure_account
from pileus.object_store.proxy.asks import Answer, Ask, Guards, Refused
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.listed import said_of, shown, type_of, wanted_of, written
from pileus.object_store.proxy.replicas import read_any, write_all

HTML = {"content-type": "text/html; charset=UTF-8"}


class ContainerProxy:
    """Answers what is asked about containers."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, ask: Ask) -> Answer:
        """The container's objects."""
        await self._permit(ask, "x-container-read")
        kind = type_of(ask)
        wanted = wanted_of(ask, self._cluster.config.container_listing_limit)
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        try:
            facts, entries = await read_any(
                places, handoffs, lambda at: servers.of(at).containers.listed(at, ask.path, wanted)
            )
        except Missing:
            raise Refused(404) from None
        if ask.shown is not None:
            entries = list(await ask.shown(entries))
        return written(entries, kind, "container", str(ask.path.container), self._headers(facts, ask))

    async def head(self, ask: Ask) -> Answer:
        """What the container holds."""
        await self._permit(ask, "x-container-read")
        kind = type_of(ask)
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        try:
            facts = await read_any(places, handoffs, lambda at: servers.of(at).containers.facts(at, ask.path))
        except Missing:
            raise Refused(404) from None
        return Answer(status=204, headers={**self._headers(facts, ask), "content-type": f"{kind}; charset=utf-8"})

    async def put(self, ask: Ask) -> Answer:
        """The container is there."""
        await self._permit(ask, "")
        wrong = wrong_name("container", ask.path.container or "", hidden=ask.hidden)
        if wrong is not None:
            raise Refused(400, wrong)
        said = said_of(ask, "container")
        policy = self._policy(ask)
        account = await self._cluster.account(ask.path)
        if account is None:
            await ensure_account(self._cluster, ask.path, {})
        stamp = ask.stamp or self._cluster.stamps.next()
        default = self._cluster.rings.default.index
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        outcome = await write_all(
            places,
            handoffs,
            lambda at: servers.of(at).containers.put(at, ask.path, said, stamp, policy, default),
        )
        self._cluster.changed(ask.path)
        self._cluster.changed(ask.path.above)
        try:
            fresh = any(outcome.settle())
        except WrongPolicy:
            raise Refused(409) from None
        return Answer(status=201 if fresh else 202, headers=dict(HTML))

    async def post(self, ask: Ask) -> Answer:
        """The container's metadata is so."""
        await self._permit(ask, "")
        said = said_of(ask, "container")
        stamp = ask.stamp or self._cluster.stamps.next()
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        outcome = await write_all(
            places, handoffs, lambda at: servers.of(at).containers.post(at, ask.path, said, stamp)
        )
        self._cluster.changed(ask.path)
        try:
            outcome.settle()
        except Missing:
            raise Refused(404) from None
        return Answer(status=204, headers=dict(HTML))

    async def delete(self, ask: Ask) -> Answer:
        """The container is gone."""
        await self._permit(ask, "")
        stamp = ask.stamp or self._cluster.stamps.next()
        places, handoffs = self._cluster.where(ask.path)
        servers = self._cluster.servers
        outcome = await write_all(places, handoffs, lambda at: servers.of(at).containers.delete(at, ask.path, stamp))
        self._cluster.changed(ask.path)
        self._cluster.changed(ask.path.above)
        try:
            outcome.settle()
        except Missing:
            raise Refused(404) from None
        except (NotEmpty, Superseded):
            raise Refused(409) from None
        return Answer(status=204, headers=dict(HTML))

    def _policy(self, ask: Ask) -> int | None:
        name = ask.headers.get("x-storage-policy")
        if name is None:
            return None
        policy = self._cluster.rings.policy(name)
        if policy is None:
            known = ", ".join(one.name for one in self._cluster.rings.policies.values())
            raise Refused(400, f"Invalid X-Storage-Policy '{name}'; there are: {known}")
        if policy.deprecated:
            raise Refused(400, f"X-Storage-Policy '{name}' takes no new containers.")
        return policy.index

    async def _permit(self, ask: Ask, acl: str) -> None:
        account = await self._cluster.account(ask.path)
        facts = await self._cluster.container(ask.path) if acl else None
        ask.permit(
            ask,
            Guards(
                container=facts.metadata.get(acl, "") if facts is not None else "",
                account=account.metadata.get(ACL, "") if account is not None else "",
            ),
        )

    def _headers(self, facts: ContainerFacts, ask: Ask) -> dict[str, str]:
        policy = self._cluster.rings.policies.get(facts.policy)
        return {
            "x-container-object-count": str(facts.count),
            "x-container-bytes-used": str(facts.bytes),
            "x-timestamp": facts.created,
            "x-put-timestamp": facts.put_stamp,
            "last-modified": http_date(facts.put_stamp),
            "accept-ranges": "bytes",
            **({"x-storage-policy": policy.name} if policy is not None else {}),
            **shown(facts.metadata, owner=ask.owner),
        }
