"""Features of the Swift API, each as its clients use it."""

import hmac
import io
import json
import tarfile
from hashlib import md5, sha256
from pathlib import Path

from tests.object_store.world import ACCOUNT, Service, run

from pileus.object_store.api.elsewhere import elsewhere

ROOT = "/object-store"


def test_symlinks_stand_for_their_targets(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        etag = (await service.put("c/target", b"bytes")).headers["etag"]
        await service.put("c/link", b"", x_symlink_target="c/target")
        got = await service.ask("GET", "c/link")
        assert (b"bytes", f"{ACCOUNT}/c/target") == (got.body, got.headers["content-location"])
        link = await service.ask("GET", "c/link", query="symlink=get")
        assert (b"", "c/target", "application/symlink") == (
            link.body, link.headers["x-symlink-target"], link.headers["content-type"],
        )  # fmt: skip
        entries = {one["name"]: one for one in (await service.ask("GET", "c", query="format=json")).json}
        assert f"{ACCOUNT}/c/target" == entries["link"]["symlink_path"]
        said = await service.ask("POST", "c/link", headers={"x-object-meta-a": "b"})
        assert (307, f"http://cloud:1{ROOT}{ACCOUNT}/c/target") == (said.status, said.headers["location"])
        static = {"x-symlink-target": "c/target", "x-symlink-target-etag": etag}
        assert 409 == (await service.ask("PUT", "c/no", headers={**static, "x-symlink-target-etag": "0" * 32})).status
        assert 201 == (await service.ask("PUT", "c/static", headers=static)).status
        await service.put("c/target", b"others")
        assert 409 == (await service.ask("GET", "c/static")).status
        assert b"others" == (await service.ask("GET", "c/link")).body
        await service.put("c/l2", b"", x_symlink_target="c/link")
        assert 200 == (await service.ask("GET", "c/l2")).status
        await service.put("c/l3", b"", x_symlink_target="c/l2")
        assert 409 == (await service.ask("GET", "c/l3")).status
        assert 400 == (await service.ask("PUT", "c/self", headers={"x-symlink-target": "c/self"})).status

    run(tmp_path, story)


def test_every_version_is_kept(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", b"null")
        assert 204 == (await service.ask("POST", "c", headers={"x-versions-enabled": "true"})).status
        assert "True" == (await service.ask("HEAD", "c")).headers["x-versions-enabled"]
        first = (await service.put("c/o", b"first")).headers["x-object-version-id"]
        second = (await service.put("c/o", b"second")).headers["x-object-version-id"]
        got = await service.ask("GET", "c/o")
        assert (b"second", second) == (got.body, got.headers["x-object-version-id"])
        assert b"first" == (await service.ask("GET", "c/o", query=f"version-id={first}")).body
        listed = (await service.ask("GET", "c", query="versions&format=json")).json
        assert [6, 5, 4] == [one["bytes"] for one in listed]
        assert [True, False, False] == [one["is_latest"] for one in listed]
        plain = (await service.ask("GET", "c", query="format=json")).json
        assert [("o", 6, md5(b"second").hexdigest())] == [(one["name"], one["bytes"], one["hash"]) for one in plain]
        gone = await service.ask("DELETE", "c/o")
        assert 204 == gone.status
        assert 404 == (await service.ask("GET", "c/o")).status
        assert b"second" == (await service.ask("GET", "c/o", query=f"version-id={second}")).body
        assert (
            404 == (await service.ask("GET", "c/o", query=f"version-id={gone.headers['x-object-version-id']}")).status
        )
        back = await service.ask("PUT", "c/o", query=f"version-id={first}")
        assert 201 == back.status
        assert b"first" == (await service.ask("GET", "c/o")).body
        assert 409 == (await service.ask("DELETE", "c")).status
        assert 204 == (await service.ask("DELETE", "c/o", query=f"version-id={first}")).status
        assert 404 == (await service.ask("GET", "c/o")).status
        assert ["c"] == await service.listing("")

    run(tmp_path, story)


def test_versioned_writes_bring_back_what_was_before(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("old", b"")
        await service.put("c", b"", x_versions_location="old")
        assert "old" == (await service.ask("HEAD", "c")).headers["x-versions-location"]
        for body in (b"one", b"two", b"three"):
            service.clock.move(1)
            await service.put("c/o", body)
        assert 2 == len(await service.listing("old"))
        assert all(name.startswith("001o/") for name in await service.listing("old"))
        for body in (b"two", b"one"):
            assert 204 == (await service.ask("DELETE", "c/o")).status
            assert body == (await service.ask("GET", "c/o")).body
        assert 204 == (await service.ask("DELETE", "c/o")).status
        assert 404 == (await service.ask("GET", "c/o")).status
        await service.ask("POST", "c", headers={"x-history-location": "old"})
        await service.put("c/o", b"four")
        assert 204 == (await service.ask("DELETE", "c/o")).status
        kinds = [one["content_type"] for one in (await service.ask("GET", "old", query="format=json")).json]
        assert ["application/octet-stream", "application/x-deleted;swift_versions_deleted=1"] == kinds

    run(tmp_path, story)


def test_temporary_urls(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/dir/o", b"bytes", x_object_meta_secret="1")
        await service.ask("POST", "", headers={"x-account-meta-temp-url-key": "key"})
        expires = int(service.clock.now().timestamp()) + 60

        def signed(method: str, path: str, *, prefix: str = "", until: int = expires) -> str:
            place = f"prefix:{ROOT}{ACCOUNT}/{path}" if prefix else f"{ROOT}{ACCOUNT}/{path}"
            text = f"{method}\n{until}\n{place}"
            return f"temp_url_sig={hmac.new(b'key', text.encode(), sha256).hexdigest()}&temp_url_expires={until}"

        good = signed("GET", "c/dir/o")
        got = await service.ask("GET", "c/dir/o", query=good, token=None)
        assert (200, b"bytes") == (got.status, got.body)
        assert "x-object-meta-secret" not in got.headers
        assert "attachment; filename=\"o\"; filename*=UTF-8''o" == got.headers["content-disposition"]
        assert 200 == (await service.ask("HEAD", "c/dir/o", query=good, token=None)).status
        assert 401 == (await service.ask("PUT", "c/dir/o", query=good, token=None)).status
        assert 401 == (await service.ask("GET", "c/other", query=good, token=None)).status
        assert 201 == (await service.ask("PUT", "c/new", b"x", query=signed("PUT", "c/new"), token=None)).status
        prefix = signed("GET", "c/dir/", prefix="dir/") + "&temp_url_prefix=dir/"
        assert 200 == (await service.ask("GET", "c/dir/o", query=prefix, token=None)).status
        assert 401 == (await service.ask("GET", "c/new", query=prefix, token=None)).status
        service.clock.move(61)
        assert 401 == (await service.ask("GET", "c/dir/o", query=good, token=None)).status

    run(tmp_path, story)


def test_forms_upload_what_was_signed(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.ask("POST", "", headers={"x-account-meta-temp-url-key": "key"})
        expires = str(int(service.clock.now().timestamp()) + 60)

        async def post(*files: tuple[str, bytes], key: bytes = b"key", redirect: str = "") -> tuple[int, str]:
            fields = {"redirect": redirect, "max_file_size": "10", "max_file_count": "2", "expires": expires}
            text = "\n".join([f"{ROOT}{ACCOUNT}/c/up_", *fields.values()])
            fields["signature"] = hmac.new(key, text.encode(), sha256).hexdigest()
            parts = [
                f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
            ]
            parts += [
                f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode() + body + b"\r\n"
                for name, body in files
            ]
            said = await service.ask(
                "POST",
                "c/up_",
                b"".join(parts) + b"--b--\r\n",
                token=None,
                headers={"content-type": "multipart/form-data; boundary=b"},
            )
            return said.status, said.headers.get("location", "")

        assert 201 == (await post(("a", b"one"), ("b", b"two\r\n--")))[0]
        assert ["up_a", "up_b"] == await service.listing("c")
        assert b"two\r\n--" == (await service.ask("GET", "c/up_b")).body
        assert 401 == (await post(("x", b"1"), key=b"wrong"))[0]
        assert 413 == (await post(("x", b"12345678901")))[0]
        assert 400 == (await post(("x", b"1"), ("y", b"1"), ("z", b"1")))[0]
        assert (303, "http://site/?status=201&message=") == await post(("w", b"1"), redirect="http://site/")

    run(tmp_path, story)


def test_access_lists(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", b"bytes")

        async def say(**headers: str) -> int:
            given = {f"x-container-{name}": value for name, value in headers.items()}
            return (await service.ask("POST", "c", headers=given)).status

        assert 204 == await say(read="p2:b")
        assert 200 == (await service.ask("GET", "c/o", token="bob")).status
        assert 403 == (await service.ask("PUT", "c/o", token="bob")).status
        assert 204 == await say(write="two:bob")
        assert 201 == (await service.ask("PUT", "c/bobs", token="bob")).status
        assert "x-container-write" not in (await service.ask("HEAD", "c", token="bob")).headers
        assert "two:bob" == (await service.ask("HEAD", "c")).headers["x-container-write"]
        assert 204 == await say(read=".r:*")
        assert 200 == (await service.ask("GET", "c/o", token=None)).status
        assert 401 == (await service.ask("GET", "c", token=None)).status
        assert 204 == await say(read=".r:.example.com,.rlistings")
        page = {"referer": "http://www.example.com/page"}
        assert 200 == (await service.ask("GET", "c/o", token=None, headers=page)).status
        assert 200 == (await service.ask("GET", "c", token=None, headers=page)).status
        assert 401 == (await service.ask("GET", "c/o", token=None)).status
        assert 400 == await say(write=".r:*")
        assert 204 == await say(read="stranger")
        assert 200 == (await service.ask("GET", "c/o", token="nobody")).status
        acl = json.dumps({"read-only": ["b"]})
        assert 204 == (await service.ask("POST", "", headers={"x-account-access-control": acl})).status
        assert 200 <= (await service.ask("GET", "", token="bob")).status < 300

    run(tmp_path, story)


def test_quotas(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_container_meta_quota_bytes="10", x_container_meta_quota_count="2")
        assert 201 == (await service.ask("PUT", "c/a", b"12345")).status
        assert 413 == (await service.ask("PUT", "c/b", b"123456")).status
        assert 201 == (await service.ask("PUT", "c/b", b"1")).status
        assert 413 == (await service.ask("PUT", "c/d", b"1")).status
        assert 400 == (await service.ask("POST", "c", headers={"x-container-meta-quota-bytes": "much"})).status
        quota = {"x-account-quota-bytes": "20"}
        assert 403 == (await service.ask("POST", "", headers=quota)).status
        assert 204 == (await service.ask("POST", "", headers=quota, token="root")).status
        assert "20" == (await service.ask("HEAD", "")).headers["x-account-quota-bytes"]
        await service.put("d", b"")
        assert 413 == (await service.ask("PUT", "d/o", b"1" * 21)).status

    run(tmp_path, story)


def test_web_sites(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("w", b"", x_container_read=".r:*,.rlistings", x_container_meta_web_index="index.html")
        await service.put("w/index.html", b"<h1>hello</h1>")
        await service.put("w/sub/index.html", b"sub")
        await service.put("w/more/a<b", b"x")

        async def visit(path: str) -> tuple[int, bytes]:
            said = await service.ask("GET", f"{ACCOUNT}{path}", token=None)
            return said.status, said.body

        assert (301, b"") == await visit("/w")
        assert (200, b"<h1>hello</h1>") == await visit("/w/")
        assert (301, b"") == await visit("/w/sub")
        assert (200, b"sub") == await visit("/w/sub/")
        assert 404 == (await visit("/w/more/"))[0]
        await service.ask(
            "POST", "w", headers={"x-container-meta-web-listings": "true", "x-container-meta-web-error": "err"}
        )
        status, page = await visit("/w/more/")
        assert 200 == status
        assert b"a&lt;b" in page
        await service.put("w/404err", b"not here")
        assert (404, b"not here") == await visit("/w/none")

    run(tmp_path, story)


def test_many_at_once(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name in ("c1/a", "c1/b/c", "c2/d"):
                found = tarfile.TarInfo(name)
                found.size = 300_000
                archive.addfile(found, io.BytesIO(name[-1].encode() * 300_000))
        raw = packed.getvalue()
        said = await service.ask("PUT", "", raw, query="extract-archive=tar.gz", headers={"accept": "application/json"})
        assert (200, 3, "201 Created") == (said.status, said.json["Number Files Created"], said.json["Response Status"])
        assert b"c" * 300_000 == (await service.ask("GET", "c1/b/c")).body
        broken = await service.ask("PUT", "x", raw[:200], query="extract-archive=tar.gz&format=json")
        assert "400 Bad Request" == broken.json["Response Status"]
        names = b"c1/a\nc1/b%2Fc\nc2/none\nc2\n"
        told = (await service.ask("POST", "", names, query="bulk-delete&format=json")).json
        assert (2, 1, [["c2", "409 Conflict"]]) == (told["Number Deleted"], told["Number Not Found"], told["Errors"])

    run(tmp_path, story)


def test_pages_of_other_sites(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_container_meta_access_control_allow_origin="http://a http://b")
        await service.put("c/o", x_object_meta_colour="red")
        ask = {"origin": "http://a", "access-control-request-method": "PUT"}
        assert 200 == (await service.ask("OPTIONS", "c/o", headers=ask, token=None)).status
        assert 401 == (await service.ask("OPTIONS", "c/o", headers={**ask, "origin": "http://x"}, token=None)).status
        got = await service.ask("GET", "c/o", headers={"origin": "http://b"})
        assert "http://b" == got.headers["access-control-allow-origin"]
        assert "x-object-meta-colour" in got.headers["access-control-expose-headers"]
        assert (
            "access-control-allow-origin"
            not in (await service.ask("GET", "c/o", headers={"origin": "http://x"})).headers
        )

    run(tmp_path, story)


def test_what_this_cluster_can_do_is_told(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        told = (await service.ask("GET", "/info", token=None)).json
        assert {"swift", "slo", "dlo", "tempurl", "symlink", "object_versioning", "staticweb"} <= set(told)
        assert [{"name": "Policy-0", "aliases": "Policy-0", "default": True}] == told["swift"]["policies"]

    run(tmp_path, story)


async def test_a_controller_without_disks_says_who_has_them() -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    assert 503 == await elsewhere({"type": "http"}, None, send)  # type: ignore[arg-type]
    assert 503 == sent[0]["status"]
    assert b"agent = true" in sent[1]["body"]  # type: ignore[operator]
