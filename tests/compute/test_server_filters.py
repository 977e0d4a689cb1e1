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
            ("/os-migrations?", (2, 59)), (f"/servers/{id}/os-instance-actions?", (2, 58)), ("/os-aggregates?", (2, 102)), (f"/servers/{id}?", (2, 102)),
        ):  # fmt: skip
            for minor in (57, 58, 59, 74, 75, 101, 102):
                answered = await world.ask("GET", f"/v2.1{path}nonsense=1", by="root", at=f"2.{minor}")
                assert (400 if (2, minor) >= since else 200) == answered.status, (path, minor)
        for query in ("limit=1&sort_key=created_at&sort_dir=asc", "config_drive=true", "locked_by=me"):
            assert 200 == (await world.ask("GET", f"/v2.1/servers?{query}", by="root", at="2.104")).status


async def test_servers_are_chosen_by_their_config_drive() -> None:
    async with a_world() as world:
        await world.boot(name="without")
        await world.boot(name="with", config_drive=True)
        for word, name in (("true", "with"), ("false", "without")):
            (found,) = (await world.ask("GET", f"/v2.1/servers?config_drive={word}", at="2.83")).body["servers"]
            assert name == found["name"]


async def test_members_choose_by_little_until_2_83_and_by_hostname_since_2_90() -> None:
    async with a_world() as world:
        await world.boot()
        for since, filters in (
            (83, ("vm_state=stopped", "key_name=other", "config_drive=true", "availability_zone=other", "power_state=4",
                  "user_id=other", "task_state=rebooting")),
            (90, ("hostname=other",)),
            (105, ("host=other", "description=other", "uuid=other", "launch_index=7", "access_ip_v4=192.0.2.1")),
        ):  # fmt: skip
            for one in filters:
                for minor in (1, since - 1, since):
                    if minor == 105 or (minor == 104 and since == 105):
                        continue
                    found = (await world.ask("GET", f"{LIST}?{one}", at=f"2.{minor}")).body["servers"]
                    assert (0 if minor >= since else 1) == len(found), (one, minor)
                assert [] == (await world.ask("GET", f"{LIST}?{one}&all_tenants=1", by="root")).body["servers"], one


async def test_servers_are_chosen_by_the_zone_they_are_in_and_by_their_power() -> None:
    async with a_world() as world:
        await world.boot(name="here")
        for query in ("availability_zone=nova", "power_state=1"):
            assert 1 == len((await world.ask("GET", f"{LIST}?{query}", at="2.83")).body["servers"]), query
        made = await world.ask(
            "POST", "/v2.1/os-aggregates", {"aggregate": {"name": "n", "availability_zone": "north"}}, by="root"
        )
        path = f"/v2.1/os-aggregates/{made.body['aggregate']['id']}/action"
        assert 200 == (await world.ask("POST", path, {"add_host": {"host": "h1"}}, by="root")).status
        assert [] == (await world.ask("GET", f"{LIST}?availability_zone=nova", at="2.83")).body["servers"]
        assert 1 == len((await world.ask("GET", f"{LIST}?availability_zone=north", at="2.83")).body["servers"])


async def test_deleted_servers_are_listed_for_admins_only() -> None:
    async with a_world() as world:
        id = await world.boot()
        kept = await world.boot(name="kept")
        await world.ask("DELETE", f"{LIST}/{id}")
        await world.settle()

        async def found(query: str, by: str = "alice") -> list[str]:
            return [server["id"] for server in (await world.ask("GET", f"{LIST}?{query}", by=by)).body["servers"]]

        assert [kept] == await found("deleted=true")
        assert [id] == await found("deleted=true&all_tenants=1", by="root")
        assert [id] == await found("status=DELETED&all_tenants=1", by="root")
        refused = await world.ask("GET", f"{LIST}?status=deleted")
        said = "Only administrators may list deleted instances"
        assert (403, said) == (refused.status, refused.body["forbidden"]["message"])
        assert {id, kept} == set(await found("changes-since=2020-01-01T00:00:00Z"))


async def test_where_servers_are_orders_no_list_of_members() -> None:
    async with a_world() as world:
        for key in ("host", "node"):
            assert 403 == (await world.ask("GET", f"{LIST}?sort_key={key}")).status
            assert 200 == (await world.ask("GET", f"{LIST}?sort_key={key}", by="root")).status
