"""Aggregates, and the availability zones they make."""

from typing import Any

from tests.compute.fakes import IMAGE, an_image
from tests.compute.world import Answered, World, a_world

PATH = "/v2.1/os-aggregates"


async def a_zone(world: World, name: str, *hosts: str, **metadata: str) -> int:
    body = {"aggregate": {"name": f"{name} hosts", "availability_zone": name}}
    number = int((await world.ask("POST", PATH, body, by="root")).body["aggregate"]["id"])
    for host in hosts:
        answered = await act(world, number, "add_host", host=host)
        assert 200 == answered.status, answered.body
    if metadata:
        await act(world, number, "set_metadata", metadata=metadata)
    return number


async def act(world: World, number: int, action: str, **body: Any) -> Answered:
    return await world.ask("POST", f"{PATH}/{number}/action", {action: body}, by="root")


async def test_is_made_changed_and_removed() -> None:
    async with a_world("h1", "h2") as world:
        made = (await world.ask("POST", PATH, {"aggregate": {"name": "fast"}}, by="root", at="2.41")).body["aggregate"]
        assert {"id", "uuid", "name", "availability_zone", "created_at", "updated_at", "deleted_at", "deleted"} == set(
            made
        )
        number = made["id"]
        assert 409 == (await world.ask("POST", PATH, {"aggregate": {"name": "fast"}}, by="root")).status
        assert ["h1"] == (await act(world, number, "add_host", host="h1")).body["aggregate"]["hosts"]
        assert 409 == (await act(world, number, "add_host", host="h1")).status
        assert 404 == (await act(world, number, "add_host", host="nowhere")).status
        shown = (await act(world, number, "set_metadata", metadata={"ssd": "true", "a": "b"})).body["aggregate"]
        assert {"ssd": "true", "a": "b"} == shown["metadata"]
        shown = (await act(world, number, "set_metadata", metadata={"a": None})).body["aggregate"]
        assert {"ssd": "true"} == shown["metadata"]
        body = {"aggregate": {"name": "faster", "availability_zone": "az"}}
        shown = (await world.ask("PUT", f"{PATH}/{number}", body, by="root")).body["aggregate"]
        assert ("faster", {"ssd": "true", "availability_zone": "az"}) == (shown["name"], shown["metadata"])
        assert 400 == (await world.ask("DELETE", f"{PATH}/{number}", by="root")).status
        assert [] == (await act(world, number, "remove_host", host="h1")).body["aggregate"]["hosts"]
        assert 404 == (await act(world, number, "remove_host", host="h1")).status
        assert 200 == (await world.ask("DELETE", f"{PATH}/{number}", by="root")).status
        assert 404 == (await world.ask("GET", f"{PATH}/{number}", by="root")).status
        assert [] == (await world.ask("GET", PATH, by="root")).body["aggregates"]


async def test_a_host_is_in_one_zone() -> None:
    async with a_world("h1") as world:
        await a_zone(world, "az1", "h1")
        other = await a_zone(world, "az2")
        assert 409 == (await act(world, other, "add_host", host="h1")).status
        plain = (await world.ask("POST", PATH, {"aggregate": {"name": "plain"}}, by="root")).body["aggregate"]["id"]
        assert 200 == (await act(world, plain, "add_host", host="h1")).status
        body = {"aggregate": {"availability_zone": "az2"}}
        assert 409 == (await world.ask("PUT", f"{PATH}/{plain}", body, by="root")).status


async def test_servers_come_to_the_zone_they_name() -> None:
    async with a_world("h1", "h2") as world:
        await a_zone(world, "az2", "h2")
        zones = (await world.ask("GET", "/v2.1/os-availability-zone")).body["availabilityZoneInfo"]
        assert ["az2", "nova"] == [zone["zoneName"] for zone in zones]
        for zone, host in (("az2", "h2"), ("nova", "h1")):
            shown = await world.show(await world.boot(availability_zone=zone), by="root")
            assert (zone, host) == (shown["OS-EXT-AZ:availability_zone"], shown["OS-EXT-SRV-ATTR:host"])
        assert 400 == (await world.create(availability_zone="elsewhere")).status
        assert 400 == (await world.create(by="root", availability_zone="nova:h2")).status
        services = (await world.ask("GET", "/v2.1/os-services", by="root")).body["services"]
        assert {"h1": "nova", "h2": "az2"} == {each["host"]: each["zone"] for each in services}


