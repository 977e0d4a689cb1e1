"""Features of the Swift API in all their forms: digests, archives, quotas of policies, rates, sync to another cluster."""

import asyncio
import hmac
import io
import shutil
import tarfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1, sha256, sha512
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.object_store.world import ACCOUNT, Service, run

from pileus.object_store.features.policing import rate_of, steps_of
from pileus.object_store.models.paths import Path as Name

ROOT = "/object-store"
DIGESTS = {"sha1": sha1, "sha256": sha256, "sha512": sha512}


@pytest.mark.parametrize("digest", DIGESTS)
def test_temporary_urls_in_all_their_forms(tmp_path: Path, digest: str) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/a b", b"bytes", content_disposition="attachment; filename=own")
        until = int(service.clock.now().timestamp()) + 60
        iso = "2026-01-01T00:01:00Z"
        assert 1767225660 == until

        def query(key: bytes, *, also: str = "", ip: str = "", encoded: bool = False, expires: str = str(until)) -> str:
            text = f"{f'ip={ip}{chr(10)}' if ip else ''}GET\n{until}\n{ROOT}{ACCOUNT}/c/a b"
            made = hmac.new(key, text.encode(), DIGESTS[digest])
            sent = f"{digest}:{urlsafe_b64encode(made.digest()).decode().rstrip('=')}" if encoded else made.hexdigest()
            ranged = f"&temp_url_ip_range={ip}" if ip else ""
            return f"temp_url_sig={sent}&temp_url_expires={expires}{ranged}{also}"

        async def got(wanted: str) -> tuple[int, str]:
            said = await service.ask("GET", "c/a b", query=wanted, token=None)
            return said.status, said.headers.get("content-disposition", "")

        places = {b"one": "account", b"two": "account", b"three": "container", b"four": "container"}
        for at, (key, kind) in enumerate(places.items()):
            name = f"x-{kind}-meta-temp-url-key{'-2' if at % 2 else ''}"
            place = "" if kind == "account" else "c"
            assert 204 == (await service.ask("POST", place, headers={name: key.decode()})).status
            assert (200, "attachment; filename=own") == await got(query(key))
        assert 401 == (await got(query(b"five")))[0]
        assert 200 == (await got(query(b"one", encoded=True)))[0]
        assert 200 == (await got(query(b"one", expires=iso)))[0]
        assert 200 == (await got(query(b"one", ip="192.0.2.7")))[0]
        assert 200 == (await got(query(b"one", ip="192.0.2.0/24")))[0]
        for elsewhere in ("192.0.2.8", "198.51.100.0/24", "2001:db8::/32", "nonsense"):
            assert 401 == (await got(query(b"one", ip=elsewhere)))[0]
        named = await got(query(b"one", also="&filename=%C3%A4.txt"))
        assert (200, "attachment; filename=\"%C3%A4.txt\"; filename*=UTF-8''%C3%A4.txt") == named
        assert (200, "inline") == await got(query(b"one", also="&inline"))
        for wrong in ("", "0", "-1", "1767225660.5", "9" * 30, "2026-01-01", "2026-13-01T00:00:00Z"):
            assert 401 == (await got(query(b"one", expires=wrong)))[0], wrong

    run(tmp_path, story)


