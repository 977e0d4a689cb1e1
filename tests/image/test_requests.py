"""What requests may say: each word that image clients can send, and the status that refuses what is none."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from tests.image.harness import OCTETS, PATCH, RAW, Service, run
from tests.image.test_imports import HERE, TWO, asks, imported
from tests.image.test_metadefs import SPACES, made
from tests.image.test_quotas import Registered, limited
from tests.image.web import a_web

ID = "2f4f0d1c-1d1c-4c5e-9b1a-0123456789ab"
OLD = {"content-type": "application/openstack-images-v2.0-json-patch"}


def test_a_new_image_is_of_the_kinds_that_the_schema_says(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        for status, about in (
            (400, {"id": None}),
            (400, {"min_disk": "5"}),
            (400, {"min_ram": True}),
            (400, {"protected": "true"}),
            (400, {"os_hidden": 1}),
            (400, {"tags": None}),
            (400, {"k" * 256: "v"}),
            (400, {"kernel_id": "no id"}),
            (400, {"cinder_encryption_key_deletion_policy": "perhaps"}),
            (403, {"location": "x"}),
            (403, {"stores": "x"}),
            (403, {"os_glance_stage_host": "x"}),
            (201, {"kernel_id": ID, "name": None}),
        ):
            assert status == (await cloud.ask("POST", "/v2/images", about))[0], about

    run(tmp_path, test)


def test_a_pointer_names_one_attribute(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        for path in ("x", "/", "//x", "/x/", "/x/y", "/tags/-", "/x~2", "/x~", "/locations", "/locations/0/url", 5):
            assert 400 == (await cloud.patch(id, {"op": "add", "path": path, "value": "y"}))[0], path
        for step in (
            {"op": "test", "path": "/name", "value": "x"},
            {"op": "add", "value": "x"},
            {"op": "replace", "path": "/locations/0", "value": {}},
            {"path": "/name", "value": "x"},
        ):
            assert 400 == (await cloud.patch(id, step))[0], step
        assert "one" == (await cloud.show(id))["name"]

    run(tmp_path, test)


def test_values_in_a_patch_are_looked_at_before_the_image_is(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        await cloud.upload(id)
        for status, name, value in (
            (400, "disk_format", "floppy"),  # which cannot be changed any more, but this is no format anyway
            (403, "disk_format", "iso"),
            (400, "min_ram", "5"),
            (400, "protected", "true"),
            (400, "kernel_id", "no id"),
            (400, "tags", [5]),
            (403, "owner", "p1"),
            (403, "location", "x"),
        ):
            step = {"op": "replace", "path": f"/{name}", "value": value}
            assert status == (await cloud.patch(id, step))[0], step
        assert 403 == (await cloud.patch(id, {"op": "remove", "path": "/tags"}))[0]

    run(tmp_path, test)


def test_in_the_old_patches_what_is_there_cannot_be_added(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(colour="red"))["id"]

        async def patch(*steps: Any) -> int:
            raw = json.dumps(steps).encode()
            return (await cloud.ask("PATCH", f"/v2/images/{id}", raw, headers=OLD))[0]

        assert 409 == await patch({"add": "/colour", "value": "blue"})
        assert 409 == await patch({"add": "/name", "value": "two"})
        assert 400 == await patch({"add": "/size", "replace": "/size", "value": "x"})
        assert 200 == await patch({"add": "/shape", "value": "round"}, {"replace": "/colour", "value": "blue"})
        assert 200 == (await cloud.patch(id, {"op": "add", "path": "/colour", "value": "green"}))[0]
        image = await cloud.show(id)
        assert ("green", "round", "one") == (image["colour"], image["shape"], image["name"])

    run(tmp_path, test)


def test_a_patch_says_what_kind_it_is(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        for kind in ("application/json", ""):
            status, _, headers = await cloud.ask("PATCH", f"/v2/images/{id}", b"[]", headers={"content-type": kind})
            assert (415, ", ".join((OLD["content-type"], PATCH["content-type"]))) == (status, headers["accept-patch"])
        assert 200 == (await cloud.patch(id))[0]

    run(tmp_path, test)


def test_the_size_that_is_announced_is_the_size_that_comes(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        chunked = [
            {"type": "http.request", "body": b"0123456789", "more_body": True},
            {"type": "http.request", "body": b"", "more_body": False},
        ]
        for path in ("file", "stage"):
            for said in ("9", "11", "ten", "-10", "10.0"):
                headers = {**OCTETS, "x-openstack-image-size": said}
                answer = await cloud.ask("PUT", f"/v2/images/{id}/{path}", headers=headers, messages=chunked)
                assert 400 == answer[0], said
            headers = {**OCTETS, "x-openstack-image-size": "9", "content-length": "10"}
            assert 400 == (await cloud.ask("PUT", f"/v2/images/{id}/{path}", headers=headers, messages=chunked))[0]
            assert ("queued", []) == ((await cloud.show(id))["status"], cloud.stored())
        headers = {**OCTETS, "x-openstack-image-size": "10"}
        assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/file", headers=headers, messages=chunked))[0]
        assert 10 == (await cloud.show(id))["size"]

    run(tmp_path, test)


def test_filters_and_orders_that_there_are_not_are_refused(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        for name in ("a", "ubuntu:22.04", 'b"b', "c,c"):
            await cloud.create(name=name, min_ram=len(name))
        for query in (
            "sort=name&sort_key=id", "sort=name:asc&sort_dir=asc", "sort_key=name&sort_dir=asc&sort_dir=desc", "sort=owner",
            "name=neq:a", "name=gt:a", 'name=in:a"b', 'name=in:"a', "changes-since=2026-01-01T00:00:00Z", "min_ram_min=x",
        ):  # fmt: skip
            assert 400 == (await cloud.ask("GET", f"/v2/images?{quote(query, safe='=&:')}"))[0], query
        for query, names in (
            ("sort=name", ["ubuntu:22.04", "c,c", 'b"b', "a"]),
            ("name=eq:a", ["a"]),
            ("name=ubuntu:22.04", ["ubuntu:22.04"]),  # a colon makes no operator
            ("name=in:%22ubuntu:22.04%22,%22c,c%22&sort=name:asc", ["c,c", "ubuntu:22.04"]),
            ("min_ram_min=3&min_ram_max=4&sort=name:asc", ['b"b', "c,c"]),
            ("min_disk_max=0&limit=0", []),
        ):
            assert names == await cloud.names(query), query
        for query in ("status=odd", "type=odd"):
            assert 400 == (await cloud.ask("GET", f"/v2/tasks?{query}", token="root"))[0]

    run(tmp_path, test)


def test_only_shared_images_have_members(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        here = f"/v2/images/{(await cloud.create(visibility='private'))['id']}/members"
        status, why, _ = await cloud.ask("GET", here)
        assert (403, True) == (status, b"Only shared images have members" in why)
        assert 404 == (await cloud.ask("GET", f"{here}/p2"))[0]
        assert 403 == (await cloud.ask("DELETE", f"{here}/p2"))[0]

    run(tmp_path, test)


def test_an_import_that_cannot_be_is_refused_and_leaves_the_image_waiting(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        url = "https://images.example/x"
        far = {"glance_image_id": ID, "glance_region": "east"}
        for status, body in (
            (400, {}),
            (400, {"method": {}}),
            (400, asks("teleport")),
            (400, asks("web-download")),
            (400, asks("web-download", uri=url, all_stores="true")),
            (400, asks("web-download", uri=url, all_stores_must_succeed=0)),
            (400, {"method": {"name": "glance-download", **far, "glance_region": ""}}),
            (400, {"method": {"name": "glance-download", **far, "glance_image_id": "x"}}),
            (409, asks("web-download", uri=url, stores=["os_glance_staging_store"])),
            (409, asks("glance-direct")),
        ):
            assert status == await imported(cloud, id, body), body
        assert 409 == await imported(cloud, id, asks("copy-image", stores=["cold"]), token="root")
        assert "queued" == (await cloud.show(id))["status"]
        for name in ("disk_format", "container_format"):
            id = (await cloud.create(**{name: None}))["id"]
            status, why, _ = await cloud.ask("POST", f"/v2/images/{id}/import", asks("web-download", uri=url))
            assert (409, True) == (status, f"{name}' needs to be set".encode() in why)

    methods = ("glance-direct", "web-download", "copy-image", "glance-download")
    run(tmp_path, test, stores=TWO, import_methods=methods)


def test_what_comes_from_the_web_keeps_to_hard_limits_too(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        config = msgspec.structs.replace(cloud.app.config, hard_limits=True)
        cloud = Service(msgspec.structs.replace(cloud.app, config=config), cloud.state)
        cloud = limited(cloud, Registered(image_size_total=1))
        async with a_web() as web:
            for size, status in ((len(RAW), "queued"), (1 << 20, "active")):
                id = (await cloud.create())["id"]
                assert 202 == await imported(cloud, id, asks("web-download", uri=web.serve("/disk", RAW[:size])))
                assert status == (await cloud.show(id))["status"]

    run(tmp_path, test, web=HERE)


GOOD: dict[str, Any] = {
    "title": "P", "type": "integer", "minimum": 1, "readonly": False, "items": {"type": "string"}
}  # fmt: skip


def test_properties_are_what_their_schema_says(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        space = await made(cloud, "ns", visibility="public", properties={"p": GOOD})
        assert GOOD == space["properties"]["p"]
        bad: list[dict[str, Any]] = [
            {"title": "P"}, {"type": "string"}, {**GOOD, "type": "colour"}, {**GOOD, "title": 5}, {**GOOD, "colour": 1},
            {**GOOD, "minLength": -1}, {**GOOD, "enum": "a"},
        ]  # fmt: skip
        for one in bad:
            for method, path, body in (
                ("POST", "", {"namespace": "x", "properties": {"p": one}}),
                ("POST", "/ns/properties", {"name": "q", **one}),
                ("PUT", "/ns/properties/p", {"name": "p", **one}),
                ("POST", "/ns/objects", {"name": "o", "properties": {"p": one}}),
            ):
                assert 400 == (await cloud.ask(method, f"{SPACES}{path}", body, token="root"))[0], one

    run(tmp_path, test)


def test_namespaces_and_what_they_hold_are_what_their_schemas_say(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud, "ns")
        bad: list[tuple[str, dict[str, Any]]] = [
            ("", {"namespace": "x", "colour": "red"}),
            ("", {"namespace": "x", "visibility": "shared"}),
            ("", {"namespace": "x", "protected": "true"}),
            ("", {"namespace": "x", "owner": "o" * 256}),
            ("/ns/objects", {"name": "o", "colour": 1}),
            ("/ns/objects", {"name": "o", "required": "p"}),
            ("/ns/resource_types", {"name": "T", "colour": 1}),
            ("/ns/tags", {"tags": [{"label": "t"}]}),
            (f"/ns/tags/{'t' * 81}", {}),
        ]
        for path, body in bad:
            assert 400 == (await cloud.ask("POST", f"{SPACES}{path}", body, token="root"))[0], body
        for path, name in (("", "namespace"), ("/ns/objects", "name"), ("/ns/resource_types", "name")):
            given = {name: "x", "created_at": "2026-01-01T00:00:00Z"}
            assert 403 == (await cloud.ask("POST", f"{SPACES}{path}", given, token="root"))[0]

    run(tmp_path, test)


def test_what_a_client_was_shown_of_a_namespace_it_can_send_back(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        ties = [{"name": "OS::Nova::Server", "prefix": "hw:"}]
        about = {"properties": {"p": GOOD}, "objects": [{"name": "o"}], "resource_type_associations": ties}
        shown = await made(cloud, "ns", visibility="public", **about)
        own = {"self", "schema", "created_at", "updated_at"}  # what only the service says of the namespace itself
        sent = {name: value for name, value in shown.items() if name not in own}
        assert 200 == (await cloud.ask("PUT", f"{SPACES}/ns", sent, token="root"))[0]
        copied = await made(cloud, "copy", **{name: value for name, value in sent.items() if name != "namespace"})
        assert (GOOD, "o", "hw:") == (
            copied["properties"]["p"], copied["objects"][0]["name"], copied["resource_type_associations"][0]["prefix"],
        )  # fmt: skip

    run(tmp_path, test)


def test_tags_of_a_namespace_come_in_pages(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud, "ns", visibility="public")
        await made(cloud, "other", visibility="public", tags=[{"name": "elsewhere"}])
        here = f"{SPACES}/ns/tags"
        for name in ("b", "c", "a"):
            assert 201 == (await cloud.ask("POST", f"{here}/{name}", token="root"))[0]
            cloud.app.clock.move(1)  # type: ignore[attr-defined]
        twice = {"tags": [{"name": "z"}, {"name": "z"}]}
        assert 409 == (await cloud.ask("POST", here, twice, token="root"))[0]

        async def names(query: str) -> list[str]:
            found: list[str] = []
            following: str | None = f"{here}?{query}"
            while following is not None:
                status, body, _ = await cloud.ask("GET", following)
                assert (200, f"/v2/metadefs/namespaces/ns/tags?{query}") == (status, body["first"])
                found += [tag["name"] for tag in body["tags"]]
                following = body.get("next")
            return found

        assert ["a", "c", "b"] == await names("limit=2")
        assert ["a", "b", "c"] == await names("limit=2&sort_key=name&sort_dir=asc")
        assert 404 == (await cloud.ask("GET", f"{here}?marker=elsewhere"))[0]
        for query in ("limit=0", "limit=x", "sort_dir=up", "sort_key=colour"):
            assert 400 == (await cloud.ask("GET", f"{here}?{query}"))[0], query
            assert 400 == (await cloud.ask("GET", f"{SPACES}?{query}"))[0], query
        assert 404 == (await cloud.ask("GET", f"{SPACES}?marker=nowhere"))[0]
        assert 400 == (await cloud.ask("GET", f"{SPACES}?visibility=shared"))[0]

    run(tmp_path, test)