async def test_a_full_zone_is_no_reason_to_use_another() -> None:
    async with a_world("h1", "h2") as world:
        await a_zone(world, "az2", "h2")
        await world.ask("PUT", "/v2.1/os-services/disable", {"host": "h2", "binary": "nova-compute"}, by="root")
        failed = await world.show(await world.boot(availability_zone="az2"))
        assert "h1: is in zone nova" in failed["fault"]["message"]
        assert "h2: is disabled" in failed["fault"]["message"]


async def test_flavors_may_ask_for_what_is_said_of_an_aggregate() -> None:
    async with a_world("h1", "h2") as world:
        await a_zone(world, "az2", "h2", ssd="true")
        await world.flavor("fast")
        specs = {"extra_specs": {"aggregate_instance_extra_specs:ssd": "true"}}
        await world.ask("POST", "/v2.1/flavors/fast/os-extra_specs", specs, by="root")
        shown = await world.show(await world.boot(flavorRef="fast"), by="root")
        assert "h2" == shown["OS-EXT-SRV-ATTR:host"]


async def test_a_host_may_be_named() -> None:
    async with a_world("h1", "h2") as world:
        shown = await world.show(await world.boot(by="root", at="2.74", host="h2", networks="auto"), by="root")
        assert "h2" == shown["OS-EXT-SRV-ATTR:host"]
        assert 400 == (await world.create(by="root", at="2.74", host="h9", networks="auto")).status
        assert 403 == (await world.create(at="2.74", host="h2", networks="auto")).status


async def test_hosts_are_shown_to_old_clients() -> None:
    async with a_world("h1", "h2") as world:
        await world.boot(by="alice")
        hosts = (await world.ask("GET", "/v2.1/os-hosts", by="root")).body["hosts"]
        assert [{"host_name": "h1", "service": "compute", "zone": "nova"}] == hosts[:1]
        shown = (await world.ask("GET", "/v2.1/os-hosts/h1", by="root")).body["host"]
        assert ["(total)", "(used_now)", "(used_max)"] == [row["resource"]["project"] for row in shown][:3]
        assert 404 == (await world.ask("GET", "/v2.1/os-hosts", by="root", at="2.43")).status
        found = (await world.ask("GET", "/v2.1/os-hypervisors/h1/search", by="root")).body["hypervisors"]
        assert ["h1"] == [each["hypervisor_hostname"] for each in found]
        found = (await world.ask("GET", "/v2.1/os-hypervisors/h/servers", by="root")).body["hypervisors"]
        assert 1 == sum(len(each.get("servers", [])) for each in found)


async def an_aggregate(world: World, *hosts: str) -> int:
    made = await world.ask("POST", "/v2.1/os-aggregates", {"aggregate": {"name": "fast"}}, by="root")
    number = int(made.body["aggregate"]["id"])
    for host in hosts:
        body = {"add_host": {"host": host}}
        assert 200 == (await world.ask("POST", f"/v2.1/os-aggregates/{number}/action", body, by="root")).status
    return number


async def cache(world: World, number: int, *images: str, by: str = "root", at: str = "2.81") -> int:
    body = {"cache": [{"id": image} for image in images]}
    return (await world.ask("POST", f"/v2.1/os-aggregates/{number}/images", body, by=by, at=at)).status


async def test_the_hosts_of_an_aggregate_fetch_images_ahead_of_servers() -> None:
    async with a_world("h1", "h2", "h3") as world:
        number = await an_aggregate(world, "h1", "h2")
        world.drivers["h2"].images.refuses = "disk full"
        assert 202 == await cache(world, number, IMAGE)
        await world.settle()
        assert [{IMAGE}, set(), set()] == [world.drivers[name].images.here for name in ("h1", "h2", "h3")]
        for name in ("h1", "h2"):
            assert [] == await world.hosts.wanted_list(name, "image_fetch")


async def test_images_that_cannot_be_fetched_are_refused() -> None:
    async with a_world() as world:
        number = await an_aggregate(world, "h1")
        assert 404 == await cache(world, number, "99999999-9999-4999-8999-999999999999")
        assert 404 == await cache(world, 77, IMAGE)
        assert 400 == await cache(world, number, IMAGE, IMAGE)
        assert 400 == await cache(world, number)
        assert 403 == await cache(world, number, IMAGE, by="alice")
        assert 404 == await cache(world, number, IMAGE, at="2.80")
        world.images.images[IMAGE] = an_image(status="queued")
        assert 400 == await cache(world, number, IMAGE)
