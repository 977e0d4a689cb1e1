"""Objects: what is put is what is got, and what was not acknowledged is not there."""

import asyncio
import hashlib
from pathlib import Path

from tests.object_store.world import Service, run


def test_what_is_put_is_got(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        body = bytes(range(256)) * 9000
        made = await service.put("c/a/b c", body, x_object_meta_colour="blue", content_type="image/png")
        assert hashlib.md5(body).hexdigest() == made.headers["etag"]
        got = await service.ask("GET", "c/a/b c")
        assert (200, body) == (got.status, got.body)
        assert "blue" == got.headers["x-object-meta-colour"]
        assert "image/png" == got.headers["content-type"]
        head = await service.ask("HEAD", "c/a/b c")
        assert (200, b"", str(len(body))) == (head.status, head.body, head.headers["content-length"])
        entry = (await service.ask("GET", "c", query="format=json")).json[0]
        assert ("a/b c", len(body), made.headers["etag"], "image/png") == (
            entry["name"], entry["bytes"], entry["hash"], entry["content_type"],
        )  # fmt: skip

    run(tmp_path, story)


def test_deleted_is_gone_and_its_container_knows(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o")
        assert 409 == (await service.ask("DELETE", "c")).status
        assert 204 == (await service.ask("DELETE", "c/o")).status
        assert 404 == (await service.ask("GET", "c/o")).status
        assert 404 == (await service.ask("DELETE", "c/o")).status
        assert [] == await service.listing("c")
        assert 204 == (await service.ask("DELETE", "c")).status
        assert 404 == (await service.ask("HEAD", "c")).status
        assert [] == await service.listing("")

    run(tmp_path, story)


def test_post_replaces_metadata_and_keeps_bytes(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", b"bytes", x_object_meta_old="1", content_type="text/plain")
        said = await service.ask("POST", "c/o", headers={"x-object-meta-new": "2"})
        assert 202 == said.status
        got = await service.ask("GET", "c/o")
        assert (b"bytes", "2", None, "text/plain") == (
            got.body, got.headers.get("x-object-meta-new"), got.headers.get("x-object-meta-old"), got.headers["content-type"],
        )  # fmt: skip
        await service.ask("POST", "c/o", headers={"content-type": "image/gif"})
        entry = (await service.ask("GET", "c", query="format=json")).json[0]
        assert "image/gif" == entry["content_type"]
        assert 404 == (await service.ask("POST", "c/none")).status

    run(tmp_path, story)


def test_ranges(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", b"0123456789")

        async def part(text: str) -> tuple[int, bytes, str | None]:
            said = await service.ask("GET", "c/o", headers={"range": text})
            return said.status, said.body, said.headers.get("content-range")

        assert (206, b"123", "bytes 1-3/10") == await part("bytes=1-3")
        assert (206, b"789", "bytes 7-9/10") == await part("bytes=-3")
        assert (206, b"89", "bytes 8-9/10") == await part("bytes=8-")
        assert (416, "bytes */10") == (await part("bytes=10-"))[::2]
        assert (200, b"0123456789", None) == await part("bytes=x-y")
        many = await service.ask("GET", "c/o", headers={"range": "bytes=0-1,5-6"})
        assert 206 == many.status
        assert many.headers["content-type"].startswith("multipart/byteranges;boundary=")
        assert b"Content-Range: bytes 5-6/10\r\n\r\n56\r\n" in many.body
        assert int(many.headers["content-length"]) == len(many.body)

    run(tmp_path, story)


def test_conditions(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        etag = (await service.put("c/o")).headers["etag"]
        seen = (await service.ask("GET", "c/o")).headers["last-modified"]

        async def status(**headers: str) -> int:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await service.ask("GET", "c/o", headers=given)).status

        assert 304 == await status(if_none_match=etag)
        assert 200 == await status(if_none_match='"another"')
        assert 412 == await status(if_match="another")
        assert 200 == await status(if_match=f'"{etag}"')
        assert 304 == await status(if_modified_since=seen)
        assert 412 == await status(if_unmodified_since="Thu, 01 Jan 2015 00:00:00 GMT")
        assert 412 == (await service.ask("PUT", "c/o", b"y", headers={"if-none-match": "*"})).status
        assert 201 == (await service.ask("PUT", "c/new", b"y", headers={"if-none-match": "*"})).status

    run(tmp_path, story)


def test_a_body_that_is_not_what_it_says_is_not_kept(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        assert 422 == (await service.ask("PUT", "c/o", b"y", headers={"etag": "0" * 32})).status
        cut = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
        assert 499 == (await service.ask("PUT", "c/o", messages=cut, length=8)).status
        short = [{"type": "http.request", "body": b"half", "more_body": False}]
        assert 499 == (await service.ask("PUT", "c/o", messages=short, length=8)).status
        assert 404 == (await service.ask("GET", "c/o")).status
        assert [] == [name for name in service.files() if name.endswith(".data") or "tmp" in name]

    run(tmp_path, story)


def test_strangers_are_refused(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o")
        for path in ("", "c", "c/o"):
            assert 401 == (await service.ask("GET", path, token=None)).status
            assert 401 == (await service.ask("GET", path, token="wrong")).status
            assert 403 == (await service.ask("GET", path, token="bob")).status
            assert 403 == (await service.ask("GET", path, token="nobody")).status
            assert 200 <= (await service.ask("GET", path, token="rita")).status < 300
            assert 403 == (await service.ask("POST", path, token="rita")).status
        assert 403 == (await service.ask("PUT", "c/x", token="rita")).status

    run(tmp_path, story)


def test_an_expired_object_is_not_there_before_it_is_removed(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", x_delete_after="10")
        assert 200 == (await service.ask("GET", "c/o")).status
        service.clock.move(11)
        assert 404 == (await service.ask("GET", "c/o")).status
        assert 400 == (await service.ask("PUT", "c/p", headers={"x-delete-at": "1"})).status

    run(tmp_path, story)


def test_of_many_that_want_to_be_first_one_is(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        only_new = {"if-none-match": "*"}
        said = await asyncio.gather(*(service.ask("PUT", "c/o", f"{at}".encode(), headers=only_new) for at in range(8)))
        assert [201] + [412] * 7 == sorted(one.status for one in said)
        winner = next(at for at, one in enumerate(said) if one.status == 201)
        assert f"{winner}".encode() == (await service.ask("GET", "c/o")).body

    run(tmp_path, story)


def test_too_large_is_refused_before_it_comes(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        assert 413 == (await service.ask("PUT", "c/o", length=5368709123)).status
        assert [] == await service.listing("c")

    async def flooded(service: Service) -> None:
        await service.put("c", b"")
        flood = [{"type": "http.request", "body": bytes(1 << 20), "more_body": True}] * 5
        assert 413 == (await service.ask("PUT", "c/o", messages=flood, length=None)).status
        assert [] == await service.listing("c")

    run(tmp_path / "one", story)
    run(tmp_path / "other", flooded, max_file_size=3 << 20)


def test_containers_keep_their_storage_policy(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_storage_policy="Silver")
        assert "silver" == (await service.ask("HEAD", "c")).headers["x-storage-policy"]
        assert 409 == (await service.ask("PUT", "c", headers={"x-storage-policy": "gold"})).status
        assert 400 == (await service.ask("PUT", "d", headers={"x-storage-policy": "tin"})).status
        await service.put("c/o")
        assert [one for one in service.files() if "objects-1" in one]
        assert b"x" == (await service.ask("GET", "c/o")).body
        assert "1" == (await service.ask("HEAD", "")).headers["x-account-storage-policy-silver-object-count"]

    run(tmp_path, story, policies=("gold", "silver"))
