"""The pages that tell how the cloud is: `/metrics` for Prometheus, `/healthcheck` for balancers, in detail for people.

They need no token and tell no names but those of hosts; `/healthcheck` alone touches nothing, so it stays cheap under any load.
"""

import asyncio
from urllib.parse import parse_qs

import msgspec

from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.standing import Reconcilers
from pileus.kit.hosts.control import Hosts
from pileus.kit.http import Kernel, Reply
from pileus.kit.observe.events import LAST
from pileus.kit.observe.log import log_of
from pileus.kit.observe.metrics import CONTENT_TYPE, Family, Requests, Sample, process, text_of
from pileus.kit.timely import timely
from pileus.main.measures import Measures

log = log_of(__name__)

FABRIC = "network.fabric"
ANSWER_S = 3.0  # a database that takes longer is not well, and who asks does not wait much longer
SECRET_FREE = {"Content-Type": "application/json", "Cache-Control": "no-store"}


class Check(msgspec.Struct, frozen=True):
    """How one part is."""

    ok: bool
    says: str


class Watching:
    """Serves the pages."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        hosts: Hosts,
        reconcilers: Reconcilers,
        services: list[str],
        own_host: str | None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._hosts = hosts
        self._reconcilers = reconcilers
        self._services = services
        self._own_host = own_host
        self._requests = Requests()
        self._measures = Measures(db, clock, hosts, reconcilers, services)

    def serve(self, kernel: Kernel) -> None:
        """The pages are there, and requests are counted from now on."""
        kernel.saw = self._requests.saw
        kernel.pages["/metrics"] = self.metrics
        kernel.pages["/healthcheck"] = self.health

    async def metrics(self, query: str) -> Reply:
        """Everything that is measured; without the database, what this process knows by itself."""
        try:
            counted, up = await timely(self._measures.families(), ANSWER_S), 1.0
        except Exception as failed:  # noqa: BLE001  that it does not answer is told, and the rest as well
            log.broke("what there is cannot be counted", failed)
            counted, up = [], 0.0
        database = Family("pileus_database_up", "gauge", "Whether the database answers.", (Sample(up),))
        told = [database, *self._requests.families(), *counted, *process()]
        return Reply(200, text_of(told), {"Content-Type": CONTENT_TYPE})

    async def health(self, query: str) -> Reply:
        """OK while this process answers; with `detailed=1`, 503 when a part it stands on is not well, naming it."""
        if parse_qs(query).get("detailed", ["0"])[-1].lower() not in {"1", "true", "yes"}:
            return Reply(200, b"OK\n", {"Content-Type": "text/plain"})
        checks = {"database": await self._database()}
        if "network" in self._services and self._own_host is not None:
            checks["network"] = self._network()
        if "compute" in self._services and self._own_host is not None:
            checks["agent"] = (
                await self._agent(self._own_host) if checks["database"].ok else Check(False, "is not known")
            )
        ok = all(check.ok for check in checks.values())
        return Reply(200 if ok else 503, msgspec.json.encode({"ok": ok, "checks": checks}), dict(SECRET_FREE))

    async def _database(self) -> Check:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._db.one(LAST)
        except TimeoutError:
            return Check(False, f"did not answer in {ANSWER_S:g} s")
        except Exception as failed:  # noqa: BLE001  that it does not answer is the answer
            return Check(False, f"does not answer: {failed}")
        return Check(True, f"answered in {1000 * (self._clock.monotonic() - began):.1f} ms")

    def _network(self) -> Check:
        last = self._reconcilers.last.get(FABRIC)
        if last is None:
            return Check(False, "has not started yet")
        if not last.ok:
            return Check(False, last.summary or "is not as it should be")
        return Check(True, f"was made as wanted at {last.at:%Y-%m-%dT%H:%M:%SZ}")

    async def _agent(self, host: str) -> Check:
        up = await self._hosts.is_up(host)
        return Check(up, f"of {host} was heard lately" if up else f"of {host} is silent")
