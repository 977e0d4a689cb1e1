"""Object lock: versions that must stay do, whichever API asks; who may end it, and when, is S3's rule.

A bucket that locks keeps every version. A version is kept until a moment (GOVERNANCE, which who runs the account may bypass; or
COMPLIANCE, which nobody may), or as long as it is held. What would remove it, or take its lock away, is refused.
"""

import datetime as dt

import msgspec

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.features.versions import HEADER
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Guards, Handler, Refused, answered, true
from pileus.object_store.proxy.cluster import Cluster

LOCK = "x-container-sysmeta-s3-lock"
BYPASS, ASKED = "x-backend-lock-bypass", "x-backend-s3"
RETAIN, HOLD = "x-object-transient-sysmeta-s3-retain", "x-object-transient-sysmeta-s3-hold"
SEGMENTS = "+segments"
DENIED = "Access Denied because object protected by object lock."
DAY_S = 86_400


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a bucket locks what is written to it: not at all when there is no mode."""

    mode: str = ""
    days: int = 0
    years: int = 0

    def retention(self, now: float) -> str:
        """The retention of something that is written now."""
        moment = dt.datetime.fromtimestamp(now, dt.UTC) + dt.timedelta(days=self.days or 365 * self.years)
        return f"{self.mode} {moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}"


class Retention(msgspec.Struct, frozen=True):
    """How long something must stay."""

    mode: str
    until: float


def rule_of(facts: ContainerFacts | None) -> Rule | None:
    """The lock of a container; None when it locks nothing."""
    text = facts.metadata.get(LOCK, "") if facts is not None else ""
    return msgspec.json.decode(text, type=Rule) if text else None


def retention_of(text: str) -> Retention | None:
    """The retention that is kept with an object."""
    mode, _, until = text.partition(" ")
    return Retention(mode, dt.datetime.fromisoformat(until).timestamp()) if until else None


class ObjectLocks:
    """Refuses what would end a lock."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What is asked, unless something that must stay would go."""
        if ask.hidden or ask.path.depth < 2 or ask.method in {"GET", "HEAD", "OPTIONS"}:
            return await rest(ask)
        if ask.path.depth == 2:
            return await self._container(ask, rest)
        return await self._object(ask, rest)

    async def _object(self, ask: Ask, rest: Handler) -> Answer:
        await self._require_no_parts(ask)
        rule = rule_of(await self._cluster.container(ask.path))
        if rule is None:
            if RETAIN in ask.headers or HOLD in ask.headers:
                raise Refused(400, "Bucket is missing Object Lock Configuration")
            return await rest(ask)
        if "x-delete-at" in ask.headers or "x-delete-after" in ask.headers:
            raise Refused(409, "What is locked does not expire.")
        if ask.method == "DELETE" and "version-id" in ask.query:
            await self._require_free(ask, rest)
        elif ask.method == "PUT" and rule.mode:
            ask.headers.setdefault(RETAIN, rule.retention(self._cluster.stamps.now()))
        elif ask.method == "POST" and ASKED not in ask.headers:
            await self._keep(ask, rest)
        return await rest(ask)

    async def _container(self, ask: Ask, rest: Handler) -> Answer:
        if HEADER in ask.headers and not true(ask.headers[HEADER]):
            if rule_of(await self._cluster.container(ask.path)) is not None:
                raise Refused(
                    409,
                    "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
                )
        return await rest(ask)

    async def _require_no_parts(self, ask: Ask) -> None:
        """Parts of locked objects are nobody's to change."""
        container = str(ask.path.container)
        if not container.endswith(SEGMENTS):
            return
        bucket = Path(ask.path.account, container.removesuffix(SEGMENTS))
        if rule_of(await self._cluster.container(bucket)) is not None:
            raise Refused(403, DENIED)

    async def _require_free(self, ask: Ask, rest: Handler) -> None:
        now = await self._known(ask, rest)
        if now.get(HOLD) == "ON":
            raise Refused(403, DENIED)
        held = retention_of(now.get(RETAIN, ""))
        if held is None or held.until <= self._cluster.stamps.now():
            return
        if held.mode == "GOVERNANCE" and BYPASS in ask.headers:
            ask.permit(ask, Guards())  # who runs the account, not whoever may write
            return
        raise Refused(403, DENIED)

    async def _keep(self, ask: Ask, rest: Handler) -> None:
        """A POST that knows nothing of locks leaves them."""
        now = await self._known(ask, rest)
        ask.headers.update({name: now[name] for name in (RETAIN, HOLD) if now.get(name)})

    async def _known(self, ask: Ask, rest: Handler) -> dict[str, str]:
        query = {name: ask.query[name] for name in ("version-id",) if name in ask.query}
        head = ask.again("HEAD", ask.path, query=query)
        answer = await answered(rest, msgspec.structs.replace(head, permit=lambda _ask, _guards: None))
        await answer.close()
        return answer.headers if answer.ok else {}
