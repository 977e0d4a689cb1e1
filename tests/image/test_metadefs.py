"""Metadata definitions: made by administrators, read by those who may see their namespace."""

from pathlib import Path
from typing import Any

from tests.image.harness import Service, run

SPACES = "/v2/metadefs/namespaces"


async def made(cloud: Service, name: str = "ns", **about: Any) -> dict[str, Any]:
    """A namespace of the administrator's."""
    status, space, _ = await cloud.ask("POST", SPACES, {"namespace": name, **about}, token="root")
    assert 201 == status, space
    assert isinstance(space, dict)
    return space


def test_a_namespace_holds_what_it_was_made_with(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        space = await made(
            cloud,
            visibility="public",
            resource_type_associations=[{"name": "OS::Nova::Flavor", "prefix": "hw:"}],
            properties={"cpu": {"title": "CPU", "type": "integer"}},
            objects=[{"name": "o", "description": "d"}],
            tags=[{"name": "t"}],
        )
        assert space == (await cloud.ask("GET", f"{SPACES}/ns"))[1]
        assert ("public", False, "p0") == (space["visibility"], space["protected"], space["owner"])
        assert {"cpu": {"title": "CPU", "type": "integer"}} == space["properties"]
        assert [["o", [], {}], ["t"]] == [
            [space["objects"][0][name] for name in ("name", "required", "properties")],
            [tag["name"] for tag in space["tags"]],
        ]
        assert "hw:" == space["resource_type_associations"][0]["prefix"]
        assert 409 == (await cloud.ask("POST", SPACES, {"namespace": "ns"}, token="root"))[0]
        nameless = {"namespace": "other", "objects": [{"description": "d"}]}
        assert 400 == (await cloud.ask("POST", SPACES, nameless, token="root"))[0]
        assert 204 == (await cloud.ask("DELETE", f"{SPACES}/ns", token="root"))[0]
        assert 404 == (await cloud.ask("GET", f"{SPACES}/ns"))[0]

    run(tmp_path, test)


def test_properties_are_shown_by_the_names_they_have_on_a_type_of_resource(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(
            cloud,
            visibility="public",
            resource_type_associations=[{"name": "OS::Nova::Flavor", "prefix": "hw:"}, {"name": "OS::Glance::Image"}],
            properties={"cpu": {"title": "CPU", "type": "integer"}},
            objects=[{"name": "o", "properties": {"ram": {"title": "RAM", "type": "integer"}}}],
        )
        for kind, names in (("OS::Nova::Flavor", ["hw:cpu", "hw:ram"]), ("OS::Glance::Image", ["cpu", "ram"])):
            shown = (await cloud.ask("GET", f"{SPACES}/ns?resource_type={kind}"))[1]
            assert names == [*shown["properties"], *shown["objects"][0]["properties"]]
        of_flavors = f"{SPACES}/ns/properties/hw:cpu?resource_type=OS::Nova::Flavor"
        status, shown, _ = await cloud.ask("GET", of_flavors)
        assert (200, "hw:cpu", "CPU") == (status, shown["name"], shown["title"])
        for absent in ("cpu?resource_type=OS::Nova::Flavor", "cpu?resource_type=OS::Trove::Instance", "hw:cpu"):
            assert 404 == (await cloud.ask("GET", f"{SPACES}/ns/properties/{absent}"))[0]

    run(tmp_path, test)


def test_a_private_namespace_shows_to_its_owners_only(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud)
        await made(cloud, "open", visibility="public", resource_type_associations=[{"name": "X"}])
        await made(cloud, "ours", owner="p1")
        for token, names in (("root", {"ns", "open", "ours"}), ("rita", {"open", "ours"}), ("bob", {"open"})):
            body = (await cloud.ask("GET", SPACES, token=token))[1]
            assert names == {space["namespace"] for space in body["namespaces"]}
        assert 404 == (await cloud.ask("GET", f"{SPACES}/ns", token="rita"))[0]
        assert 404 == (await cloud.ask("GET", f"{SPACES}/ns/objects", token="rita"))[0]
        for query, names in (("resource_types=X,Y", {"open"}), ("visibility=private", {"ns", "ours"})):
            body = (await cloud.ask("GET", f"{SPACES}?{query}", token="root"))[1]
            assert names == {space["namespace"] for space in body["namespaces"]}
        page = (await cloud.ask("GET", f"{SPACES}?limit=2", token="root"))[1]
        rest = (await cloud.ask("GET", page["next"], token="root"))[1]
        assert (2, 1) == (len(page["namespaces"]), len(rest["namespaces"]))

    run(tmp_path, test)


def test_the_newest_namespaces_are_listed_first_and_later_pages_are_of_the_same_list(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        for name in ("b", "c", "a"):
            await made(cloud, name, visibility="public")
            cloud.app.clock.move(1)  # type: ignore[attr-defined]
        await made(cloud, "hidden")
        for query, names in (("", ["a", "c", "b"]), ("&sort_key=namespace&sort_dir=asc", ["a", "b", "c"])):
            first = (await cloud.ask("GET", f"{SPACES}?limit=2&visibility=public{query}", token="root"))[1]
            rest = (await cloud.ask("GET", first["next"], token="root"))[1]
            assert names == [space["namespace"] for page in (first, rest) for space in page["namespaces"]]

    run(tmp_path, test)


def test_only_administrators_define(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        assert 403 == (await cloud.ask("POST", SPACES, {"namespace": "x"}))[0]
        await made(cloud, owner="p1")
        for path, body in (
            ("objects", {"name": "x"}),
            ("properties", {"name": "x"}),
            ("tags", {"tags": []}),
            ("tags/x", None),
            ("resource_types", {"name": "x"}),
        ):
            assert 403 == (await cloud.ask("POST", f"{SPACES}/ns/{path}", body))[0]
        assert 403 == (await cloud.ask("DELETE", f"{SPACES}/ns"))[0]

    run(tmp_path, test)


def test_nothing_of_a_protected_namespace_is_deleted(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud, protected=True, tags=[{"name": "t"}])
        for path in ("", "/tags", "/tags/t"):
            assert 403 == (await cloud.ask("DELETE", f"{SPACES}/ns{path}", token="root"))[0]
        status, space, _ = await cloud.ask(
            "PUT", f"{SPACES}/ns", {"namespace": "new", "protected": False}, token="root"
        )
        assert (200, "new", False) == (status, space["namespace"], space["protected"])
        assert 204 == (await cloud.ask("DELETE", f"{SPACES}/new/tags/t", token="root"))[0]

    run(tmp_path, test)


def test_objects_and_properties_are_made_renamed_and_deleted(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud, visibility="public")
        for part in ("objects", "properties"):
            path = f"{SPACES}/ns/{part}"
            about: dict[str, Any] = {"title": "A", "type": "string", "enum": ["x"]}
            body = {"name": "a", **(about if part == "properties" else {"properties": {"p": about}})}
            status, one, _ = await cloud.ask("POST", path, body, token="root")
            assert (201, ["x"]) == (status, one.get("properties", {"p": one})["p"]["enum"])
            assert 409 == (await cloud.ask("POST", path, body, token="root"))[0]
            assert one == (await cloud.ask("GET", f"{path}/a"))[1]
            assert 1 == len((await cloud.ask("GET", path))[1][part])
            status, one, _ = await cloud.ask("PUT", f"{path}/a", {**body, "name": "b"}, token="root")
            assert (200, "b") == (status, one["name"])
            assert 404 == (await cloud.ask("GET", f"{path}/a"))[0]
            assert 204 == (await cloud.ask("DELETE", f"{path}/b", token="root"))[0]
            assert 404 == (await cloud.ask("DELETE", f"{path}/b", token="root"))[0]
            assert 204 == (await cloud.ask("DELETE", path, token="root"))[0]

    run(tmp_path, test)


def test_tags_are_replaced_unless_they_are_appended(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud, visibility="public")
        path = f"{SPACES}/ns/tags"

        async def names() -> list[str]:
            return sorted(tag["name"] for tag in (await cloud.ask("GET", path))[1]["tags"])

        for given, headers, expected in (
            (["a", "b"], {}, ["a", "b"]),
            (["c"], {"x-openstack-append": "true"}, ["a", "b", "c"]),
            (["d"], {}, ["d"]),
        ):
            body = {"tags": [{"name": name} for name in given]}
            assert 201 == (await cloud.ask("POST", path, body, token="root", headers=headers))[0]
            assert expected == await names()
        assert 201 == (await cloud.ask("POST", f"{path}/e", token="root"))[0]
        assert 200 == (await cloud.ask("PUT", f"{path}/e", {"name": "f"}, token="root"))[0]
        assert ["d", "f"] == await names()
        assert 204 == (await cloud.ask("DELETE", path, token="root"))[0]
        assert [] == await names()

    run(tmp_path, test)


def test_resource_types_are_the_usual_ones_and_those_in_use(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud, visibility="public")
        path = f"{SPACES}/ns/resource_types"
        assert 201 == (await cloud.ask("POST", path, {"name": "My::Type"}, token="root"))[0]
        assert ["My::Type"] == [one["name"] for one in (await cloud.ask("GET", path))[1]["resource_type_associations"]]
        names = [one["name"] for one in (await cloud.ask("GET", "/v2/metadefs/resource_types"))[1]["resource_types"]]
        assert {"My::Type", "OS::Glance::Image", "OS::Nova::Server"} <= set(names)
        assert 204 == (await cloud.ask("DELETE", f"{path}/My::Type", token="root"))[0]

    run(tmp_path, test)
