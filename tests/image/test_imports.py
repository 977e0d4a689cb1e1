"""Imports: from an address, from the staging area, from one store to others; and the tasks that show them."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.image.harness import OCTETS, RAW, Service, over, run
from tests.image.web import a_web

from pileus.image.config import StoreConfig, WebConfig
from pileus.image.drivers.file import FileStore
from pileus.image.drivers.interface import Incoming, StoreIsFull, Unreadable
from pileus.image.flows.sweep import sweep
from pileus.image.port import ImagePort

HERE = WebConfig(networks=("127.0.0.0/8",), ports=())
TWO = {"file": StoreConfig(path="images"), "cold": StoreConfig(path="cold"), "web": StoreConfig(kind="http")}


def asks(method: str, **about: Any) -> dict[str, Any]:
    """The body of an import."""
    uri = {"uri": about.pop("uri")} if "uri" in about else {}
    return {"method": {"name": method, **uri}, **about}


async def imported(cloud: Service, id: str, body: dict[str, Any], token: str = "alice") -> int:
    """The status of the answer, once all is quiet."""
    status = (await cloud.ask("POST", f"/v2/images/{id}/import", body, token=token))[0]
    await cloud.settle()
    return status


async def tasks(cloud: Service, id: str) -> list[dict[str, Any]]:
    """The image's tasks."""
    body = (await cloud.ask("GET", f"/v2/images/{id}/tasks"))[1]
    assert isinstance(body["tasks"], list)
    return body["tasks"]


def test_an_image_is_imported_from_an_address(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:
            id = (await cloud.create())["id"]
            assert 202 == await imported(cloud, id, asks("web-download", uri=web.serve("/disk", RAW)))
        image = await cloud.show(id)
        assert ("active", len(RAW), "file", "") == (
            image["status"], image["size"], image["stores"], image["os_glance_importing_to_stores"],
        )  # fmt: skip
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        (task,) = await tasks(cloud, id)
        assert ("api_image_import", "success", id) == (task["type"], task["status"], task["result"]["image_id"])
        assert 1 == len(cloud.stored())

    run(tmp_path, test, web=HERE)


class Slow:
    """A web whose every page is of so many MiB, and which tells a listener after each; keeps what Web promises."""

    def __init__(self, mebibytes: int, listener: Callable[[int], Awaitable[None]]) -> None:
        self.mebibytes = mebibytes
        self.listener = listener

    async def read(
        self, name: str, start: int, length: int | None = None, told: Callable[[int], None] | None = None
    ) -> AsyncIterator[bytes]:
        if told is not None:
            told(self.mebibytes << 20)
        for at in range(self.mebibytes):
            await self.listener(at)
            yield b"x" * (1 << 20)

    async def size(self, name: str) -> int:
        return self.mebibytes << 20

    async def copy(self, name: str, destination: Path) -> None:
        raise Unreadable("nobody copies it")

    async def exists(self, name: str) -> bool:
        return True

    def url(self, name: str) -> str:
        return name


def test_a_task_tells_how_far_its_import_is(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id, messages = (await cloud.create())["id"], []

        async def listen(_at: int) -> None:
            (task,) = await tasks(watched, id)
            messages.append(task["message"])
            assert "processing" == task["status"]

        web = Slow(80, listen)
        watched = Service(over(cloud.app.db, tmp_path, cloud.app.clock, cloud.app.config, web=web), tmp_path)
        await imported(watched, id, asks("web-download", uri="https://images.example/disk"))
        seen = ["fetching: 0 MiB", "fetching: 32 of 80 MiB (40 %)", "fetching: 64 of 80 MiB (80 %)"]
        assert seen == list(dict.fromkeys(messages))
        (task,) = await tasks(watched, id)
        assert ("active", "success", "") == ((await watched.show(id))["status"], task["status"], task["message"])

    run(tmp_path, test)


def test_an_address_that_gives_nothing_leaves_the_image_waiting(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:
            short = web.url("/short")
            web.pages["/short"] = (200, {"content-length": str(len(RAW) + 1)}, RAW)
            for url in (web.url("/absent"), short, web.serve("/other", b"#!/bin/sh")):
                id = (await cloud.create(disk_format="qcow2" if url.endswith("other") else "raw"))["id"]
                assert 202 == await imported(cloud, id, asks("web-download", uri=url))
                image = await cloud.show(id)
                assert ("queued", None, "file") == (image["status"], image["size"], image["os_glance_failed_import"])
                assert "failure" == (await tasks(cloud, id))[0]["status"]
                assert (await tasks(cloud, id))[0]["message"]
        assert [] == cloud.stored()
        assert await sweep(cloud.app) is None

    run(tmp_path, test, web=HERE)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x", "http://localhost/x", "http://2130706433/x", "http://0x7f.1/x", "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x", "http://169.254.169.254/latest", "http://10.0.0.1/x", "http://0.0.0.0/x",
        "http://[fec0::1]/x", "http://[::7f00:1]/x",
        "http://[64:ff9b:1::7f00:1]/x", "http://[64:ff9b::7f00:1]/x", "http://[2002:7f00:1::]/x",
    ],
)  # fmt: skip
def test_addresses_of_the_operators_own_networks_are_never_fetched(tmp_path: Path, url: str) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 202 == await imported(cloud, id, asks("web-download", uri=url))
        assert "queued" == (await cloud.show(id))["status"]
        assert "may not be reached" in (await tasks(cloud, id))[0]["message"]

    run(tmp_path, test)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://a/x", "file:///etc/passwd", "http://a:22/x", "http://u:p@a/x", "http://a/\r\nHost: b", "http:///x"],
)
def test_addresses_that_are_none_are_refused_at_once(tmp_path: Path, url: str) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 400 == await imported(cloud, id, asks("web-download", uri=url))
        assert [] == await tasks(cloud, id)

    run(tmp_path, test)


