"""Images as clients asked compute for them until 2.35, handed on to the image service."""

from pathlib import Path
from typing import Any

from tests.compute.fakes import IMAGE
from tests.compute.world import World, a_city

NOWHERE = "99999999-9999-4999-8999-999999999999"


async def an_image(world: World, name: str, *, by: str = "alice", **more: Any) -> str:
    new = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "private", **more}
    answered = await world.ask("POST", "/v2/images", new, by=by, of="image")
    assert 201 == answered.status, answered.body
    return str(answered.body["id"])


async def names(world: World, query: str = "", path: str = "/v2.1/images") -> list[str]:
    answered = await world.ask("GET", f"{path}{query}")
    assert 200 == answered.status, answered.body
    return [image["name"] for image in answered.body["images"]]


async def test_an_image_is_shown_as_it_was_before_images_were_a_service(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        shown = (await world.ask("GET", f"/v2.1/images/{IMAGE}")).body["image"]
        assert ("guest", "ACTIVE", 100, 0, 0, 2048, {}) == tuple(
            shown[name]
            for name in ("name", "status", "progress", "minDisk", "minRam", "OS-EXT-IMG-SIZE:size", "metadata")
        )
        assert ["self", "bookmark", "alternate"] == [link["rel"] for link in shown["links"]]
        assert not {"server", "OS-DCF:diskConfig"} & set(shown)
        (listed,) = (await world.ask("GET", "/v2.1/images")).body["images"]
        assert {"id": IMAGE, "name": "guest", "links": shown["links"]} == listed
        assert [shown] == (await world.ask("GET", "/v2.1/images/detail")).body["images"]


async def test_images_are_chosen_and_paged(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        server = "12345678-1234-4234-8234-123456789012"
        await an_image(world, "copy", image_type="snapshot", instance_uuid=server, min_disk=3, auto_disk_config="True")
        await an_image(world, "others", by="bob")
        assert ["copy", "guest"] == sorted(await names(world))
        for query, found in (
            ("?name=copy", ["copy"]),
            ("?status=ACTIVE", ["guest"]),
            ("?type=snapshot", ["copy"]),
            (f"?server={server}", ["copy"]),
            (f"?server=http://cloud/v2.1/servers/{server}", ["copy"]),
            ("?minDisk=3", ["copy"]),
            ("?property-image_type=snapshot", ["copy"]),
            ("?changes-since=2999-01-01T00:00:00Z", []),
        ):
            assert found == await names(world, query), query
            assert found == await names(world, query, "/v2.1/images/detail"), query
        (first,) = (await world.ask("GET", "/v2.1/images?limit=1")).body["images"]
        (second,) = (await world.ask("GET", f"/v2.1/images?limit=1&marker={first['id']}")).body["images"]
        assert {"copy", "guest"} == {first["name"], second["name"]}
        (copy,) = (await world.ask("GET", "/v2.1/images/detail?name=copy")).body["images"]
        assert (server, "AUTO", "SAVING", 25) == (
            copy["server"]["id"], copy["OS-DCF:diskConfig"], copy["status"], copy["progress"]
        )  # fmt: skip
        assert 400 == (await world.ask("GET", "/v2.1/images?changes-since=yesterday")).status
        assert 400 == (await world.ask("GET", f"/v2.1/images?marker={NOWHERE}")).status


async def test_metadata_is_set_and_removed(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        path = f"/v2.1/images/{await an_image(world, 'mine', a='1')}/metadata"
        assert {"metadata": {"a": "1"}} == (await world.ask("GET", path)).body
        answered = await world.ask("POST", path, {"metadata": {"b": "2"}})
        assert (200, {"metadata": {"a": "1", "b": "2"}}) == (answered.status, answered.body)
        assert {"metadata": {"c": "3"}} == (await world.ask("PUT", path, {"metadata": {"c": "3"}})).body
        assert {"meta": {"c": "4"}} == (await world.ask("PUT", f"{path}/c", {"meta": {"c": "4"}})).body
        assert 400 == (await world.ask("PUT", f"{path}/c", {"meta": {"d": "4"}})).status
        assert {"meta": {"c": "4"}} == (await world.ask("GET", f"{path}/c")).body
        assert 204 == (await world.ask("DELETE", f"{path}/c", at="2.38")).status
        assert [404, 404] == [(await world.ask(method, f"{path}/c")).status for method in ("GET", "DELETE")]
        assert 404 == (await world.ask("GET", path, at="2.39")).status


async def test_only_its_owner_changes_an_image(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        mine = await an_image(world, "mine")
        for by, status in (("bob", 404), ("rita", 403)):
            assert status == (await world.ask("DELETE", f"/v2.1/images/{mine}", by=by)).status
        assert 403 == (await world.ask("DELETE", f"/v2.1/images/{IMAGE}")).status
        body = {"metadata": {"a": "1"}}
        assert 403 == (await world.ask("PUT", f"/v2.1/images/{IMAGE}/metadata", body)).status
        assert 404 == (await world.ask("PUT", f"/v2.1/images/{NOWHERE}/metadata", body)).status
        assert 204 == (await world.ask("DELETE", f"/v2.1/images/{mine}")).status
        assert 404 == (await world.ask("GET", f"/v2.1/images/{mine}")).status
        assert 404 == (await world.ask("GET", "/v2.1/images", at="2.36")).status


async def test_an_image_made_of_a_server_says_so(tmp_path: Path) -> None:
    async with a_city(tmp_path) as world:
        id = await world.boot()
        assert 202 == (await world.act(id, createImage={"name": "copy"})).status
        await world.settle()
        (copy,) = (await world.ask("GET", f"/v2.1/images/detail?server={id}")).body["images"]
        assert ("copy", "ACTIVE", id) == (copy["name"], copy["status"], copy["server"]["id"])
