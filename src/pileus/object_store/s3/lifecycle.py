"""Lifecycle: objects, versions and uploads that end by themselves, as rules of their bucket say.

Buckets with rules are noted in a hidden account, so that nobody has to look through all others. Once in a while the rules are
held against what is listed; what an object lock keeps stays.
"""

import datetime as dt
from collections.abc import AsyncIterator
from itertools import groupby
from urllib.parse import parse_qsl

import msgspec

from pileus.kit.auth import NOBODY
from pileus.kit.observe.log import log_of
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.features.version_lists import MARKER
from pileus.object_store.features.versions import ENABLED
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Ask, Bytes, anyone, whole
from pileus.object_store.s3.bodies import Promised, Verified
from pileus.object_store.s3.call import Call, Turns
from pileus.object_store.s3.described import TAGS
from pileus.object_store.s3.documents import kept_document
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.objects import deleted, forget_parts
from pileus.object_store.s3.requests import Request
from pileus.object_store.s3.rules import NOTED, Rule
from pileus.object_store.s3.uploads import uploads_of

log = log_of(__name__)
PAGE = 1000
DAY = dt.timedelta(days=1)


class Row(msgspec.Struct):
    """What a listing says of an object or a version."""

    name: str = ""
    bytes: int = 0
    content_type: str = ""
    last_modified: str = ""
    version_id: str = ""
    is_latest: bool = True

    @property
    def when(self) -> dt.datetime:
        """When it was written."""
        return dt.datetime.fromisoformat(self.last_modified).replace(tzinfo=dt.UTC)


def due(since: dt.datetime, days: int) -> dt.datetime:
    """When something ends that lives for so many days: at the midnight after them."""
    end = since + dt.timedelta(days=days)
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == end else midnight + DAY


