#!/usr/bin/env python3
"""How fast a container of a million objects is listed: whole, and divided into shards; and how long dividing it takes.

    .venv/bin/python bench/object_listings.py [--names 1000000] [--rows 250000] [--folder DIR]

The rows are put into the ledger directly. Listings are asked for through the API's ASGI, 10,000 names a page as JSON, from the
first name to the last; then likewise with a delimiter, so that a page is one subdirectory after the other.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from pileus.kit.auth import Caller
from pileus.kit.clock import SystemClock
from pileus.object_store import manifest
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.models.shards import ASKED

CONTAINER = Name("AUTH_p", "c")


class Anybody:
    """Takes every token."""

    async def caller(self, token: str) -> Caller:
        return Caller(user_id="u", project_id="p", roles=frozenset({"member"}))


class Asked:
    """The API, asked as a server asks it."""

    def __init__(self, app: ObjectStoreApp) -> None:
        self._api: Any = manifest.api(app)

    async def ask(self, method: str, query: str = "") -> tuple[dict[str, str], bytes]:
        """Headers and body of the answer."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": f"/{manifest.MOUNT}/v1{CONTAINER}", "query_string": query.encode(),
            "scheme": "http", "client": None,
            "headers": [(b"x-auth-token", b"t"), (b"content-length", b"0")],
        }  # fmt: skip
        await self._api(scope, receive, send)
        assert 200 <= sent[0]["status"] < 300, sent[0]
        headers = {key.decode().lower(): value.decode() for key, value in sent[0]["headers"]}
        return headers, b"".join(message.get("body", b"") for message in sent[1:])

    async def all(self, query: str) -> tuple[int, float]:
        """How many entries the whole listing has, and how many a second."""
        began, marker, count = time.perf_counter(), "", 0
        while True:
            _, body = await self.ask("GET", f"format=json&limit=10000{query}&marker={quote(marker)}")
            page = json.loads(body)
            count += len(page)
            if not page:
                return count, count / (time.perf_counter() - began)
            marker = page[-1].get("name") or page[-1]["subdir"]


def rows(names: int) -> Iterator[ObjectRow]:
    """Objects in folders of a thousand."""
    for number in range(names):
        name = f"folder-{number // 1000:06}/object-{number:09}"
        yield ObjectRow(
            name=name, stamp="1700000000.00000", size=4096, type="image/png", etag="d41d8cd98f00b204e9800998ecf8427e"
        )


async def measure(folder: Path, names: int, shard_rows: int) -> None:
    """Everything, in one directory as device."""
    config = ObjectStoreConfig(devices=(str(folder / "d1"),), part_power=2, shard_container_threshold=0)
    app = manifest.build(people=Anybody(), clock=SystemClock(), state=folder / "objects", config=config)
    asked = Asked(app)
    await asked.ask("PUT")
    place = app.cluster.rings.places(CONTAINER)[0]
    ledger = app.server.devices.of(place).containers.ledger(place.partition, app.cluster.rings.hash(CONTAINER))
    began = time.perf_counter()
    ledger.merge(rows(names))
    print(f"{names} rows put into the ledger in {time.perf_counter() - began:.1f} s")
    await lists(asked, names, "one ledger")
    stamp = app.cluster.stamps.next()
    await app.server.containers.post(place, CONTAINER, {ASKED: str(shard_rows)}, stamp)
    began = time.perf_counter()
    await app.workers.sharder.run()
    took = time.perf_counter() - began
    shape = await app.server.containers.shape(place, CONTAINER)
    assert shape.whole
    print(
        f"divided into {len(shape.shards)} shards in {took:.1f} s: {names / took:.0f} rows/s, on as many copies as there are"
    )
    await lists(asked, names, f"{len(shape.shards)} shards")
    await app.close()


async def lists(asked: Asked, names: int, how: str) -> None:
    """Listed whole, and by folders."""
    headers, _ = await asked.ask("HEAD")
    assert headers["x-container-object-count"] == str(names)
    count, speed = await asked.all("")
    assert count == names
    print(f"{how:<12} {count:9} names listed: {speed:10.0f} /s")
    count, speed = await asked.all("&delimiter=/")
    assert count == -(-names // 1000)
    print(f"{how:<12} {count:9} folders of 1000 listed: {speed:10.0f} /s")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=250_000, help="of a shard")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where the disk is made")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pileus-bench-", dir=args.folder))
    try:
        asyncio.run(measure(folder, args.names, args.rows))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
