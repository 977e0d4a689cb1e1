"""What is told of servers besides themselves: usage, diagnostics, events of other services, the audit log."""

import datetime as dt

from tests.compute.world import World, a_world

PATH = "/v2.1/os-simple-tenant-usage"


def _text(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}"


def _range(world: World) -> str:
    now = world.clock.now()
    return f"start={_text(now - dt.timedelta(days=1))}&end={_text(now + dt.timedelta(days=1))}"


async def test_usage_is_hours_times_size() -> None:
    async with a_world() as world:
        id = await world.boot()
        start = world.clock.now()
        world.clock.move(7200)
        period = f"start={_text(start)}&end={_text(start + dt.timedelta(hours=2))}"
        used = (await world.ask("GET", f"{PATH}/p1?{period}")).body["tenant_usage"]
        assert 2.0 == round(used["total_hours"], 2)
        assert 1024.0 == round(used["total_memory_mb_usage"], 1)
        (server,) = used["server_usages"]
        assert (id, "small", "active", None) == (
            server["instance_id"], server["flavor"], server["state"], server["ended_at"],
        )  # fmt: skip
        await world.ask("DELETE", f"/v2.1/servers/{id}")
        await world.settle()
        (gone,) = (await world.ask("GET", f"{PATH}/p1?{_range(world)}")).body["tenant_usage"]["server_usages"]
        assert "terminated" == gone["state"]


async def test_usage_of_others_is_for_admins() -> None:
    async with a_world() as world:
        await world.boot()
        assert 403 == (await world.ask("GET", f"{PATH}/p2")).status
        assert 403 == (await world.ask("GET", PATH)).status
        found = (await world.ask("GET", f"{PATH}?detailed=1&{_range(world)}", by="root")).body["tenant_usages"]
        assert ["p1"] == [each["tenant_id"] for each in found]
        assert 1 == len(found[0]["server_usages"])
        found = (await world.ask("GET", f"{PATH}?detailed=True&{_range(world)}", by="root")).body["tenant_usages"]
        assert 1 == len(found[0]["server_usages"])
        assert {"tenant_usage": {}} == (await world.ask("GET", f"{PATH}/p7?{_range(world)}", by="root")).body


async def test_usage_is_paged_since_2_40() -> None:
    async with a_world() as world:
        ids = sorted([await world.boot() for _ in range(3)])
        path = f"{PATH}/p1?{_range(world)}"
        first = (await world.ask("GET", f"{path}&limit=2", at="2.40")).body
        assert ids[:2] == [each["instance_id"] for each in first["tenant_usage"]["server_usages"]]
        assert f"marker={ids[1]}" in first["tenant_usage_links"][0]["href"]
        rest = (await world.ask("GET", f"{path}&marker={ids[1]}", at="2.40")).body
        assert ids[2:] == [each["instance_id"] for each in rest["tenant_usage"]["server_usages"]]
        assert "tenant_usage_links" not in rest


async def test_refuses_periods_that_are_none() -> None:
    async with a_world() as world:
        assert 400 == (await world.ask("GET", f"{PATH}/p1?start=never")).status
        assert 400 == (await world.ask("GET", f"{PATH}/p1?start=2026-01-02T00:00:00&end=2026-01-01T00:00:00")).status


async def test_diagnostics_are_for_admins_and_servers_that_run() -> None:
    async with a_world() as world:
        id = await world.boot()
        shown = (await world.ask("GET", f"/v2.1/servers/{id}/diagnostics", by="root", at="2.48")).body
        assert ("running", 1, 1, 512) == (
            shown["state"], shown["num_cpus"], shown["num_nics"], shown["memory_details"]["maximum"],
        )  # fmt: skip
        assert {"memory": 512 * 1024} == (await world.ask("GET", f"/v2.1/servers/{id}/diagnostics", by="root")).body
        await world.act(id, os_stop=None)
        await world.settle()
        assert 409 == (await world.ask("GET", f"/v2.1/servers/{id}/diagnostics", by="root")).status


async def test_events_of_other_services_are_taken() -> None:
    async with a_world() as world:
        id = await world.boot()
        event = {"name": "network-changed", "server_uuid": id}
        unknown = {**event, "server_uuid": "11111111-1111-4111-8111-111111111112"}
        path = "/v2.1/os-server-external-events"
        assert 403 == (await world.ask("POST", path, {"events": [event]})).status
        taken = await world.ask("POST", path, {"events": [event]}, by="root")
        assert (200, [{**event, "status": "completed", "code": 200}]) == (
            taken.status,
            taken.body["events"],
        )
        both = await world.ask("POST", path, {"events": [event, unknown]}, by="root")
        assert (207, [200, 404]) == (both.status, [each["code"] for each in both.body["events"]])
        assert 404 == (await world.ask("POST", path, {"events": [unknown]}, by="root")).status
        late = {"events": [{**event, "name": "volume-extended"}]}
        assert 400 == (await world.ask("POST", path, late, by="root", at="2.50")).status
        assert 200 == (await world.ask("POST", path, late, by="root", at="2.51")).status


async def test_the_audit_log_says_that_no_host_makes_audits() -> None:
    async with a_world() as world:
        path = "/v2.1/os-instance_usage_audit_log"
        log = (await world.ask("GET", path, by="root")).body["instance_usage_audit_logs"]
        assert (["h1"], "0 of 1 hosts done. 0 errors.") == (log["hosts_not_run"], log["overall_status"])
        assert 400 == (await world.ask("GET", f"{path}/yesterday", by="root")).status
        assert 200 == (await world.ask("GET", f"{path}/2026-01-01 00:00:00", by="root")).status


async def test_a_changed_server_is_shown_in_brief_until_2_75() -> None:
    async with a_world() as world:
        id = await world.boot()
        body = {"server": {"name": "two", "accessIPv6": "0::0:babe:220.12.22.2"}}
        brief = (await world.ask("PUT", f"/v2.1/servers/{id}", body)).body["server"]
        assert ("two", "::babe:dc0c:1602") == (brief["name"], brief["accessIPv6"])
        assert not [name for name in brief if name.startswith("OS-EXT")]
        assert {"version", "addr"} == brief["addresses"]["private"][0].keys()
        full = (await world.ask("PUT", f"/v2.1/servers/{id}", {"server": {"name": "3"}}, at="2.75")).body["server"]
        assert "active" == full["OS-EXT-STS:vm_state"]
        for wrong in ({"accessIPv4": "1.2.3.4.5"}, {"accessIPv6": "1.2.3.4"}):
            assert 400 == (await world.ask("PUT", f"/v2.1/servers/{id}", {"server": wrong})).status
            assert 400 == (await world.create(**wrong)).status