@pytest.mark.parametrize("digest", DIGESTS)
def test_forms_are_signed_with_any_digest(tmp_path: Path, digest: str) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.ask("POST", "c", headers={"x-container-meta-temp-url-key": "key"})
        until = str(int(service.clock.now().timestamp()) + 60)
        fields = {
            "redirect": "",
            "max_file_size": "10",
            "max_file_count": "1",
            "expires": until,
            "x_delete_after": "30",
        }
        text = "\n".join([f"{ROOT}{ACCOUNT}/c/", "", "10", "1", until])
        fields["signature"] = hmac.new(b"key", text.encode(), DIGESTS[digest]).hexdigest()
        parts = [f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
        parts.append(
            '--b\r\nContent-Disposition: form-data; name="f"; filename="up"\r\nContent-Type: a/b\r\n\r\nbytes\r\n--b--\r\n'
        )
        kind = {"content-type": "multipart/form-data; boundary=b"}
        assert 201 == (await service.ask("POST", "c/", "".join(parts).encode(), token=None, headers=kind)).status
        got = await service.ask("GET", "c/up")
        assert (b"bytes", "a/b") == (got.body, got.headers["content-type"])
        assert str(int(service.clock.now().timestamp()) + 30) == got.headers["x-delete-at"]

    run(tmp_path, story)


def archive(mode: str) -> bytes:
    """An archive with files, and much that is none."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode, format=tarfile.PAX_FORMAT) as made:  # type: ignore[call-overload]
        for name, kind in (
            ("c/dir", tarfile.DIRTYPE), ("c/link", tarfile.SYMTYPE), ("c/hard", tarfile.LNKTYPE), ("c/device", tarfile.CHRTYPE),
            ("c/pipe", tarfile.FIFOTYPE),
        ):  # fmt: skip
            found = tarfile.TarInfo(name)
            found.type, found.linkname = kind, "c/plain"
            made.addfile(found)
        for name, about in (
            ("c/plain", {}), ("./c/dotted", {}), ("/c/rooted", {}), ("top", {}), ("c/../up", {}), ("c/\u00e4", {}),
            ("c/said", {"SCHILY.xattr.user.mime_type": "a/b", "LIBARCHIVE.xattr.user.meta.colour": "red"}),
        ):  # fmt: skip
            found = tarfile.TarInfo(name)
            found.size, found.pax_headers = 5, about
            made.addfile(found, io.BytesIO(b"bytes"))
    return packed.getvalue()


@pytest.mark.parametrize(("kind", "mode"), [("tar", "w:"), ("tar.gz", "w:gz"), ("tar.bz2", "w:bz2")])
def test_archives_become_objects_and_what_is_no_file_is_left_out(tmp_path: Path, kind: str, mode: str) -> None:
    async def story(service: Service) -> None:
        raw = archive(mode)
        said = await service.ask("PUT", "", raw, query=f"extract-archive={kind}&format=json")
        assert ("201 Created", 6, []) == tuple(
            said.json[name] for name in ("Response Status", "Number Files Created", "Errors")
        )
        assert ["../up", "dotted", "plain", "rooted", "said", "\u00e4"] == await service.listing("c")
        got = await service.ask("GET", "c/said")
        assert (b"bytes", "a/b", "red") == (got.body, got.headers["content-type"], got.headers["x-object-meta-colour"])
        said = await service.ask("PUT", "below/here", raw, query=f"extract-archive={kind}&format=json")
        assert "here/c/plain" in await service.listing("below")
        wrong = await service.ask("PUT", "", b"no archive" * 100, query=f"extract-archive={kind}&format=json")
        assert "400 Bad Request" == wrong.json["Response Status"]
        assert 400 == (await service.ask("PUT", "", raw, query="extract-archive=zip")).status
        for accept, begins in (("text/plain", b"Response Status: 201"), ("application/xml", b"<extract>")):
            headers = {"accept": accept}
            said = await service.ask("PUT", "", raw, query=f"extract-archive={kind}", headers=headers)
            assert said.body.startswith(begins) or b"Number Files Created: 6" in said.body

    run(tmp_path, story)


def test_quotas_of_one_storage_policy(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("g", b"", x_storage_policy="gold")
        await service.put("s", b"", x_storage_policy="silver")
        limits = {"x-account-quota-bytes-policy-silver": "10", "x-account-quota-count-policy-gold": "1"}
        assert 403 == (await service.ask("POST", "", headers=limits)).status
        assert 204 == (await service.ask("POST", "", headers=limits, token="root")).status
        told = (await service.ask("HEAD", "")).headers
        assert limits == {name: told[name] for name in limits}
        assert 413 == (await service.ask("PUT", "s/o", b"1" * 11)).status
        assert 201 == (await service.ask("PUT", "g/o", b"1" * 11)).status
        await service.app.workers.teller.run()
        assert 413 == (await service.ask("PUT", "g/p", b"1")).status
        assert 201 == (await service.ask("PUT", "s/o", b"1" * 9)).status
        copied = await service.ask("PUT", "s/copy", headers={"x-copy-from": "g/o", "content-length": "0"})
        assert 413 == copied.status  # a copy counts where it comes to lie
        gone = {"x-remove-account-quota-count-policy-gold": "x"}
        assert 204 == (await service.ask("POST", "", headers=gone, token="root")).status
        assert 201 == (await service.ask("PUT", "g/p", b"1")).status

    run(tmp_path, story, policies=("gold", "silver"))


def test_objects_are_copied_linked_and_joined_across_storage_policies(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("whole", b"", x_storage_policy="whole")
        await service.put("coded", b"", x_storage_policy="coded")
        body = bytes(range(256)) * 5000
        await service.put("whole/o", body)
        await service.put("coded/copy", b"", x_copy_from="whole/o")
        await service.put("whole/back", b"", x_copy_from="coded/copy")
        await service.put("whole/link", b"", x_symlink_target="coded/copy")
        await service.put("whole/both", b"", x_object_manifest="coded/co")
        for name in ("coded/copy", "whole/back", "whole/link", "whole/both"):
            assert body == (await service.ask("GET", name)).body, name
        assert 409 == (await service.ask("PUT", "whole", headers={"x-storage-policy": "coded"})).status
        account = (await service.ask("HEAD", "")).headers
        assert {"whole", "coded"} == {
            name.split("-")[4] for name in account if name.startswith("x-account-storage-policy-")
        }

    devices = tuple(str(tmp_path / f"disk{at}") for at in range(6))
    run(tmp_path, story, devices=devices, policies=("whole", "coded 4+2"), part_power=2)


def test_containers_are_made_only_so_fast(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        said = [(await service.ask("PUT", f"c{at}")).status for at in range(5)]
        assert [201, 201, 201, 498, 498] == said
        slow = await service.ask("PUT", "c9")
        assert int(slow.headers["retry-after"]) >= 1
        assert 201 == (await service.ask("PUT", "c0/o", b"x")).status
        assert 201 == (await service.ask("PUT", f"{ACCOUNT.replace('p1', 'p2')}/c", token="bob")).status
        service.clock.move(2)
        assert 201 == (await service.ask("PUT", "c9")).status

    run(tmp_path, story, account_ratelimit=2.0)


def test_large_containers_take_and_list_only_so_fast(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("small", b"")
        await service.put("large", b"")
        for name in ("small/a", *(f"large/{at}" for at in range(4))):
            await service.put(name)
        service.app.cluster.changed(Name("AUTH_p1", "large"))
        said = [
            (await service.ask(method, f"large/{at}")).status
            for at, method in enumerate(["PUT", "POST", "DELETE", "PUT"])
        ]
        assert [201, 202, 204, 498] == said
        assert [200, 200, 498] == [(await service.ask("GET", "large", query="format=json")).status for _ in range(3)]
        assert 200 == (await service.ask("GET", "large/0")).status
        for _ in range(5):
            assert 201 == (await service.ask("PUT", "small/a", b"x")).status
        service.clock.move(3)
        assert 201 == (await service.ask("PUT", "large/0", b"x")).status

    run(tmp_path, story, container_ratelimit=("3 2",), container_listing_ratelimit=("3 1",))


def test_rates_lie_between_those_of_two_sizes() -> None:
    steps = steps_of(["200 50", "100 100", "400 10"])
    assert [0.0, 100.0, 75.0, 50.0, 30.0, 10.0, 10.0] == [
        rate_of(steps, count) for count in (99, 100, 150, 200, 300, 400, 9999)
    ]
    assert 0.0 == rate_of((), 5)


@contextmanager
def served(service: Service, loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Another cluster's address, over real HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            sent = self.headers.get("transfer-encoding", "").lower() == "chunked"
            body = self._chunks() if sent else self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {
                name.lower(): value for name, value in self.headers.items() if name.lower() != "transfer-encoding"
            }
            headers["content-length"] = str(len(body))
            asked = service.ask(self.command, self.path.removeprefix(ROOT), body, token=None, headers=headers)
            said = asyncio.run_coroutine_threadsafe(asked, loop).result(60)
            self.send_response(said.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def _chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{ROOT}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_another_cluster_of_the_realm_gets_what_comes_and_goes(tmp_path: Path) -> None:
    async def story(far: Service) -> None:
        with served(far, asyncio.get_running_loop()) as address:
            near = Service(tmp_path / "near", clock=far.clock, sync_realms=(f"realm secret far={address}",))
            try:
                await far.put("to", b"", x_container_sync_key="key")
                await near.put("from", b"", x_container_sync_to="//realm/far/AUTH_p1/to", x_container_sync_key="key")
                await near.put("from/a b", b"bytes" * 20_000, x_object_meta_colour="red", content_type="a/b")
                await near.put("from/gone", b"x")
                await near.app.workers.syncer.run()
                assert ["a b", "gone"] == await far.listing("to")
                got = await far.ask("GET", "to/a b")
                assert (b"bytes" * 20_000, "red", "a/b") == (
                    got.body, got.headers["x-object-meta-colour"], got.headers["content-type"],
                )  # fmt: skip
                assert got.headers["x-timestamp"] == (await near.ask("HEAD", "from/a b")).headers["x-timestamp"]
                far.clock.move(1)
                await near.ask("DELETE", "from/gone")
                await near.app.workers.syncer.run()
                assert ["a b"] == await far.listing("to")
                await near.ask("POST", "from", headers={"x-container-sync-key": "wrong"})
                near.app.cluster.changed(Name("AUTH_p1", "from"))
                await near.put("from/kept", b"x")
                await near.app.workers.syncer.run()
                assert ["a b"] == await far.listing("to")
            finally:
                await near.close()

    run(tmp_path / "far", story, sync_realms=("realm secret far=/",))


def test_only_who_knows_both_keys_may_sync(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"", x_container_sync_key="key")
        for target, status in (
            ("//realm/here/a/c", 204),
            ("//none/here/a/c", 400),
            ("//realm/none/a/c", 400),
            ("ftp://x", 400),
        ):
            assert status == (await service.ask("POST", "c", headers={"x-container-sync-to": target})).status

        async def put(realm: str, key: bytes, user: str, method: str = "PUT") -> int:
            text = f"PUT\n/v1/AUTH_p1/c/o\n{stamp}\nnonce\n{user}"
            auth = f"{realm} nonce {hmac.new(key, text.encode(), sha1).hexdigest()}"
            headers = {"x-container-sync-auth": auth, "x-timestamp": stamp}
            return (await service.ask(method, "c/o", b"x", token=None, headers=headers)).status

        stamp = "1767225600.00000"
        assert 401 == await put("realm", b"wrong", "key")
        assert 401 == await put("realm", b"secret", "wrong")
        assert 401 == await put("other", b"secret", "key")
        assert 401 == await put("realm", b"secret", "key", "DELETE")
        assert 201 == await put("REALM", b"secret", "key")
        assert stamp == (await service.ask("HEAD", "c/o")).headers["x-timestamp"]

    run(tmp_path, story, sync_realms=("realm secret here=/",))


def test_the_newest_copy_is_told_where_that_is_asked_for(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", b"old")
        (first, second, _), _ = service.app.cluster.where(Name("AUTH_p1", "c", "o"))
        kept = {}
        for disk in (first, second):
            (old,) = Path(disk.device.name).glob("objects/*/*/*.data")
            kept[old] = tmp_path / f"kept{len(kept)}"
            shutil.copy2(old, kept[old])  # with its record
        service.clock.move(1)
        await service.put("c/o", b"newer")
        for old, aside in kept.items():  # two devices come back from before
            for now in old.parent.glob("*.data"):
                now.unlink()
            shutil.copy2(aside, old)
        assert b"old" == (await service.ask("GET", "c/o")).body
        got = await service.ask("GET", "c/o", headers={"x-newest": "true"})
        assert b"newer" == got.body
        await service.put("c/copy", b"", x_copy_from="c/o")  # copies are of the newest
        assert b"newer" == (await service.ask("GET", "c/copy")).body

    run(tmp_path, story, devices=tuple(str(tmp_path / f"disk{at}") for at in range(3)), part_power=2)