def test_a_redirect_is_judged_like_the_address_itself(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:
            web.pages["/there"] = (302, {"location": web.serve("/disk", RAW)}, b"")
            web.pages["/inward"] = (302, {"location": "http://127.9.9.9:1/secret"}, b"")
            web.pages["/file"] = (302, {"location": "file:///etc/passwd"}, b"")
            web.pages["/round"] = (302, {"location": "/round"}, b"")
            ends = {}
            for path in ("/there", "/inward", "/file", "/round"):
                id = (await cloud.create())["id"]
                await imported(cloud, id, asks("web-download", uri=web.url(path)))
                ends[path] = (await cloud.show(id))["status"], (await tasks(cloud, id))[0]["message"]
            assert ("active", "") == ends["/there"]
            assert "may not be reached" in ends["/inward"][1]
            assert "scheme" in ends["/file"][1]
            assert "redirected" in ends["/round"][1]
            assert 6 == web.asked.count("/round")

    run(tmp_path, test, web=WebConfig(networks=("127.0.0.1/32",), ports=()))


def test_an_import_goes_to_the_stores_it_names(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", RAW, headers=OCTETS))[0]
        assert 409 == await imported(cloud, id, asks("glance-direct", stores=["nowhere"]))
        assert 409 == await imported(cloud, id, asks("glance-direct", stores=["web"]))
        assert 400 == await imported(cloud, id, asks("glance-direct", stores=["cold"], all_stores=True))
        assert 202 == await imported(cloud, id, asks("glance-direct", stores=["cold"]))
        assert "cold" == (await cloud.show(id))["stores"]
        assert [] == cloud.stored()
        assert 1 == len(list((tmp_path / "cold").glob("*.*")))
        copy = asks("copy-image", stores=["file"])
        assert 403 == await imported(cloud, id, copy)
        assert 202 == await imported(cloud, id, copy, token="root")
        assert {"file", "cold"} == set((await cloud.show(id))["stores"].split(","))
        assert 400 == await imported(cloud, id, copy, token="root")
        before = await tasks(cloud, id)
        assert 202 == await imported(cloud, id, asks("copy-image", all_stores=True), token="root")
        assert before == await tasks(cloud, id)  # there was nothing to do

    run(tmp_path, test, stores=TWO)


def test_an_image_leaves_a_store_but_not_the_last(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        await cloud.ask("PUT", f"/v2/images/{id}/stage", RAW, headers=OCTETS)
        assert 202 == await imported(cloud, id, asks("glance-direct", all_stores=True))
        assert {"file", "cold"} == set((await cloud.show(id))["stores"].split(","))
        for token, status in (("bob", 404), ("rita", 403), ("alice", 403)):
            assert status == (await cloud.ask("DELETE", f"/v2/stores/file/{id}", token=token))[0]
        for store, status in (("nowhere", 409), ("web", 404), ("file", 204), ("cold", 403), ("file", 403)):
            assert status == (await cloud.ask("DELETE", f"/v2/stores/{store}/{id}", token="root"))[0], store
        assert [] == cloud.stored()
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]

    run(tmp_path, test, stores=TWO)


def test_a_store_that_fails_fails_the_import_only_if_all_must_succeed(tmp_path: Path) -> None:
    class Full(FileStore):
        """A disk without room."""

        async def create(self, name: str) -> Incoming:
            raise StoreIsFull(f"no room for {name}")

    async def test(cloud: Service) -> None:
        known = cloud.app.stores
        full = msgspec.structs.replace(known.all["cold"], source=Full(tmp_path / "cold"))
        cloud = cloud.over(msgspec.structs.replace(known, all={**known.all, "cold": full}))
        for must, status, failed in ((True, "queued", "file,cold"), (False, "active", "cold")):
            id = (await cloud.create())["id"]
            await cloud.ask("PUT", f"/v2/images/{id}/stage", RAW, headers=OCTETS)
            body = asks("glance-direct", all_stores=True, all_stores_must_succeed=must)
            assert 202 == await imported(cloud, id, body)
            image = await cloud.show(id)
            assert (status, failed) == (image["status"], image["os_glance_failed_import"])
        assert 1 == len(cloud.stored())

    run(tmp_path, test, stores=TWO)


def test_a_damaged_store_is_passed_over_for_another(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        await cloud.ask("PUT", f"/v2/images/{id}/stage", RAW, headers=OCTETS)
        await imported(cloud, id, asks("glance-direct", all_stores=True))
        (tmp_path / "images" / cloud.stored()[0]).write_bytes(RAW[:1000])
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]

    run(tmp_path, test, stores=TWO)


def test_old_tasks_import_too_and_are_forgotten(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:
            given = {
                "import_from": web.serve("/disk", RAW),
                "import_from_format": "raw",
                "image_properties": {
                    "name": "n",
                    "disk_format": "raw",
                    "container_format": "bare",
                    "colour": "red",
                    "tags": ["t"],
                },
            }
            body = {"type": "import", "input": given}
            assert 403 == (await cloud.ask("POST", "/v2/tasks", body))[0]
            assert 400 == (await cloud.ask("POST", "/v2/tasks", {**body, "type": "export"}, token="root"))[0]
            status, task, _ = await cloud.ask("POST", "/v2/tasks", body, token="root")
            assert (201, "pending", given) == (status, task["status"], task["input"])
            await cloud.settle()
            for odd, status in (
                ({"status": "active"}, 403), ({"id": "x"}, 403), ({"os_glance_importing_to_stores": "x"}, 403), ({"size": 5}, 403),
                ({"colour": 5}, 400), ({"tags": "x"}, 400), ({"visibility": "x"}, 400), ({"disk_format": "x"}, 400),
            ):  # fmt: skip
                wrong = {"type": "import", "input": {**given, "image_properties": {**given["image_properties"], **odd}}}
                assert status == (await cloud.ask("POST", "/v2/tasks", wrong, token="root"))[0], odd
        task = (await cloud.ask("GET", f"/v2/tasks/{task['id']}", token="root"))[1]
        image = await cloud.show(task["result"]["image_id"], token="root")
        assert ("success", "active", "n", "red") == (task["status"], image["status"], image["name"], image["colour"])
        assert ["t"] == image["tags"]
        listed = (await cloud.ask("GET", "/v2/tasks?status=success", token="root"))[1]["tasks"]
        assert [task["id"]] == [one["id"] for one in listed]
        assert "input" not in listed[0]
        cloud.app.clock.move(49 * 3600)  # type: ignore[attr-defined]
        assert "1 tasks forgotten" == await sweep(cloud.app)
        assert 404 == (await cloud.ask("GET", f"/v2/tasks/{task['id']}", token="root"))[0]

    run(tmp_path, test, web=HERE)


def test_an_image_can_be_where_others_serve_it(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:

            def ranged(head: str) -> tuple[int, dict[str, str], bytes]:
                asked = [line for line in head.split("\r\n") if line.lower().startswith("range: bytes=")]
                if not asked:
                    return 200, {}, RAW
                first, _, last = asked[0].partition("=")[2].partition("-")
                return 206, {}, RAW[int(first) : int(last) + 1 if last else None]

            web.pages["/disk"] = ranged
            id = (await cloud.create())["id"]
            place = f"/v2/images/{id}/locations"
            assert 400 == (await cloud.ask("POST", place, {"url": "file:///etc/passwd"}))[0]
            assert 404 == (await cloud.ask("POST", place, {"url": web.url("/disk")}, token="bob"))[0]
            assert 202 == (await cloud.ask("POST", place, {"url": web.url("/disk")}))[0]
            assert 409 == (await cloud.ask("POST", place, {"url": web.url("/disk")}))[0]
            image = await cloud.show(id)
            assert ("active", len(RAW), "web") == (image["status"], image["size"], image["stores"])
            assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
            part = await cloud.ask("GET", f"/v2/images/{id}/file", headers={"range": "bytes=1000-1999"})
            assert (206, RAW[1000:2000]) == part[:2]
            assert 403 == (await cloud.ask("GET", place))[0]
            assert web.url("/disk") == (await cloud.ask("GET", place, token="root"))[1][0]["url"]

    run(tmp_path, test, web=HERE, stores=TWO)


def test_locations_are_changed_by_patches_only_where_they_are_shown(tmp_path: Path) -> None:
    async def hidden(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        step = {"op": "add", "path": "/locations/-", "value": {"url": "http://a/x", "metadata": {}}}
        assert 403 == (await cloud.patch(id, step))[0]
        assert "locations" not in await cloud.show(id)

    async def shown(cloud: Service) -> None:
        async with a_web() as web:
            id = (await cloud.create())["id"]
            value = {"url": web.serve("/disk", RAW), "metadata": {"a": "b"}}
            status, image = await cloud.patch(id, {"op": "add", "path": "/locations/-", "value": value})
            assert (200, "active") == (status, image["status"])
            assert [{"url": web.url("/disk"), "metadata": {"a": "b", "store": "web"}}] == image["locations"]
            assert 403 == (await cloud.patch(id, {"op": "remove", "path": "/locations/0"}))[0]
            assert 403 == (await cloud.patch(id, {"op": "remove", "path": "/locations/0"}, token="root"))[0]
            none = {"op": "replace", "path": "/locations", "value": []}
            assert 403 == (await cloud.patch(id, none, token="root"))[0]
            other = {"url": web.serve("/other", RAW), "metadata": {}}
            assert 400 == (await cloud.patch(id, {"op": "add", "path": "/locations/x", "value": other}))[0]
            # A patch of which one step is refused does nothing, also elsewhere.
            steps = {"op": "add", "path": "/locations/1", "value": other}, {"op": "remove", "path": "/none"}
            assert 409 == (await cloud.patch(id, *steps))[0]
            assert 1 == len((await cloud.show(id))["locations"])
            assert 200 == (await cloud.patch(id, steps[0]))[0]
            assert 400 == (await cloud.patch(id, {"op": "remove", "path": "/locations/7"}, token="root"))[0]
            status, image = await cloud.patch(id, {"op": "remove", "path": "/locations/0"}, token="root")
            assert (200, [other["url"]]) == (status, [one["url"] for one in image["locations"]])
            staged = (await cloud.create())["id"]
            assert 409 == (await cloud.patch(staged, {"op": "remove", "path": "/locations/0"}, token="root"))[0]
            odd = {**other, "validation_data": {"checksum": "odd"}}
            assert 409 == (await cloud.patch(staged, {"op": "add", "path": "/locations/-", "value": odd}))[0]
            assert 204 == (await cloud.ask("PUT", f"/v2/images/{staged}/stage", RAW, headers=OCTETS))[0]
            assert 409 == (await cloud.patch(staged, {"op": "add", "path": "/locations/-", "value": other}))[0]

    run(tmp_path / "a", hidden, stores=TWO)
    run(tmp_path / "b", shown, web=HERE, stores=TWO, show_locations=True)


def test_stores_are_told(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        body = (await cloud.ask("GET", "/v2/info/stores"))[1]
        stores = body["stores"]
        assert ["stores"] == list(body)
        assert {"file": "true"} == {one["id"]: one["default"] for one in stores if "default" in one}
        assert ["web"] == [one["id"] for one in stores if "read-only" in one]
        assert 403 == (await cloud.ask("GET", "/v2/info/stores/detail"))[0]
        detail = (await cloud.ask("GET", "/v2/info/stores/detail", token="root"))[1]["stores"]
        assert ["file", "file", "http"] == [one["type"] for one in detail]
        assert [str(tmp_path / name) for name in ("images", "cold")] == [
            one["properties"]["data_dir"] for one in detail[:2]
        ]

    run(tmp_path, test, stores=TWO)


async def located(cloud: Service, url: str, **said: str) -> tuple[int, dict[str, Any], str]:
    """The answer to a new image's location, the image, and the end of the task."""
    id = (await cloud.create())["id"]
    body = {"url": url, **({"validation_data": said} if said else {})}
    status = (await cloud.ask("POST", f"/v2/images/{id}/locations", body))[0]
    await cloud.settle()
    ends = [task["status"] for task in await tasks(cloud, id)]
    return status, await cloud.show(id), ends[0] if ends else ""


def test_what_is_said_of_bytes_that_others_keep_is_found_out(tmp_path: Path) -> None:
    sha256, md5 = hashlib.sha256(RAW).hexdigest(), hashlib.md5(RAW, usedforsecurity=False).hexdigest()

    async def test(cloud: Service) -> None:
        async with a_web() as web:
            url = web.serve("/disk", RAW)
            status, image, end = await located(cloud, url)
            assert (202, "success", "active", "sha512", md5) == (
                status, end, image["status"], image["os_hash_algo"], image["checksum"],
            )  # fmt: skip
            status, image, end = await located(cloud, url, os_hash_algo="sha256", os_hash_value=sha256)
            assert (202, "success", "active", sha256) == (status, end, image["status"], image["os_hash_value"])
            status, image, end = await located(cloud, url, os_hash_algo="sha256", os_hash_value=sha256[::-1])
            assert (202, "failure", "queued", None) == (status, end, image["status"], image["os_hash_value"])
            assert 204 == await cloud.upload(image["id"])
            assert "file" == (await cloud.show(image["id"]))["stores"]
            for said in (
                {"os_hash_value": sha256}, {"os_hash_algo": "sha512", "os_hash_value": sha256}, {"checksum": "x"},
                {"os_hash_algo": "sha123", "os_hash_value": sha256},
            ):  # fmt: skip
                assert 400 == (await located(cloud, url, **said))[0]

    run(tmp_path, test, web=HERE, stores=TWO)


def test_what_is_said_of_bytes_is_believed_where_nobody_is_to_read_them(tmp_path: Path) -> None:
    wrong = "0" * 64

    async def test(cloud: Service) -> None:
        async with a_web() as web:
            url = web.serve("/disk", RAW)
            status, image, end = await located(cloud, url)
            assert (202, "success", "active", len(RAW)) == (status, end, image["status"], image["size"])
            assert [None] * 3 == [image[name] for name in ("checksum", "os_hash_algo", "os_hash_value")]
            status, image, end = await located(cloud, url, os_hash_algo="sha256", os_hash_value=wrong)
            assert (202, "success", "active", len(RAW)) == (status, end, image["status"], image["size"])
            assert (None, "sha256", wrong) == (image["checksum"], image["os_hash_algo"], image["os_hash_value"])

    run(tmp_path, test, web=HERE, stores=TWO, secure_hash=False)


def test_locations_of_a_patch_agree_with_one_another(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:
            url, said = web.serve("/disk", RAW), {"checksum": "1" * 32, "os_hash_algo": "sha512"}
            said["os_hash_value"] = "deadbeef" * 16
            id = (await cloud.create())["id"]
            add = {"op": "add", "path": "/locations/-"}
            first = {"url": url, "metadata": {}, "validation_data": said}
            assert 200 == (await cloud.patch(id, {**add, "value": first}))[0]
            second = {**first, "url": f"{url}#new"}
            for name, other in (("checksum", "2" * 32), ("os_hash_value", "beefdead" * 16)):
                wrong = {**second, "validation_data": {**said, name: other}}
                assert 409 == (await cloud.patch(id, {**add, "value": wrong}))[0]
            assert 400 == (await cloud.patch(id, {**add, "value": first}))[0]
            status, image = await cloud.patch(id, {**add, "value": second})
            assert (200, 2) == (status, len(image["locations"]))
            places = image["locations"]
            places[0]["metadata"]["date"] = "today"
            replace = {"op": "replace", "path": "/locations"}
            status, image = await cloud.patch(id, {**replace, "value": places})
            assert (200, places) == (status, image["locations"])
            assert 400 == (await cloud.patch(id, {**replace, "value": places[:1]}))[0]
            assert 400 == (await cloud.patch(id, {**replace, "value": [places[0], {**places[1], "url": url}]}))[0]

    run(tmp_path, test, web=HERE, stores=TWO, show_locations=True)


@pytest.mark.parametrize("told", [len(RAW) + 1, 1 << 63, 10**20 - 1])
def test_no_image_is_larger_than_images_may_be_where_others_keep_it(tmp_path: Path, told: int) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:
            web.pages["/disk"] = (200, {"content-length": str(told)}, RAW)
            status, image, end = await located(cloud, web.url("/disk"))
            assert (413, "queued", None, "") == (status, image["status"], image["size"], end)
            url = web.serve("/disk", RAW)
            assert (202, "success") == (await located(cloud, url))[::2]

    run(tmp_path, test, web=HERE, stores=TWO, size_cap=len(RAW))


def test_who_keeps_an_image_cannot_send_more_of_it_than_he_told(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        async with a_web() as web:

            def twice(_head: str) -> tuple[int, dict[str, str], bytes]:
                # The first who asks is told of fewer bytes than the others are given.
                return 200, {}, RAW if len(web.asked) == 1 else RAW * 4

            web.pages["/disk"] = twice
            status, image, end = await located(cloud, web.url("/disk"))
            assert (202, "failure") == (status, end)
            (task,) = await tasks(cloud, image["id"])
            assert f"more than the {len(RAW)} bytes" in task["message"]
            web.asked.clear()
            url = web.serve("/honest", RAW)
            status, image, end = await located(cloud, url)
            assert (202, "success") == (status, end)
            web.serve("/honest", RAW * 4)
            brought = tmp_path / "brought"
            await ImagePort(cloud.app).fetch(image["id"], brought)
            assert RAW == brought.read_bytes()

    run(tmp_path, test, web=HERE, stores=TWO)
