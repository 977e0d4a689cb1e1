"""Small rules: accounts that are read-only, tags quoted as RFC 9110 wants them, and how often an account may change."""

from collections.abc import Sequence
from itertools import pairwise

from pileus.object_store.proxy.asks import Answer, Ask, Guards, Handler, Refused, true
from pileus.object_store.proxy.cluster import Cluster

READ_ONLY = "x-account-sysmeta-read-only"
QUOTED = "rfc-compliant-etags"
WRITES = {"PUT", "POST", "DELETE", "COPY"}


class ReadOnly:
    """Accounts that a reseller made read-only are."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What is asked, unless it would change what must not."""
        if ask.path.depth == 1 and ask.method in {"PUT", "POST"} and "x-account-read-only" in ask.headers:
            ask.permit(ask, Guards())
            if ask.reseller:
                ask.headers[READ_ONLY] = ask.headers["x-account-read-only"]
        if ask.method in WRITES and ask.path.depth > 1:
            facts = await self._cluster.account(ask.path)
            if facts is not None and true(facts.metadata.get(READ_ONLY, "")) and not ask.hidden:
                raise Refused(405, "Writes are disabled for this account.")
        return await rest(ask)


class EtagQuoter:
    """Tags of objects are quoted where the container or the account says so."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The answer, its tag in quotes if it should be."""
        if ask.path.depth < 3 and ask.method in {"PUT", "POST"}:
            kind = "account" if ask.path.depth == 1 else "container"
            given = ask.headers.pop(f"x-{kind}-{QUOTED}", None)
            if given is not None:
                ask.headers[f"x-{kind}-sysmeta-{QUOTED}"] = "" if not given else str(true(given))
        answer = await rest(ask)
        if ask.path.depth < 3:
            kind = "account" if ask.path.depth == 1 else "container"
            kept = answer.headers.get(f"x-{kind}-sysmeta-{QUOTED}")
            if kept:
                answer.headers[f"x-{kind}-{QUOTED}"] = kept
            return answer
        etag = answer.headers.get("etag", "")
        if etag and not etag.startswith('"') and await self._wanted(ask):
            answer.headers["etag"] = f'"{etag}"'
        return answer

    async def _wanted(self, ask: Ask) -> bool:
        container = await self._cluster.container(ask.path)
        said = container.metadata.get(f"x-container-sysmeta-{QUOTED}", "") if container is not None else ""
        if not said:
            account = await self._cluster.account(ask.path)
            said = account.metadata.get(f"x-account-sysmeta-{QUOTED}", "") if account is not None else ""
        return true(said)


class RateLimits:
    """An account makes and removes only so many containers a second; a large container takes and lists only so much."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        config = cluster.config
        self._containers = config.account_ratelimit
        self._writes, self._lists = steps_of(config.container_ratelimit), steps_of(config.container_listing_ratelimit)
        self._next: dict[str, float] = {}

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What is asked, unless there was too much of it."""
        if not ask.hidden:
            about, rate = await self._rate(ask)
            if rate > 0:
                self._require_turn(about, rate)
        return await rest(ask)

    async def _rate(self, ask: Ask) -> tuple[str, float]:
        """What the request counts for, and how many of those a second; 0: any number."""
        if self._containers and ask.path.depth == 2 and ask.method in {"PUT", "DELETE"}:
            return ask.path.account, self._containers
        steps: Steps = ()
        if ask.path.depth == 3 and ask.method in WRITES:
            steps = self._writes
        elif ask.path.depth == 2 and ask.method == "GET":
            steps = self._lists
        facts = await self._cluster.container(ask.path) if steps else None
        if facts is None:
            return "", 0.0
        kind = "list" if ask.path.depth == 2 else "write"
        return f"{kind} /{ask.path.account}/{ask.path.container}", rate_of(steps, facts.count)

    def _require_turn(self, about: str, rate: float) -> None:
        now = self._cluster.stamps.now()
        due = max(self._next.get(about, now), now)
        if due - now > 1.0:  # more than a second's worth is waiting
            raise Refused(498, "Slow down", {"retry-after": str(int(due - now) + 1)})
        self._next[about] = due + 1 / rate
        if len(self._next) > 10_000:
            self._next = {known: at for known, at in self._next.items() if at > now}


Steps = tuple[tuple[int, float], ...]


def steps_of(texts: Sequence[str]) -> Steps:
    """`objects rate` pairs, the smallest container first."""
    return tuple(sorted((int(size), float(rate)) for size, rate in (text.split() for text in texts)))


def rate_of(steps: Steps, count: int) -> float:
    """What a container of so many objects may a second: between two sizes the rate is between theirs; 0: any number."""
    if not steps or count < steps[0][0]:
        return 0.0
    for (low, fast), (high, slow) in pairwise(steps):
        if count < high:
            return fast + (slow - fast) * (count - low) / (high - low)
    return steps[-1][1]
