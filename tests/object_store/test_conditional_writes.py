"""Writes on a condition, over several machines of one cluster: whoever is told that it held was the only one."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.object_store.machines import Machines
from tests.object_store.test_coded import cluster
from tests.object_store.world import CALLERS, Service, run

from pileus.kit.clock import SystemClock
from pileus.object_store import manifest
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.errors import Unmet
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.proxy.asks import Claim
from pileus.object_store.proxy.claiming import Claiming
from pileus.object_store.ring.places import Device, Place
from pileus.object_store.storage.claims import Claims
from pileus.object_store.storage.interface import Spot
from pileus.ports.identity import Signer

AGAIN = {409, 412, 503}


class Anyone:
    """Believes every signature."""

    async def signer(self, access: str, _text: bytes, _signature: str, _scope: str | None = None) -> Signer | None:
        return Signer(CALLERS[access], b"")


class Bucket:
    """S3 over one machine."""

    def __init__(self, app: ObjectStoreApp) -> None:
        self._api = manifest.s3(app, Anyone())
        self._stamps = app.cluster.stamps

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        import datetime as dt

        now = dt.datetime.fromtimestamp(self._stamps.now(), dt.UTC)
        given = {
            "host": "cloud:1", "content-length": str(len(body)), "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD", **(headers or {}),
        }  # fmt: skip
        names = ";".join(sorted(given))
        scope = f"alice/{now:%Y%m%d}/us-east-1/s3/aws4_request"
        given["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={'0' * 64}"
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await asyncio.Event().wait()
            return None

        async def send(message: Any) -> None:
            sent.append(message)

        asked = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http",
            "client": ("192.0.2.7", 1), "headers": [(key.encode(), value.encode()) for key, value in given.items()],
        }  # fmt: skip
        await self._api(asked, receive, send)
        told = {key.decode().lower(): value.decode() for key, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])


async def count(bucket: Bucket, times: int) -> None:
    """One more is counted, so many times, each over what was read."""
    done = 0
    async with asyncio.timeout(90):
        while done < times:
            status, headers, body = await bucket.ask("GET", "/s3/box/n")
            if status != 200:
                assert status in AGAIN
                continue
            wanted = {"if-match": headers["etag"]}
            status, _, said = await bucket.ask("PUT", "/s3/box/n", str(int(body) + 1).encode(), wanted)
            assert status == 200 or status in AGAIN, said
            done += status == 200


async def three(folder: Path) -> tuple[Machines, list[ObjectStoreApp]]:
    machines = Machines(folder, replicas=3.0, part_power=2, clock=SystemClock())
    first = await machines.open()
    return machines, [await machines.join(name, first) for name in ("h1", "h2", "h3")]


@pytest.mark.parametrize("versioned", [False, True])
def test_a_count_over_several_machines_misses_nobody(tmp_path: Path, *, versioned: bool) -> None:
    async def story() -> None:
        machines, apps = await three(tmp_path)
        try:
            buckets = [Bucket(app) for app in apps]
            assert 200 == (await buckets[0].ask("PUT", "/s3/box"))[0]
            if versioned:
                assert 204 == (await machines.ask("POST", "box", headers={"x-versions-enabled": "true"})).status
                for app in apps:
                    app.cluster.changed(Name("AUTH_p1", "box"))
            assert 200 == (await buckets[0].ask("PUT", "/s3/box/n", b"0"))[0]
            await asyncio.gather(*(count(bucket, 4) for bucket in buckets))
            got = await machines.ask("GET", "box/n", headers={"x-newest": "true"})
            assert b"12" == got.body
        finally:
            await machines.close()

    asyncio.run(story())


def test_of_many_who_make_an_object_one_does(tmp_path: Path) -> None:
    async def story() -> None:
        machines, apps = await three(tmp_path)
        try:
            await machines.put("c", b"")
            askers = [Machines.over(machines, app) for app in apps] * 2
            for name in ("a", "b", "e"):
                said = await asyncio.gather(
                    *(
                        asker.ask("PUT", f"c/{name}", bytes([at]), headers={"if-none-match": "*"})
                        for at, asker in enumerate(askers)
                    )
                )
                done = [at for at, one in enumerate(said) if one.status == 201]
                assert (1, set()) == (len(done), {one.status for one in said} - AGAIN - {201})
                for asker in askers[:3]:
                    assert bytes(done) == (await asker.ask("GET", f"c/{name}", headers={"x-newest": "true"})).body
        finally:
            await machines.close()

    asyncio.run(story())


def test_objects_of_an_erasure_code_are_made_once(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_storage_policy="coded")
        said = await asyncio.gather(
            *(service.ask("PUT", "c/o", bytes([at]), headers={"if-none-match": "*"}) for at in range(6))
        )
        done = [at for at, one in enumerate(said) if one.status == 201]
        assert 1 == len(done)
        assert bytes(done) == (await service.ask("GET", "c/o")).body

    run(tmp_path, story, **cluster(tmp_path), clock=SystemClock())


def test_who_claimed_an_object_writes_it_before_all_others(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        path = Name("AUTH_p1", "c", "o")
        claiming = Claiming(service.app.cluster, Claim.fresh(path), 0)
        await claiming.take()
        plain = asyncio.create_task(service.ask("PUT", "c/o", b"waits"))
        others = asyncio.create_task(service.ask("PUT", "c/o", b"x", headers={"if-none-match": "*"}))
        while service.app.server.objects.claims.waiting < 1:
            await asyncio.sleep(0)
        assert not plain.done()
        assert 404 == (await service.ask("GET", "c/o")).status
        await claiming.release()
        assert 201 == (await plain).status
        assert (await others).status in {201, 409, 412}
        assert 412 == (await service.ask("PUT", "c/o", b"x", headers={"if-none-match": "*"})).status

    run(tmp_path, story, clock=SystemClock())


def test_without_most_of_its_devices_nobody_writes_on_a_condition(tmp_path: Path) -> None:
    async def story() -> None:
        machines, apps = await three(tmp_path)
        try:
            await machines.put("c", b"")
            for app in apps:
                await app.channel.close()
            said = await machines.ask("PUT", "c/o", b"x", headers={"if-none-match": "*"})
            assert 503 == said.status
        finally:
            await machines.close()

    asyncio.run(story())


def test_claims_end() -> None:
    now = [0.0]
    claims = Claims(lambda: now[0])
    place = Place(Device(id=0, name="d", weight=1.0), 0, 0)
    mine, theirs, nobody = (Spot(place, 0, "0" * 32, word) for word in ("mine", "theirs", ""))

    async def story() -> None:
        assert claims.take(mine, 30)
        assert claims.take(mine, 30)
        assert not claims.take(theirs, 30)
        with pytest.raises(Unmet):
            async with claims.writing(theirs):
                pass
        async with claims.writing(mine):
            assert not claims.take(mine, 30)
        now[0] = 31.0
        with pytest.raises(Unmet):  # it ran out, and somebody else may have been here
            async with claims.writing(mine):
                pass
        async with claims.writing(nobody):
            assert not claims.take(theirs, 30)
        assert claims.take(theirs, 30)
        claims.release(mine)
        assert not claims.take(mine, 30)
        claims.release(theirs)
        assert claims.take(mine, 30)

    asyncio.run(story())
