"""Flavors through their API."""

from tests.compute.world import a_world

PATH = "/v2.1/flavors"


async def test_flavors_are_made_shown_and_deleted() -> None:
    async with a_world() as world:
        body = {"flavor": {"name": "m1", "ram": 512, "vcpus": 1, "disk": 10, "id": "auto", "swap": 0}}
        made = (await world.ask("POST", PATH, body, by="root")).body["flavor"]
        assert 36 == len(made["id"])
        assert ("", 0, True, 1.0) == (
            made["swap"], made["OS-FLV-EXT-DATA:ephemeral"], made["os-flavor-access:is_public"], made["rxtx_factor"],
        )  # fmt: skip
        assert {"description", "extra_specs"}.isdisjoint(made)
        newest = (await world.ask("GET", f"{PATH}/{made['id']}", at="2.104")).body["flavor"]
        assert (0, None, {}) == (newest["swap"], newest["description"], newest["extra_specs"])
        assert {"rxtx_factor", "OS-FLV-DISABLED:disabled"}.isdisjoint(newest)
        assert 409 == (await world.ask("POST", PATH, body, by="root")).status
        again = {"flavor": {**body["flavor"], "name": "m2", "id": made["id"]}}
        assert 409 == (await world.ask("POST", PATH, again, by="root")).status
        changed = await world.ask("PUT", f"{PATH}/{made['id']}", {"flavor": {"description": "d"}}, by="root", at="2.55")
        assert "d" == changed.body["flavor"]["description"]
        assert 202 == (await world.ask("DELETE", f"{PATH}/{made['id']}", by="root")).status
        answered = await world.ask("GET", f"{PATH}/{made['id']}")
        assert (404, f"Flavor {made['id']} could not be found.") == (
            answered.status, answered.body["itemNotFound"]["message"],
        )  # fmt: skip


async def test_flavors_are_listed_by_size_and_name() -> None:
    async with a_world() as world:
        await world.flavor("large", ram=4096, disk=20)

        async def ids(query: str, at: str = "2.1", by: str = "alice") -> list[str]:
            answered = await world.ask("GET", f"{PATH}?{query}", at=at, by=by)
            return [flavor["id"] for flavor in answered.body["flavors"]]

        assert ["large", "small"] == await ids("")
        assert ["large"] == await ids("minRam=1024")
        assert ["large"] == await ids("minDisk=10")
        assert 400 == (await world.ask("GET", f"{PATH}?minRam={10**40}")).status
        assert ["small", "large"] == await ids("sort_key=memory_mb&sort_dir=asc")
        assert ["large"] == await ids("limit=1")
        assert ["small"] == await ids("marker=large")
        assert ["small"] == await ids("name=small", at="2.102")
        assert ["large", "small"] == await ids("is_public=None", by="root")
        assert 2 == len((await world.ask("GET", f"{PATH}/detail")).body["flavors"])


async def test_private_flavors_are_for_those_who_were_let_in() -> None:
    async with a_world() as world:
        await world.flavor("secret", **{"os-flavor-access:is_public": False})
        assert 404 == (await world.ask("GET", f"{PATH}/secret")).status
        assert 400 == (await world.create(flavorRef="secret")).status
        act = f"{PATH}/secret/action"
        answered = await world.ask("POST", act, {"addTenantAccess": {"tenant": "p1"}}, by="root")
        assert [{"flavor_id": "secret", "tenant_id": "p1"}] == answered.body["flavor_access"]
        assert 409 == (await world.ask("POST", act, {"addTenantAccess": {"tenant": "p1"}}, by="root")).status
        assert 202 == (await world.create(flavorRef="secret")).status
        assert ["secret", "small"] == [f["id"] for f in (await world.ask("GET", PATH)).body["flavors"]]
        assert 200 == (await world.ask("POST", act, {"removeTenantAccess": {"tenant": "p1"}}, by="root")).status
        assert 404 == (await world.ask("GET", f"{PATH}/secret")).status
        assert 404 == (await world.ask("GET", f"{PATH}/small/os-flavor-access", by="root")).status
        assert [] == (await world.ask("GET", f"{PATH}/secret/os-flavor-access", by="root")).body["flavor_access"]


async def test_extra_specs_are_read_and_written() -> None:
    async with a_world() as world:
        path = f"{PATH}/small/os-extra_specs"
        body = {"extra_specs": {"hw:a": "1", "b": "2"}}
        assert body == (await world.ask("POST", path, body, by="root")).body
        assert body == (await world.ask("GET", path)).body
        assert {"b": "3"} == (await world.ask("PUT", f"{path}/b", {"b": "3"}, by="root")).body
        assert {"b": "3"} == (await world.ask("GET", f"{path}/b")).body
        assert 200 == (await world.ask("DELETE", f"{path}/b", by="root")).status
        assert 404 == (await world.ask("GET", f"{path}/b")).status
        assert {"hw:a": "1"} == (await world.ask("GET", f"{PATH}/small", at="2.61")).body["flavor"]["extra_specs"]


async def test_bad_flavors_are_refused() -> None:
    async with a_world() as world:
        for flaw in ({"ram": 0}, {"vcpus": 0}, {"disk": -1}, {"name": ""}, {"rxtx_factor": 0}, {"id": "a/b"}):
            flavor = {"name": "x", "ram": 1, "vcpus": 1, "disk": 1, **flaw}
            assert 400 == (await world.ask("POST", PATH, {"flavor": flavor}, by="root")).status
