"""Images through their API: made, seen, changed, shared, deleted."""

from pathlib import Path

from tests.image.harness import CALLERS, RAW, Service, run

from pileus.image.config import StoreConfig

KEYS = {
    "id", "name", "status", "visibility", "owner", "protected", "os_hidden", "disk_format", "container_format",
    "min_disk", "min_ram", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "tags", "created_at",
    "updated_at", "self", "file", "schema",
}  # fmt: skip
ID = "12345678-1234-1234-1234-123456789012"


def test_versions_are_told_to_anybody(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        status, body, _ = await cloud.ask("GET", "/", token=None)
        assert 300 == status
        assert {
            "id": "v2.17",
            "status": "CURRENT",
            "links": [{"rel": "self", "href": "http://cloud:1/image/v2/"}],
        } == body["versions"][0]
        assert (200, body) == (await cloud.ask("GET", "/versions", token=None))[:2]

    run(tmp_path, test)


def test_versions_grow_with_what_the_operator_set_up(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        versions = (await cloud.ask("GET", "/versions", token=None))[1]["versions"]
        assert [f"v2.{minor}" for minor in range(18, -1, -1)] == [one["id"] for one in versions]
        assert ["CURRENT", *["SUPPORTED"] * 18] == [one["status"] for one in versions]

    stores = {"file": StoreConfig(path="images"), "cold": StoreConfig(path="cold")}
    run(tmp_path, test, stores=stores, cache_size=1)


def test_a_new_image_waits_for_its_bytes(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        image = await cloud.create(id=ID, tags=["a", "b", "a"], hw_disk_bus="virtio", min_disk=1)
        assert KEYS | {"hw_disk_bus"} == set(image)
        assert (ID, "queued", "shared", "p1") == (image["id"], image["status"], image["visibility"], image["owner"])
        assert (["a", "b"], "virtio", 1, None) == (
            image["tags"], image["hw_disk_bus"], image["min_disk"], image["size"],
        )  # fmt: skip
        assert "2026-01-01T00:00:00Z" == image["created_at"]
        assert f"/v2/images/{ID}/file" == image["file"]
        assert image == await cloud.show(ID)

    run(tmp_path, test)


def test_wrong_images_are_refused(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await cloud.create(id=ID)
        for status, about in (
            (409, {"id": ID}),
            (400, {"id": "x"}),
            (400, {"disk_format": "floppy"}),
            (400, {"container_format": "box"}),
            (400, {"visibility": "secret"}),
            (400, {"min_disk": -1}),
            (400, {"name": "x" * 256}),
            (400, {"colour": 5}),
            (403, {"checksum": "x"}),
            (403, {"status": "active"}),
            (403, {"locations": []}),
            (403, {"owner": "p2"}),
            (403, {"visibility": "public"}),
        ):
            got, body, _ = await cloud.ask("POST", "/v2/images", about)
            assert status == got, (about, body)
        assert 403 == (await cloud.ask("POST", "/v2/images", {"name": "x"}, token="rita"))[0]
        assert 201 == (await cloud.ask("POST", "/v2/images", {"owner": "p2", "visibility": "public"}, token="root"))[0]

    run(tmp_path, test)


def test_errors_are_small_pages(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        _, body, headers = await cloud.ask("GET", f"/v2/images/{ID}")
        assert f"No image found with ID {ID}".encode() in body
        assert headers["content-type"].startswith("text/html")

    run(tmp_path, test)


def test_patches_change_what_may_change(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(colour="red"))["id"]
        status, image = await cloud.patch(
            id,
            {"op": "replace", "path": "/name", "value": "two"},
            {"op": "add", "path": "/os_distro", "value": "debian"},
            {"op": "add", "path": "/a~1b", "value": "c"},
            {"op": "remove", "path": "/colour"},
            {"op": "replace", "path": "/tags", "value": ["x"]},
            {"op": "replace", "path": "/os_hidden", "value": True},
        )
        assert 200 == status
        assert ("two", "debian", "c", ["x"], True) == (
            image["name"], image["os_distro"], image["a/b"], image["tags"], image["os_hidden"],
        )  # fmt: skip
        assert "colour" not in image
        old = {"content-type": "application/openstack-images-v2.0-json-patch"}
        status, image, _ = await cloud.ask(
            "PATCH", f"/v2/images/{id}", b'[{"replace": "/name", "value": "three"}]', headers=old
        )
        assert (200, "three") == (status, image["name"])

    run(tmp_path, test)


def test_patches_leave_alone_what_may_not_change(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        for status, step in (
            (403, {"op": "replace", "path": "/status", "value": "active"}),
            (403, {"op": "replace", "path": "/size", "value": 1}),
            (403, {"op": "remove", "path": "/name"}),
            (400, {"op": "add", "path": "/locations", "value": []}),
            (403, {"op": "add", "path": "/locations/-", "value": {"url": "http://a/x", "metadata": {}}}),
            (403, {"op": "replace", "path": "/visibility", "value": "public"}),
            (403, {"op": "replace", "path": "/owner", "value": "p2"}),
            (409, {"op": "replace", "path": "/none", "value": "x"}),
            (409, {"op": "remove", "path": "/none"}),
            (400, {"op": "add", "path": "/deep/er", "value": "x"}),
            (400, {"op": "move", "path": "/name"}),
            (400, {"op": "add", "path": "/name"}),
            (400, {"op": "add", "path": "/x", "value": 1}),
            (400, {"op": "replace", "path": "/min_ram", "value": "much"}),
        ):
            assert status == (await cloud.patch(id, step))[0], step
        assert 415 == (await cloud.ask("PATCH", f"/v2/images/{id}", [{"op": "remove", "path": "/x"}]))[0]
        assert 403 == (await cloud.patch(id, {"op": "replace", "path": "/name", "value": "x"}, token="rita"))[0]
        assert 404 == (await cloud.patch(id, {"op": "replace", "path": "/name", "value": "x"}, token="bob"))[0]
        await cloud.upload(id)
        assert 403 == (await cloud.patch(id, {"op": "replace", "path": "/disk_format", "value": "iso"}))[0]

    run(tmp_path, test)


def test_only_the_owner_and_those_it_is_meant_for_see_an_image(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await cloud.create(name="mine", visibility="private")
        await cloud.create(name="ours")
        community = await cloud.create(name="theirs", visibility="community")
        await cloud.create("root", name="all", visibility="public")
        assert ["all", "mine", "ours", "theirs"] == sorted(await cloud.names())
        assert ["all"] == await cloud.names(token="bob")
        assert ["theirs"] == await cloud.names("visibility=community", token="bob")
        assert ["all", "theirs"] == sorted(await cloud.names("visibility=all", token="bob"))
        assert ["mine"] == await cloud.names("visibility=private")
        assert [] == await cloud.names("visibility=private", token="bob")
        assert ["all", "mine", "ours"] == sorted(await cloud.names(token="root"))
        assert "theirs" == (await cloud.show(community["id"], "bob"))["name"]
        assert 400 == (await cloud.ask("GET", "/v2/images?visibility=some"))[0]

    run(tmp_path, test)


def test_members_accept_what_is_shared_with_them(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(name="ours"))["id"]
        here = f"/v2/images/{id}/members"
        assert 404 == (await cloud.ask("GET", f"/v2/images/{id}", token="bob"))[0]
        status, member, _ = await cloud.ask("POST", here, {"member": "p2"})
        assert (200, "pending", "p2") == (status, member["status"], member["member_id"])
        assert 409 == (await cloud.ask("POST", here, {"member": "p2"}))[0]
        assert [] == await cloud.names(token="bob")
        assert ["ours"] == await cloud.names("member_status=pending", token="bob")
        assert 403 == (await cloud.ask("PUT", f"{here}/p2", {"status": "accepted"}))[0]
        assert 200 == (await cloud.ask("PUT", f"{here}/p2", {"status": "accepted", "member": "p2"}, token="bob"))[0]
        assert 400 == (await cloud.ask("PUT", f"{here}/p2", {"status": "maybe"}, token="bob"))[0]
        assert ["ours"] == await cloud.names(token="bob")
        assert ["p2"] == [one["member_id"] for one in (await cloud.ask("GET", here, token="bob"))[1]["members"]]
        assert 403 == (await cloud.ask("DELETE", f"{here}/p2", token="bob"))[0]
        assert 204 == (await cloud.ask("DELETE", f"{here}/p2"))[0]
        assert 404 == (await cloud.ask("GET", f"{here}/p2"))[0]
        private = (await cloud.create(visibility="private"))["id"]
        assert 403 == (await cloud.ask("POST", f"/v2/images/{private}/members", {"member": "p2"}))[0]

    run(tmp_path, test)


def test_lists_are_filtered_sorted_and_paged(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        for number, name in enumerate(("c", "a", "b")):
            image = await cloud.create(
                name=name, tags=[f"t{number}"], min_ram=number, colour="red" if number else "blue"
            )
            await cloud.upload(image["id"], RAW[: 1000 * (number + 1)])
            cloud.app.clock.move(1)  # type: ignore[attr-defined]
        await cloud.create(name="h", os_hidden=True)
        await cloud.create(name="q", disk_format="qcow2")
        assert ["q", "b", "a", "c"] == await cloud.names()
        assert ["a", "b", "c", "q"] == await cloud.names("sort=name:asc")
        assert ["q", "c", "b", "a"] == await cloud.names("sort_key=name&sort_dir=desc")
        assert ["h"] == await cloud.names("os_hidden=true")
        assert ["a"] == await cloud.names("name=a")
        assert ["a", "c"] == await cloud.names("name=in:a,c&sort=name:asc")
        assert ["a"] == await cloud.names("tag=t1")
        assert ["c"] == await cloud.names("colour=blue")
        assert ["b", "a"] == await cloud.names("colour=red&status=active")
        assert ["b", "a"] == await cloud.names("size_min=2000")
        assert ["c"] == await cloud.names("size_max=1500")
        assert ["q"] == await cloud.names("status=queued")
        assert ["q", "b"] == await cloud.names("created_at=gte:2026-01-01T00:00:02Z")
        assert [] == await cloud.names("owner=p2")
        status, body, _ = await cloud.ask("GET", "/v2/images?limit=2&sort=name:asc")
        assert ("/v2/images?limit=2&sort=name%3Aasc", "/v2/schemas/images") == (body["first"], body["schema"])
        _, body, _ = await cloud.ask("GET", body["next"])
        assert ["c", "q"] == [image["name"] for image in body["images"]]
        for query in ("limit=x", "marker=none", "sort=colour", "os_hidden=perhaps", "size_min=x", "created_at=gt:x"):
            assert 400 == (await cloud.ask("GET", f"/v2/images?{query}"))[0], query

    run(tmp_path, test)


def test_protected_images_stay_and_others_go_with_their_bytes(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(protected=True))["id"]
        await cloud.upload(id)
        assert 403 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        assert 1 == len(cloud.stored())
        await cloud.patch(id, {"op": "replace", "path": "/protected", "value": False})
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        assert [] == cloud.stored()
        assert 404 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]

    run(tmp_path, test)


def test_tags_are_put_and_removed(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        for _ in range(2):
            assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/tags/gold"))[0]
        assert ["gold"] == (await cloud.show(id))["tags"]
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}/tags/gold"))[0]
        assert 404 == (await cloud.ask("DELETE", f"/v2/images/{id}/tags/gold"))[0]

    run(tmp_path, test, tags_quota=1)


def test_quotas_are_413(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        assert 413 == (await cloud.ask("POST", "/v2/images", {"tags": ["a", "b"]}))[0]
        assert 413 == (await cloud.ask("POST", "/v2/images", {"a": "1", "b": "2"}))[0]

    run(tmp_path, test, tags_quota=1, properties_quota=1)


def test_a_deactivated_image_gives_no_bytes(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create())["id"]
        assert 403 == (await cloud.ask("POST", f"/v2/images/{id}/actions/deactivate"))[0]
        await cloud.upload(id)
        for _ in range(2):
            assert 204 == (await cloud.ask("POST", f"/v2/images/{id}/actions/deactivate"))[0]
        assert 403 == (await cloud.ask("GET", f"/v2/images/{id}/file"))[0]
        assert 204 == (await cloud.ask("POST", f"/v2/images/{id}/actions/reactivate"))[0]
        assert 200 == (await cloud.ask("GET", f"/v2/images/{id}/file"))[0]

    run(tmp_path, test)


def test_clients_find_schemas_stores_and_imports(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        _, schema, _ = await cloud.ask("GET", "/v2/schemas/image")
        assert KEYS | {"direct_url", "locations", "kernel_id"} <= set(schema["properties"])
        assert schema["properties"]["os_distro"]["is_base"] is False
        assert "importing" in schema["properties"]["status"]["enum"]
        for name in ("images", "member", "members"):
            assert name == (await cloud.ask("GET", f"/v2/schemas/{name}"))[1]["name"]
        assert 404 == (await cloud.ask("GET", "/v2/schemas/none"))[0]
        assert ["glance-direct", "web-download", "copy-image"] == (await cloud.ask("GET", "/v2/info/import"))[1][
            "import-methods"
        ]["value"]
        assert "file" == (await cloud.ask("GET", "/v2/info/stores"))[1]["stores"][0]["id"]
        assert "stores" in schema["properties"]
        image = await cloud.create()
        assert "stores" not in image
        assert 204 == await cloud.upload(image["id"])
        assert "file" == (await cloud.show(image["id"]))["stores"]

    run(tmp_path, test)


def test_an_empty_id_names_no_image(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        assert 404 == (await cloud.ask("GET", "/v2/images/"))[0]
        assert 404 == (await cloud.ask("DELETE", "/v2/images/"))[0]
        assert 200 == (await cloud.ask("GET", "/v2/images"))[0]

    run(tmp_path, test)


def test_every_route_refuses_strangers(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        from pileus.image.manifest import API

        image = await cloud.create()
        # Its project is that of `nobody`, who is refused for having no role there and not for not knowing of it.
        space = {"namespace": "ns", "owner": "p1"}
        assert 201 == (await cloud.ask("POST", "/v2/metadefs/namespaces", space, token="root"))[0]
        seen = 0
        for route in API.routes:
            if route.rule is None:
                continue
            path = "/v2" + route.path.replace("{image_id}", image["id"]).replace("{member_id}", "p2")
            path = path.replace("{tag_value}", "t").replace("{name}", "image").replace("{namespace}", "ns")
            body: dict[str, object] = {"status": "accepted"} if "{member_id}" in route.path else {}
            if path.endswith("/import"):
                body = {"method": {"name": "glance-direct"}}  # which rule holds depends on it
            assert 401 == (await cloud.ask(route.method, path, body, token=None))[0], path
            assert 401 == (await cloud.ask(route.method, path, body, token="nonsense"))[0], path
            if route.rule.default != "any":
                assert 403 == (await cloud.ask(route.method, path, body, token="nobody"))[0], path
            seen += 1
        assert seen > 15
        assert "p1" == CALLERS["nobody"].project_id

    run(tmp_path, test)
