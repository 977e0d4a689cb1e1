"""Large objects: static and dynamic ones read as what they stand for, whatever part of them is wanted."""

import hashlib
import json
from pathlib import Path

from tests.object_store.world import Service, run


async def segments(service: Service, count: int = 3, size: int = 1000) -> list[bytes]:
    await service.put("s", b"")
    await service.put("c", b"")
    bodies = [bytes([65 + at]) * size for at in range(count)]
    for at, body in enumerate(bodies):
        await service.put(f"s/seg{at}", body)
    return bodies


def manifest(bodies: list[bytes], **extra: object) -> bytes:
    return json.dumps(
        [
            {"path": f"/s/seg{at}", "etag": hashlib.md5(body).hexdigest(), "size_bytes": len(body), **extra}
            for at, body in enumerate(bodies)
        ]
    ).encode()


def test_static_large_object_reads_as_one(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        bodies = await segments(service)
        made = await service.ask("PUT", "c/big", manifest(bodies), query="multipart-manifest=put")
        assert 201 == made.status, made
        tags = "".join(hashlib.md5(body).hexdigest() for body in bodies)
        assert f'"{hashlib.md5(tags.encode()).hexdigest()}"' == made.headers["etag"]
        got = await service.ask("GET", "c/big")
        assert (b"".join(bodies), "True", made.headers["etag"]) == (
            got.body, got.headers["x-static-large-object"], got.headers["etag"],
        )  # fmt: skip
        part = await service.ask("GET", "c/big", headers={"range": "bytes=990-2010"})
        assert (206, b"".join(bodies)[990:2011]) == (part.status, part.body)
        head = await service.ask("HEAD", "c/big")
        assert "3000" == head.headers["content-length"]
        entry = (await service.ask("GET", "c", query="format=json")).json[0]
        assert (3000, made.headers["etag"]) == (entry["bytes"], entry["slo_etag"])
        kept = await service.ask("GET", "c/big", query="multipart-manifest=get")
        assert ["/s/seg0", "/s/seg1", "/s/seg2"] == [one["name"] for one in kept.json]
        second = await service.ask("GET", "c/big", query="part-number=2")
        assert (206, bodies[1], "3") == (second.status, second.body, second.headers["x-parts-count"])

    run(tmp_path, story)


def test_nested_and_ranged_segments(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        bodies = await segments(service)
        await service.ask("PUT", "c/inner", manifest(bodies), query="multipart-manifest=put")
        outer = [{"path": "/c/inner", "range": "500-1500"}, {"path": "/s/seg2", "range": "-3"}, {"data": "SGk="}]
        made = await service.ask("PUT", "c/outer", json.dumps(outer).encode(), query="multipart-manifest=put")
        assert 201 == made.status, made
        got = await service.ask("GET", "c/outer")
        assert b"".join(bodies)[500:1501] + b"CCCHi" == got.body

    run(tmp_path, story)


def test_manifest_with_wrong_segments_is_refused_and_each_is_named(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        bodies = await segments(service)

        async def status(entries: object) -> tuple[int, str]:
            said = await service.ask("PUT", "c/m", json.dumps(entries).encode(), query="multipart-manifest=put")
            return said.status, said.body.decode()

        for entries in (
            "no list",
            [],
            [{"path": "/s"}],
            [{"path": "/s/seg0", "odd": 1}],
            [{"path": "/s/seg0", "size_bytes": 0}],
        ):
            assert 400 == (await status(entries))[0], entries
        assert 413 == (await status([{"path": "/s/seg0"}] * 1001))[0]
        wrong = [{"path": "/s/none"}, {"path": "/s/seg0", "etag": "0" * 32}, {"path": "/s/seg1", "size_bytes": 7}]
        code, text = await status(wrong)
        assert 400 == code
        for told in ("/s/none, 404 Not Found", "/s/seg0, Etag Mismatch", "/s/seg1, Size Mismatch"):
            assert told in text
        assert 400 == (await service.ask("PUT", "c/m", b"{", query="multipart-manifest=put")).status
        assert 404 == (await service.ask("GET", "c/m")).status
        assert bodies

    run(tmp_path, story)


def test_a_segment_that_changed_is_a_conflict(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        bodies = await segments(service)
        await service.ask("PUT", "c/big", manifest(bodies), query="multipart-manifest=put")
        await service.put("s/seg0", b"another")
        assert 409 == (await service.ask("GET", "c/big")).status

    run(tmp_path, story)


def test_deleting_with_the_manifest_takes_the_segments(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        bodies = await segments(service)
        await service.ask("PUT", "c/big", manifest(bodies), query="multipart-manifest=put")
        said = await service.ask("DELETE", "c/big", query="multipart-manifest=delete&format=json")
        assert 4 == said.json["Number Deleted"], said
        assert [] == await service.listing("s")
        assert [] == await service.listing("c")

    run(tmp_path, story)


def test_dynamic_large_object_is_what_is_there_now(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        bodies = await segments(service)
        await service.put("c/dyn", b"", x_object_manifest="s/seg")
        got = await service.ask("GET", "c/dyn")
        assert (b"".join(bodies), "3000") == (got.body, got.headers["content-length"])
        assert b"AB" == (await service.ask("GET", "c/dyn", headers={"range": "bytes=999-1000"})).body
        await service.put("s/seg3", b"more")
        assert b"".join(bodies) + b"more" == (await service.ask("GET", "c/dyn")).body
        assert b"" == (await service.ask("GET", "c/dyn", query="multipart-manifest=get")).body
        await service.put("s/segself", b"", x_object_manifest="s/seg")
        assert 200 == (await service.ask("GET", "s/segself")).status
        assert 400 == (await service.ask("PUT", "c/d2", headers={"x-object-manifest": "nothing"})).status

    run(tmp_path, story)


def test_copy_of_a_large_object_is_whole_unless_its_manifest_is_wanted(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        bodies = await segments(service)
        await service.ask(
            "PUT", "c/big", manifest(bodies), query="multipart-manifest=put", headers={"x-object-meta-a": "b"}
        )
        said = await service.ask("COPY", "c/big", headers={"destination": "c/flat"})
        assert (201, "c/big", "b") == (said.status, said.headers["x-copied-from"], said.headers["x-object-meta-a"])
        flat = await service.ask("GET", "c/flat")
        assert (b"".join(bodies), None) == (flat.body, flat.headers.get("x-static-large-object"))
        await service.ask("PUT", "c/same", headers={"x-copy-from": "/c/big"}, query="multipart-manifest=get")
        same = await service.ask("GET", "c/same")
        assert (b"".join(bodies), "True") == (same.body, same.headers.get("x-static-large-object"))

    run(tmp_path, story)


def test_manifests_nested_too_deep_are_a_conflict(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await segments(service, 1)
        last = "/s/seg0"
        for at in range(12):
            await service.ask("PUT", f"c/m{at}", json.dumps([{"path": last}]).encode(), query="multipart-manifest=put")
            last = f"/c/m{at}"
        assert 200 == (await service.ask("GET", "c/m9")).status
        assert 409 == (await service.ask("GET", "c/m11")).status
        itself = await service.ask("PUT", "c/me", b'[{"path": "/c/me"}]', query="multipart-manifest=put")
        assert 400 == itself.status

    run(tmp_path, story)
