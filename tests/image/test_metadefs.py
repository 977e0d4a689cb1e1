"""Metadata definitions: made by administrators, read by those who may see their namespace."""

import html
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
            objects=[{"name": "o", "required": ["ram"], "properties": {"ram": {"title": "RAM", "type": "integer"}}}],
        )
        for kind, names in (("OS::Nova::Flavor", ["hw:cpu", "hw:ram"]), ("OS::Glance::Image", ["cpu", "ram"])):
            shown = (await cloud.ask("GET", f"{SPACES}/ns?resource_type={kind}"))[1]
            assert names == [*shown["properties"], *shown["objects"][0]["properties"]]
            assert names[1:] == shown["objects"][0]["required"]
        of_flavors = f"{SPACES}/ns/properties/hw:cpu?resource_type=OS::Nova::Flavor"
        status, shown, _ = await cloud.ask("GET", of_flavors)
        assert (200, "cpu", "CPU") == (status, shown["name"], shown["title"])
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
        types = (await cloud.ask("GET", "/v2/metadefs/resource_types"))[1]["resource_types"]
        assert ["2026-01-01T00:00:00Z"] == [one["created_at"] for one in types if one["name"] == "My::Type"]
        assert 204 == (await cloud.ask("DELETE", f"{path}/My::Type", token="root"))[0]

    run(tmp_path, test)


def test_what_is_not_said_of_a_namespace_anew_is_as_in_a_new_one_and_what_it_holds_stays(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        about = {"display_name": "D", "description": "d", "visibility": "public", "protected": True, "owner": "p1"}
        await made(cloud, tags=[{"name": "t"}], **about)
        status, space, _ = await cloud.ask("PUT", f"{SPACES}/ns", {"namespace": "ns"}, token="root")
        assert (200, "private", False, "p0") == (
            status,
            *(space[name] for name in ("visibility", "protected", "owner")),
        )
        assert not {"display_name", "description"} & set(space)
        assert ["t"] == [tag["name"] for tag in (await cloud.ask("GET", f"{SPACES}/ns", token="root"))[1]["tags"]]
        status, space, _ = await cloud.ask("PUT", f"{SPACES}/ns", {"namespace": "ns", **about}, token="root")
        assert (200, about) == (status, {name: space[name] for name in about})

    run(tmp_path, test)


def test_objects_and_tags_are_listed_whole_or_in_pages_the_newest_first(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(cloud, visibility="public")
        names = [f"n{number:02}" for number in range(30)]
        for name in names:
            cloud.app.clock.move(1)  # type: ignore[attr-defined]
            assert 201 == (await cloud.ask("POST", f"{SPACES}/ns/objects", {"name": name}, token="root"))[0]
            assert 201 == (await cloud.ask("POST", f"{SPACES}/ns/tags/{name}", token="root"))[0]
        for kind, missing in (("objects", "definition object"), ("tags", "definition tag")):
            path = f"{SPACES}/ns/{kind}"
            whole = (await cloud.ask("GET", path))[1]
            assert (names[::-1], False) == ([one["name"] for one in whole[kind]], "next" in whole)
            page = (await cloud.ask("GET", f"{path}?limit=20&sort_key=name&sort_dir=asc"))[1]
            assert f"{path}?limit=20&sort_key=name&sort_dir=asc" == page["first"]
            rest = (await cloud.ask("GET", page["next"]))[1]
            assert names == [one["name"] for one in [*page[kind], *rest[kind]]]
            assert "next" not in rest
            after = (await cloud.ask("GET", f"{path}?marker=n02"))[1]
            assert ["n01", "n00"] == [one["name"] for one in after[kind]]
            status, why, _ = await cloud.ask("GET", f"{path}?marker=nobody")
            assert (404, True) == (status, f"{missing} with name=nobody was not found".encode() in why)
            for bad in ("limit=0", "limit=-1", "limit=x", "sort_dir=up", "sort_key=colour"):
                assert 400 == (await cloud.ask("GET", f"{path}?{bad}"))[0], bad

    run(tmp_path, test)


def test_what_is_refused_is_refused_in_the_words_of_openstack(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await made(
            cloud,
            protected=True,
            resource_type_associations=[{"name": "T", "prefix": "p:"}],
            properties={"p": {"title": "P", "type": "string"}},
            objects=[{"name": "o"}],
            tags=[{"name": "t"}],
        )
        tie = "The metadata definition resource-type association of resource-type={} to namespace=ns"
        prop = {"name": "p", "title": "P", "type": "string"}
        for method, path, body, status, why in (
            ("DELETE", "/objects/o", None, 403, "Metadata definition object o is protected and cannot be deleted."),
            ("DELETE", "/properties/p", None, 403, "Metadata definition property p is protected and cannot be deleted."),
            ("DELETE", "/tags/t", None, 403, "Metadata definition tag t is protected and cannot be deleted."),
            ("DELETE", "/resource_types/T", None, 403,
             "Metadata definition resource-type-association T is protected and cannot be deleted."),
            ("DELETE", "/objects", None, 403, "Metadata definition namespace ns is protected and cannot be deleted."),
            ("DELETE", "", None, 403, "Metadata definition namespace ns is protected and cannot be deleted."),
            ("DELETE", "/objects/x", None, 404, "The metadata definition object with name=x was not found in namespace=ns."),
            ("DELETE", "/resource_types/X", None, 404, f"{tie.format('X')}, was not found."),
            ("POST", "/resource_types", {"name": "T"}, 409, f"{tie.format('T')} already exists."),
            ("POST", "/properties", prop, 409, "A property with name=p already exists in namespace=ns."),
            ("POST", "/objects", {"name": "o"}, 409,
             "A metadata definition object with name=o already exists in namespace=ns."),
            ("POST", "/tags/t", None, 409, "A metadata tag with name=t already exists in namespace=ns."),
            ("GET", "/properties/p?resource_type=T", None, 404,
             "Property p does not start with the expected resource type association prefix of 'p:'."),
        ):  # fmt: skip
            got, answer, _ = await cloud.ask(method, f"{SPACES}/ns{path}", body, token="root")
            words = html.unescape(answer.decode())
            assert (status, True) == (got, why in words), (method, path, words)

    run(tmp_path, test)
