"""Hosts, limits and versions through the API."""

from tests.compute.world import a_world

from pileus.compute.agent import booted_at


async def test_versions_are_told_to_everybody() -> None:
    async with a_world() as world:
        answered = await world.ask("GET", "/", by=None)
        old, version = answered.body["versions"]
        assert ("v2.0", "SUPPORTED", "") == (old["id"], old["status"], old["version"])
        assert 200 == (await world.ask("GET", "/v2/", by=None)).status
        assert 200 == (await world.ask("GET", "/v2/p1/servers")).status
        assert ("v2.1", "CURRENT", "2.104", "2.1") == (
            version["id"], version["status"], version["version"], version["min_version"],
        )  # fmt: skip
        assert "http://cloud:1/compute/v2.1/" == version["links"][0]["href"]
        assert "v2.1" == (await world.ask("GET", "/v2.1", by=None)).body["version"]["id"]
        assert "v2.1" == (await world.ask("GET", "/v2.1/", by=None)).body["version"]["id"]
        assert 406 == (await world.ask("GET", "/v2.1/servers", at="2.105")).status


async def test_zones_services_and_hypervisors() -> None:
    async with a_world("h1", "h2") as world:
        await world.boot()
        (zone,) = (await world.ask("GET", "/v2.1/os-availability-zone")).body["availabilityZoneInfo"]
        assert {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None} == zone
        (zone,) = (await world.ask("GET", "/v2.1/os-availability-zone/detail", by="root")).body["availabilityZoneInfo"]
        assert zone["hosts"]["h1"]["nova-compute"]["available"]
        services = (await world.ask("GET", "/v2.1/os-services", by="root")).body["services"]
        assert [(1, "h1", "up", "enabled"), (2, "h2", "up", "enabled")] == [
            (service["id"], service["host"], service["state"], service["status"]) for service in services
        ]
        assert "forced_down" not in services[0]
        hosts = (await world.ask("GET", "/v2.1/os-hypervisors/detail", by="root")).body["hypervisors"]
        assert {4} == {host["vcpus"] for host in hosts}
        assert 1 == sum(host["running_vms"] for host in hosts)
        assert 512 == sum(host["memory_mb_used"] for host in hosts)
        newest = (await world.ask("GET", "/v2.1/os-hypervisors/detail", by="root", at="2.104")).body["hypervisors"]
        assert {"vcpus", "cpu_info", "running_vms"}.isdisjoint(newest[0])
        assert [] == newest[0]["servers"]
        path = f"/v2.1/os-hypervisors/{newest[0]['id']}"
        assert (
            newest[0]["hypervisor_hostname"]
            == ((await world.ask("GET", path, by="root", at="2.104")).body["hypervisor"]["hypervisor_hostname"])
        )
        assert 404 == (await world.ask("GET", "/v2.1/os-hypervisors/9", by="root")).status
        sums = (await world.ask("GET", "/v2.1/os-hypervisors/statistics", by="root")).body["hypervisor_statistics"]
        assert (2, 8, 1) == (sums["count"], sums["vcpus"], sums["vcpus_used"])
        with_servers = await world.ask("GET", "/v2.1/os-hypervisors?with_servers=true", by="root", at="2.53")
        assert 1 == sum(len(host.get("servers", [])) for host in with_servers.body["hypervisors"])


async def test_a_host_tells_how_long_it_is_up() -> None:
    async with a_world() as world:
        told = await world.ask("GET", "/v2.1/os-hypervisors/1/uptime", by="root")
        assert (200, "h1") == (told.status, told.body["hypervisor"]["hypervisor_hostname"])
        assert told.body["hypervisor"]["uptime"].endswith(" up 3 days,  2:05")
        (newest,) = (await world.ask("GET", "/v2.1/os-hypervisors/detail", by="root", at="2.88")).body["hypervisors"]
        assert newest["uptime"].endswith(" up 3 days,  2:05")
        assert (
            404 == (await world.ask("GET", f"/v2.1/os-hypervisors/{newest['id']}/uptime", by="root", at="2.88")).status
        )


def test_the_time_a_host_came_up_is_read_where_its_kernel_tells_it() -> None:
    assert 1795000000 == booted_at("cpu  1 2 3\nbtime 1795000000\nprocesses 4\n")
    assert booted_at("cpu  1 2 3\n") is None


async def test_a_host_that_is_gone_can_be_forgotten() -> None:
    async with a_world("h1", "h2") as world:
        services = (await world.ask("GET", "/v2.1/os-services", by="root", at="2.53")).body["services"]
        second = next(service["id"] for service in services if service["host"] == "h2")
        assert 409 == (await world.ask("DELETE", f"/v2.1/os-services/{second}", by="root", at="2.53")).status
        del world.agents["h2"]
        world.clock.move(60)
        assert 204 == (await world.ask("DELETE", f"/v2.1/os-services/{second}", by="root", at="2.53")).status
        assert ["h1"] == [s["host"] for s in (await world.ask("GET", "/v2.1/os-services", by="root")).body["services"]]
        assert {"h1"} == world.placement.providers.keys()