class Lifecycle:
    """Holds the rules of buckets against what is in them."""

    def __init__(self, app: ObjectStoreApp) -> None:
        self._app = app
        self._turns = Turns()

    async def run(self) -> str | None:
        """One pass over all buckets that have rules; say what it did."""
        count = 0
        async for row in self._rows(NOTED, {}):
            account, _, bucket = row.name.partition("/")
            path = Path(account, bucket)
            facts = await self._app.cluster.container(path)
            text = kept_document(facts, "lifecycle") if facts is not None else ""
            if facts is None or not text:
                await self._app.pipeline(self._ask("DELETE", Path(NOTED.account, NOTED.container, row.name)).by_cloud())
                continue
            rules = [rule for rule in msgspec.json.decode(text, type=list[Rule]) if rule.enabled]
            count += await self._bucket(path, facts, rules)
        return f"{count} ended" if count else None

    async def _bucket(self, path: Path, facts: ContainerFacts, rules: list[Rule]) -> int:
        now = dt.datetime.fromtimestamp(self._app.cluster.stamps.now(), dt.UTC)
        call = self._call(path)
        count = 0
        if ENABLED in facts.metadata:
            async for row in self._rows(path, {"versions": ""}, rules, now):
                count += await self._end(call, path, row)
        elif any(rule.days or rule.date for rule in rules):
            async for row in self._rows(path, {}):
                if any(self._expires(rule, row, now) for rule in rules) and await self._tagged(
                    call, path, row, rules, now
                ):
                    count += await self._end(call, path, row)
        return count + await self._uploads(call, path, rules, now)

    def _expires(self, rule: Rule, row: Row, now: dt.datetime) -> bool:
        """Whether a rule ends what is the newest, but for its tags."""
        if not rule.about(row.name, row.bytes):
            return False
        if rule.date:
            return dt.datetime.fromisoformat(rule.date) <= now
        return bool(rule.days) and due(row.when, rule.days) <= now

    async def _tagged(self, call: Call, path: Path, row: Row, rules: list[Rule], now: dt.datetime) -> bool:
        """Whether one of the rules that end it is about objects with its tags."""
        fitting = [rule for rule in rules if self._expires(rule, row, now)]
        return any([await self._has_tags(call, path, row, rule) for rule in fitting])

    async def _has_tags(self, call: Call, path: Path, row: Row, rule: Rule) -> bool:
        if not rule.tags:
            return True
        version = row.version_id if row.version_id not in {"", "null"} else None
        known = await call.known(Path(path.account, path.container, row.name), version=version)
        tags = dict(parse_qsl(known.headers.get(TAGS, ""), keep_blank_values=True)) if known is not None else {}
        return rule.tags.items() <= tags.items()

    async def _rows(
        self, path: Path, query: dict[str, str], rules: list[Rule] | None = None, now: dt.datetime | None = None
    ) -> AsyncIterator[Row]:
        """All rows of a listing; of versions, those that a rule ends."""
        marker = ""
        while True:
            asked = {**query, "format": "json", "marker": marker, "limit": str(PAGE)}
            ask = self._ask("GET", path, asked)
            if path.account == NOTED.account or str(path.container).startswith("\0"):
                ask = ask.by_cloud()
            answer, raw = await whole(self._app.pipeline, ask)
            rows = msgspec.json.decode(raw, type=list[Row]) if answer.status == 200 else []
            if rules is not None and now is not None:
                # The versions of one object are judged together, so a page ends with an object.
                last = rows[-1].name if len(rows) == PAGE else ""
                kept = [row for row in rows if row.name != last] or rows
                for _, versions in groupby(kept, key=lambda row: row.name):
                    for row in await self._ending(path, list(versions), rules, now):
                        yield row
                rows, more = kept, len(rows) == PAGE
            else:
                more = len(rows) == PAGE
                for row in rows:
                    yield row
            if not more:
                return
            marker = rows[-1].name

    async def _ending(self, path: Path, versions: list[Row], rules: list[Rule], now: dt.datetime) -> list[Row]:
        """Which versions of one object end, the newest given first."""
        call = self._call(path)
        found = []
        for at, row in enumerate(versions):
            if row.is_latest and row.content_type == MARKER:
                if len(versions) == 1 and any(self._lone(rule, row, now) for rule in rules):
                    found.append(row)
            elif row.is_latest:
                if await self._tagged(call, path, row, rules, now):
                    found.append(msgspec.structs.replace(row, version_id=""))
            elif any(self._noncurrent(rule, row, versions[at - 1], at, now) for rule in rules):
                fitting = [rule for rule in rules if self._noncurrent(rule, row, versions[at - 1], at, now)]
                if any([await self._has_tags(call, path, row, rule) for rule in fitting]):
                    found.append(row)
        return found

    def _lone(self, rule: Rule, row: Row, now: dt.datetime) -> bool:
        """Whether a marker that hides nothing any more goes."""
        if not rule.about(row.name, 0) or rule.tags:
            return False
        return rule.markers or (bool(rule.days) and due(row.when, rule.days) <= now)

    def _noncurrent(self, rule: Rule, row: Row, newer: Row, at: int, now: dt.datetime) -> bool:
        """Whether a rule ends a version that was replaced by a newer one; `at` counts those before it."""
        if not rule.noncurrent_days or not rule.about(row.name, row.bytes):
            return False
        return at > rule.newer_versions and due(newer.when, rule.noncurrent_days) <= now

    async def _end(self, call: Call, path: Path, row: Row) -> int:
        try:
            await deleted(call, Path(path.account, path.container, row.name), row.version_id or None)
        except S3Error as kept:
            log.info("something stays beyond its time", bucket=str(path), key=row.name, why=kept.message)
            return 0
        return 1

    async def _uploads(self, call: Call, path: Path, rules: list[Rule], now: dt.datetime) -> int:
        """Uploads that were begun too long ago are given up."""
        aborting = [rule for rule in rules if rule.abort_days]
        if not aborting:
            return 0
        top = uploads_of(path)
        count = 0
        async for row in self._rows(top, {}):
            key, _, upload = row.name[1:].rpartition("\0")
            if any(rule.about(key, None) and due(row.when, rule.abort_days) <= now for rule in aborting):
                await self._app.pipeline(self._ask("DELETE", Path(top.account, top.container, row.name)).by_cloud())
                await forget_parts(call, path, upload)
                count += 1
        return count

    def _ask(self, method: str, path: Path, query: dict[str, str] | None = None) -> Ask:
        return Ask(method=method, path=path, query=dict(query or {}), permit=anyone, owner=True)

    def _call(self, path: Path) -> Call:
        """What the operations of S3 are asked with."""

        def opened(computed: tuple[str, ...] = ()) -> Verified:
            return Verified(aiter(Bytes()), Promised(computed=computed))

        return Call(
            app=self._app,
            request=Request(method="DELETE", bucket=path.container),
            caller=NOBODY,
            account=path.account,
            permit=anyone,
            permits=anyone,
            opened=opened,
            turns=self._turns,
            request_id="lifecycle",
        )
