"""What lists of servers are chosen by, and what they refuse."""

from tests.compute.world import a_world

LIST = "/v2.1/servers"


async def test_refuses_parameters_it_does_not_know_since_2_75() -> None:
    async with a_world() as world:
        for path in (LIST, f"{LIST}/detail"):
            assert 200 == (await world.ask("GET", f"{path}?colour=red", at="2.74")).status
            assert 400 == (await world.ask("GET", f"{path}?colour=red", at="2.75")).status
            known = "name=a&limit=1&sort_key=created_at&sort_dir=asc&changes-since=2026-01-01T00:00:00Z&locked=true"
            assert 200 == (await world.ask("GET", f"{path}?{known}", at="2.75")).status
        assert 400 == (await world.ask("GET", f"{LIST}?tagz=a", at="2.104")).status


async def test_addresses_are_chosen_by_regular_expressions() -> None:
    async with a_world() as world:
        id = await world.boot()
        address = (await world.show(id))["addresses"]["private"][0]["addr"]

        async def found(query: str) -> int:
            return len((await world.ask("GET", f"{LIST}?{query}")).body["servers"])

        assert 1 == await found(f"ip=^{address}$")
        assert 1 == await found(f"ip={address[1:-1]}")
        assert 0 == await found("ip=^192")
        assert 0 == await found(f"ip6={address}")
        assert 1 == await found(f"ip6=fe80&ip={address}")


async def test_a_project_is_named_together_with_all_tenants() -> None:
    async with a_world() as world:
        await world.boot()
        assert [] == (await world.ask("GET", f"{LIST}?project_id=p1", by="root")).body["servers"]
        assert 1 == len((await world.ask("GET", f"{LIST}?project_id=p1&all_tenants=1", by="root")).body["servers"])
        assert [] == (await world.ask("GET", f"{LIST}?project_id=p2&all_tenants=1", by="root")).body["servers"]


async def test_networks_that_do_not_exist_make_the_request_wrong() -> None:
    async with a_world() as world:
        networks = [{"uuid": "22222222-2222-4222-8222-222222222229"}]
        assert 400 == (await world.create(networks=networks)).status


async def test_what_an_operation_does_not_take_is_refused_since_2_75_or_2_102() -> None:
    async with a_world() as world:
        id = await world.boot()
        for path, since in (
            ("/servers?", (2, 75)), ("/flavors?", (2, 75)), ("/os-keypairs?", (2, 75)), ("/limits?", (2, 75)),
            ("/os-migrations?", (2, 75)), ("/os-aggregates?", (2, 102)), (f"/servers/{id}?", (2, 102)),
        ):  # fmt: skip
            for minor in (74, 75, 101, 102):
                answered = await world.ask("GET", f"/v2.1{path}nonsense=1", by="root", at=f"2.{minor}")
                assert (400 if (2, minor) >= since else 200) == answered.status, (path, minor)
        for query in ("limit=1&sort_key=created_at&sort_dir=asc", "config_drive=true", "locked_by=me"):
            assert 200 == (await world.ask("GET", f"/v2.1/servers?{query}", by="root", at="2.104")).status


async def test_servers_are_chosen_by_their_config_drive() -> None:
    async with a_world() as world:
        await world.boot(name="without")
        await world.boot(name="with", config_drive=True)
        for word, name in (("true", "with"), ("false", "without")):
            (found,) = (await world.ask("GET", f"/v2.1/servers?config_drive={word}")).body["servers"]
            assert name == found["name"]