async def test_quota_sets_show_what_their_version_knows() -> None:
    async with a_world() as world:
        await world.boot()
        oldest = (await world.ask("GET", "/v2.1/os-quota-sets/p1")).body["quota_set"]
        assert ("p1", 10, 20, 51200, 100, 128) == tuple(
            oldest[name] for name in ("id", "instances", "cores", "ram", "key_pairs", "metadata_items")
        )
        assert {"fixed_ips", "injected_files", "server_groups"} <= oldest.keys()
        newest = (await world.ask("GET", "/v2.1/os-quota-sets/p1", at="2.57")).body["quota_set"]
        assert {"fixed_ips", "injected_files"}.isdisjoint(newest)
        assert 200 == (await world.ask("GET", "/v2.1/os-quota-sets/p1/defaults", at="2.57")).status
        detail = (await world.ask("GET", "/v2.1/os-quota-sets/p1/detail", at="2.57")).body["quota_set"]
        assert {"limit": 10, "in_use": 1, "reserved": 0} == detail["instances"]
        assert 403 == (await world.ask("GET", "/v2.1/os-quota-sets/p2")).status
        body = {"quota_set": {"cores": 5, "key_pairs": -1}}
        changed = (await world.ask("PUT", "/v2.1/os-quota-sets/p1", body, by="root")).body["quota_set"]
        assert (5, -1) == (changed["cores"], changed["key_pairs"])
        assert "id" not in changed
        body = {"quota_set": {"instances": 0}}
        assert 400 == (await world.ask("PUT", "/v2.1/os-quota-sets/p1", body, by="root")).status
        body["quota_set"]["force"] = True
        assert 200 == (await world.ask("PUT", "/v2.1/os-quota-sets/p1", body, by="root")).status
        assert 202 == (await world.ask("DELETE", "/v2.1/os-quota-sets/p1", by="root")).status
        assert 20 == (await world.ask("GET", "/v2.1/os-quota-sets/p1")).body["quota_set"]["cores"]


async def test_limits_and_extensions() -> None:
    async with a_world() as world:
        absolute = (await world.ask("GET", "/v2.1/limits")).body["limits"]["absolute"]
        assert (10, 20, 51200, 100) == tuple(
            absolute[name] for name in ("maxTotalInstances", "maxTotalCores", "maxTotalRAMSize", "maxTotalKeypairs")
        )
        assert "maxPersonality" not in (await world.ask("GET", "/v2.1/limits", at="2.57")).body["limits"]["absolute"]
        assert 403 == (await world.ask("GET", "/v2.1/limits?tenant_id=p2")).status
        assert 200 == (await world.ask("GET", "/v2.1/limits?tenant_id=p2", by="root")).status
        aliases = [one["alias"] for one in (await world.ask("GET", "/v2.1/extensions")).body["extensions"]]
        assert "os-keypairs" in aliases
        assert {"server_groups": []} == (await world.ask("GET", "/v2.1/os-server-groups")).body


async def test_the_default_class_is_what_projects_may_have() -> None:
    async with a_world() as world:
        path = "/v2.1/os-quota-class-sets/default"
        body = {"quota_class_set": {"instances": 1}}
        assert 1 == (await world.ask("PUT", path, body, by="root")).body["quota_class_set"]["instances"]
        assert 1 == (await world.ask("GET", path, by="root")).body["quota_class_set"]["instances"]
        assert 1 == (await world.ask("GET", "/v2.1/os-quota-sets/p1")).body["quota_set"]["instances"]
        await world.boot()
        assert 403 == (await world.create()).status
        other = "/v2.1/os-quota-class-sets/other"
        assert 400 == (await world.ask("PUT", other, body, by="root")).status


async def test_users_may_have_less_than_their_project() -> None:
    async with a_world() as world:
        path = "/v2.1/os-quota-sets/p1?user_id=alice"
        shown = await world.ask("PUT", path, {"quota_set": {"instances": 1}}, by="root")
        assert 1 == shown.body["quota_set"]["instances"]
        assert 400 == (await world.ask("PUT", path, {"quota_set": {"instances": 11}}, by="root")).status
        await world.boot()
        assert 403 == (await world.create()).status
        detail = (await world.ask("GET", "/v2.1/os-quota-sets/p1/detail?user_id=alice")).body["quota_set"]
        assert {"limit": 1, "in_use": 1, "reserved": 0} == detail["instances"]
        assert 10 == (await world.ask("GET", "/v2.1/os-quota-sets/p1")).body["quota_set"]["instances"]
        assert 202 == (await world.ask("DELETE", path, by="root")).status
        assert 202 == (await world.create()).status


async def test_servers_tell_admins_how_their_hosts_fare() -> None:
    async with a_world() as world:
        id = await world.boot()
        (service,) = (await world.ask("GET", "/v2.1/os-services", by="root", at="2.53")).body["services"]
        path = f"/v2.1/os-services/{service['id']}"
        for said, state, status in (
            ({"status": "disabled"}, "up", "MAINTENANCE"),
            ({"forced_down": True}, "down", "DOWN"),
            ({"status": "enabled"}, "down", "DOWN"),
            ({"forced_down": False}, "up", "UP"),
        ):
            changed = await world.ask("PUT", path, said, by="root", at="2.53")
            assert (200, state) == (changed.status, changed.body["service"]["state"])
            assert status == (await world.show(id, by="root", at="2.16"))["host_status"]
            assert "host_status" not in await world.show(id, at="2.16")
        world.clock.move(3600)
        assert "UNKNOWN" == (await world.show(id, by="root", at="2.16"))["host_status"]
