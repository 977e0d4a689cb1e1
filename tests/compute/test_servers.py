"""Servers through their API: what is accepted, what is shown, what is listed."""

import base64
from typing import Any

import pytest
from tests.compute.fakes import IMAGE, NETWORK, an_image
from tests.compute.world import World, a_world

from pileus.compute.config import ComputeConfig
from pileus.ports.network import NicRequest


def why(answered: Any) -> str:
    return str(next(iter(answered.body.values()))["message"])


@pytest.mark.parametrize(
    ("more", "at", "words"),
    [
        ({"name": ""}, "2.1", "name"),
        ({"name": " x"}, "2.1", "name"),
        ({"name": "x" * 256}, "2.1", "name"),
        ({"flavorRef": "none"}, "2.1", "Invalid flavorRef provided."),
        ({"imageRef": "00000000-0000-4000-8000-000000000000"}, "2.1", "Can not find requested image"),
        ({"imageRef": ""}, "2.1", "imageRef"),
        ({"key_name": "none"}, "2.1", "Invalid key_name provided."),
        ({"networks": [{"uuid": "x"}]}, "2.1", "networks"),
        ({"networks": [{}]}, "2.1", "uuid or a port"),
        ({"networks": [{"uuid": "00000000-0000-4000-8000-000000000000"}]}, "2.1", "could not be found"),
        ({"networks": "auto"}, "2.36", "networks"),
        ({"networks": "all"}, "2.37", "networks"),
        ({}, "2.37", "'networks' is a required property"),
        ({"description": "x"}, "2.18", "description"),
        ({"tags": ["a"], "networks": "none"}, "2.51", "tags"),
        ({"user_data": "***"}, "2.1", "base64"),
        ({"user_data": "a" * 65536}, "2.1", "too large"),
        ({"metadata": {"a": 1}}, "2.1", "metadata"),
        ({"metadata": {"a" * 256: "b"}}, "2.1", "metadata"),
        ({"min_count": 2, "max_count": 1}, "2.1", "min_count must be <= max_count"),
        ({"max_count": 0}, "2.1", "max_count"),
        ({"availability_zone": "mars"}, "2.1", "The requested availability zone is not available"),
        ({"personality": [{"path": "/x", "contents": "#"}]}, "2.1", "Personality content for /x"),
        ({"personality": []}, "2.57", "personality"),
        ({"block_device_mapping_v2": [{"source_type": "volume", "destination_type": "volume"}]}, "2.1", "Block Device"),
        ({"nonsense": 1}, "2.1", "nonsense"),
    ],
)
async def test_bad_requests_name_what_is_wrong(more: dict[str, Any], at: str, words: str) -> None:
    async with a_world() as world:
        answered = await world.create(at=at, **more)
        assert 400 == answered.status
        assert words in why(answered)
        assert [] == (await world.ask("GET", "/v2.1/servers")).body["servers"]


async def test_images_must_fit_the_flavor() -> None:
    async with a_world() as world:
        for changes, words in (
            ({"min_ram": 1024}, "Flavor's memory is too small for requested image."),
            ({"min_disk": 2}, "smaller than the minimum size"),
            ({"virtual_size": 2 * 2**30}, "Flavor's disk is too small for requested image."),
            ({"status": "queued"}, f"Image {IMAGE} is not active."),
            ({"disk_format": "ploop"}, "disk format ploop"),
            ({"disk_format": "iso", "properties": {"hw_cdrom_bus": "fdc"}}, "hw_cdrom_bus"),
        ):
            world.images.images[IMAGE] = an_image(**changes)
            answered = await world.create()
            assert 400 == answered.status
            assert words in why(answered)


async def test_a_flavor_without_disk_is_for_admins() -> None:
    async with a_world() as world:
        await world.flavor("diskless", disk=0)
        assert 403 == (await world.create(flavorRef="diskless")).status
        assert 202 == (await world.create(flavorRef="diskless", by="root")).status


async def test_what_the_network_is_asked_for() -> None:
    async with a_world() as world:
        port = "44444444-4444-4444-8444-444444444444"
        for nics, at, asked in (
            (None, "2.1", "auto"),
            ([], "2.1", "auto"),
            ("auto", "2.37", "auto"),
            ("none", "2.37", "none"),
            ([{"uuid": NETWORK, "fixed_ip": "10.0.0.9"}], "2.1", [NicRequest(network_id=NETWORK, fixed_ip="10.0.0.9")]),
            ([{"uuid": NETWORK, "port": port}], "2.37", [NicRequest(port_id=port)]),
        ):
            more = {} if nics is None else {"networks": nics}
            assert 202 == (await world.create(at=at, **more)).status
            assert asked == world.networks.asked[-1]


async def test_quotas_are_kept_in_novas_words() -> None:
    async with a_world("h1", config=ComputeConfig(quota_instances=2, quota_cores=3)) as world:
        assert 202 == (await world.create(min_count=1, max_count=5)).status
        assert 2 == len((await world.ask("GET", "/v2.1/servers")).body["servers"])
        answered = await world.create()
        assert (403, "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances") == (
            answered.status, answered.body["forbidden"]["message"],
        )  # fmt: skip
        assert 403 == (await world.create(by="bob", min_count=3)).status
        assert 202 == (await world.create(by="bob")).status
        body = {"quota_set": {"instances": 9}}
        assert 200 == (await world.ask("PUT", "/v2.1/os-quota-sets/p1", body, by="root")).status
        assert 202 == (await world.create()).status


async def test_every_field_lives_in_its_microversions() -> None:
    async with a_world() as world:
        id = await world.boot(metadata={"a": "b"}, user_data=base64.b64encode(b"x").decode())
        oldest = await world.show(id)
        assert {"id", "links"} == oldest["flavor"].keys()
        assert {"locked", "description", "tags", "host_status"}.isdisjoint(oldest)
        assert not [name for name in oldest if name.startswith("OS-EXT-SRV-ATTR")]
        newest = await world.show(id, at="2.104")
        assert "small" == newest["flavor"]["original_name"]
        assert "one" == newest["OS-EXT-SRV-ATTR:hostname"]
        assert {"os_distro": "pileus"} == newest["image"]["properties"]
        assert (False, None, [], None, None, [], {}) == tuple(
            newest[name]
            for name in ("locked", "description", "tags", "trusted_image_certificates", "pinned_availability_zone",
                         "server_groups", "scheduler_hints")
        )  # fmt: skip
        admin = await world.show(id, by="root", at="2.16")
        assert ("h1", "h1", "UP") == (
            admin["OS-EXT-SRV-ATTR:host"], admin["OS-EXT-SRV-ATTR:hypervisor_hostname"], admin["host_status"],
        )  # fmt: skip
        assert "one" == admin["OS-EXT-SRV-ATTR:hostname"]
        detail = (await world.ask("GET", "/v2.1/servers/detail", at="2.104")).body["servers"][0]
        assert newest.keys() - detail.keys() == {"server_groups"}


async def test_names_and_descriptions_change() -> None:
    async with a_world() as world:
        id = await world.boot()
        body = {"server": {"name": "two", "description": "d", "accessIPv4": "192.0.2.1"}}
        answered = await world.ask("PUT", f"/v2.1/servers/{id}", body, at="2.19")
        server = answered.body["server"]
        assert ("two", "d", "192.0.2.1") == (server["name"], server["description"], server["accessIPv4"])
        assert 400 == (await world.ask("PUT", f"/v2.1/servers/{id}", {"server": {"description": "d"}})).status
        assert "two" == (await world.show(id))["name"]


async def names(world: World, query: str, by: str = "alice", at: str = "2.1") -> list[str]:
    answered = await world.ask("GET", f"/v2.1/servers?{query}", by=by, at=at)
    assert 200 == answered.status, answered.body
    return [server["name"] for server in answered.body["servers"]]


async def test_lists_are_filtered_sorted_and_paged() -> None:
    async with a_world() as world:
        await world.flavor("large", ram=1024)
        web = await world.boot(name="web-1", at="2.52", networks="auto", tags=["a", "b"])
        world.clock.move(10)
        await world.boot(name="web-2", at="2.52", networks="auto", flavorRef="large", tags=["b"])
        world.clock.move(10)
        await world.boot(name="db.1")
        await world.boot(name="other", by="bob")
        assert ["db.1", "web-2", "web-1"] == await names(world, "")
        assert ["web-2", "web-1"] == await names(world, "name=web")
        assert ["web-1"] == await names(world, "name=^web.*1$")
        assert ["web-2"] == await names(world, "flavor=large")
        assert ["db.1", "web-1", "web-2"] == await names(world, "sort_key=display_name&sort_dir=asc")
        assert ["web-2"] == await names(world, "tags=b&not-tags=a", at="2.26")
        assert ["web-2", "web-1"] == await names(world, "tags-any=a,b", at="2.26")
        assert ["web-1"] == await names(world, "tags=a,b", at="2.26")
        assert ["db.1"] == await names(world, "not-tags-any=a,b", at="2.26")
        assert ["web-1"] == await names(world, f"uuid={web}&all_tenants=1", by="root")
        assert ["web-1"] == await names(world, "ip=10.0.0.11")
        assert [] == await names(world, f"image={NETWORK}")
        assert 3 == len(await names(world, f"image={IMAGE}"))
        assert ["db.1"] == await names(world, "changes-since=2026-01-01T00:00:20Z")
        await world.act(web, os_stop=None)
        await world.settle()
        assert ["web-1"] == await names(world, "status=SHUTOFF")
        assert ["db.1", "web-2"] == await names(world, "status=active")
        assert 3 == len(await names(world, "status=ACTIVE&status=SHUTOFF"))
        assert [] == await names(world, "status=NONSENSE")
        assert 400 == (await world.ask("GET", "/v2.1/servers?status=NONSENSE", at="2.38")).status
        assert 400 == (await world.ask("GET", "/v2.1/servers?sort_key=nonsense")).status
        assert 400 == (await world.ask("GET", "/v2.1/servers?name=(a%2B)%2B$")).status
        assert 400 == (await world.ask("GET", "/v2.1/servers?marker=nonsense")).status
        first = (await world.ask("GET", "/v2.1/servers?limit=2")).body
        assert ["db.1", "web-2"] == [server["name"] for server in first["servers"]]
        (link,) = first["servers_links"]
        assert ["web-1"] == await names(world, link["href"].partition("?")[2])


async def test_admins_see_all_projects_when_they_ask() -> None:
    async with a_world() as world:
        await world.boot(name="hers")
        await world.boot(name="his", by="bob")
        assert [] == await names(world, "", by="root")
        assert ["hers", "his"] == sorted(await names(world, "all_tenants=1", by="root"))
        assert ["his"] == await names(world, "all_tenants=True&project_id=p2", by="root")
        assert 2 == len(await names(world, "all_tenants=1&host=h1", by="root"))
        assert 403 == (await world.ask("GET", "/v2.1/servers?all_tenants=1")).status
        assert 400 == (await world.ask("GET", "/v2.1/servers?all_tenants=maybe", by="root")).status


async def test_a_list_asks_the_network_once() -> None:
    async with a_world("h1", "h2") as world:
        await world.create(max_count=5)
        await world.settle()
        before = world.networks.calls
        servers = (await world.ask("GET", "/v2.1/servers/detail")).body["servers"]
        assert 5 == len(servers)
        assert all(server["addresses"]["private"] for server in servers)
        assert 1 == world.networks.calls - before


async def test_metadata_is_read_and_written() -> None:
    async with a_world() as world:
        id = await world.boot(metadata={"a": "1"})
        path = f"/v2.1/servers/{id}/metadata"
        assert {"metadata": {"a": "1"}} == (await world.ask("GET", path)).body
        assert {"metadata": {"a": "1", "b": "2"}} == (await world.ask("POST", path, {"metadata": {"b": "2"}})).body
        assert {"meta": {"b": "3"}} == (await world.ask("PUT", f"{path}/b", {"meta": {"b": "3"}})).body
        assert {"meta": {"b": "3"}} == (await world.ask("GET", f"{path}/b")).body
        assert 204 == (await world.ask("DELETE", f"{path}/a")).status
        assert 404 == (await world.ask("GET", f"{path}/a")).status
        assert {"metadata": {"c": "4"}} == (await world.ask("PUT", path, {"metadata": {"c": "4"}})).body
        assert 400 == (await world.ask("PUT", f"{path}/b", {"meta": {"x": "3"}})).status
        many = {str(number): "x" for number in range(129)}
        assert 403 == (await world.ask("PUT", path, {"metadata": many})).status


async def test_tags_are_read_and_written() -> None:
    async with a_world() as world:
        id = await world.boot()
        path = f"/v2.1/servers/{id}/tags"
        assert 404 == (await world.ask("GET", path)).status
        answered = await world.ask("PUT", f"{path}/a", at="2.26")
        assert (201, f"http://cloud:1/compute{path}/a") == (answered.status, answered.headers["location"])
        assert 204 == (await world.ask("PUT", f"{path}/a", at="2.26")).status
        assert 204 == (await world.ask("GET", f"{path}/a", at="2.26")).status
        assert {"tags": ["x", "y"]} == (await world.ask("PUT", path, {"tags": ["x", "y"]}, at="2.26")).body
        assert 204 == (await world.ask("DELETE", f"{path}/x", at="2.26")).status
        assert 404 == (await world.ask("DELETE", f"{path}/x", at="2.26")).status
        assert 400 == (await world.ask("PUT", path, {"tags": ["a,b"]}, at="2.26")).status
        assert 204 == (await world.ask("DELETE", path, at="2.26")).status
        assert {"tags": []} == (await world.ask("GET", path, at="2.26")).body


async def test_the_story_of_a_server() -> None:
    async with a_world() as world:
        answered = await world.create()
        id = answered.body["server"]["id"]
        request = answered.headers["x-openstack-request-id"]
        await world.settle()
        world.clock.move(5)
        await world.act(id, os_stop=None)
        await world.settle()
        path = f"/v2.1/servers/{id}/os-instance-actions"
        stop, create = (await world.ask("GET", path)).body["instanceActions"]
        assert ("stop", "create", request) == (stop["action"], create["action"], create["request_id"])
        assert (id, "alice", "p1", None) == (
            create["instance_uuid"], create["user_id"], create["project_id"], create["message"],
        )  # fmt: skip
        assert "events" not in (await world.ask("GET", f"{path}/{request}")).body["instanceAction"]
        shown = (await world.ask("GET", f"{path}/{request}", at="2.62")).body["instanceAction"]
        assert "compute__do_build_and_run_instance" == shown["events"][0]["event"]
        assert {"Success"} == {event["result"] for event in shown["events"]}
        assert shown["events"][0]["hostId"]
        assert "host" not in shown["events"][0]
        admin = (await world.ask("GET", f"{path}/{request}", by="root", at="2.62")).body["instanceAction"]
        assert "h1" == admin["events"][0]["host"]
        page = (await world.ask("GET", f"{path}?limit=1", at="2.58")).body
        assert ["stop"] == [action["action"] for action in page["instanceActions"]]
        assert page["links"][0]["href"].endswith(f"marker={stop['request_id']}")
        rest = (await world.ask("GET", f"{path}?marker={stop['request_id']}", at="2.58")).body
        assert ["create"] == [action["action"] for action in rest["instanceActions"]]
        assert 404 == (await world.ask("GET", f"{path}/req-none")).status


async def test_what_a_server_is_joined_to() -> None:
    async with a_world() as world:
        id = await world.boot()
        path = f"/v2.1/servers/{id}"
        assert {"addresses": {"private": [{"version": 4, "addr": "10.0.0.11"}]}} == (
            await world.ask("GET", f"{path}/ips")
        ).body
        assert 404 == (await world.ask("GET", f"{path}/ips/none")).status
        (card,) = (await world.ask("GET", f"{path}/os-interface")).body["interfaceAttachments"]
        assert (NETWORK, "ACTIVE", "10.0.0.11") == (
            card["net_id"], card["port_state"], card["fixed_ips"][0]["ip_address"],
        )  # fmt: skip
        assert 200 == (await world.ask("GET", f"{path}/os-interface/{card['port_id']}")).status
        assert {"volumeAttachments": []} == (await world.ask("GET", f"{path}/os-volume_attachments")).body


async def test_a_network_that_is_to_be_found_or_made_must_be_there() -> None:
    async with a_world() as world:
        world.networks.none = True
        answered = await world.create(networks="auto", at="2.37")
        said = "Unable to automatically allocate a network for project p1"
        assert (400, said) == (answered.status, answered.body["badRequest"]["message"])
        assert [] == (await world.ask("GET", "/v2.1/servers")).body["servers"]
        assert 202 == (await world.create()).status


async def test_servers_are_found_under_the_path_of_those_that_boot_from_volumes() -> None:
    async with a_world() as world:
        here = "/v2.1/os-volumes_boot"
        body = {"server": {"name": "one", "flavorRef": "small", "imageRef": IMAGE}}
        answered = await world.ask("POST", here, body)
        assert 202 == answered.status, answered.body
        id = answered.body["server"]["id"]
        await world.settle()
        assert id == (await world.ask("GET", f"{here}/{id}")).body["server"]["id"]
        assert [id] == [server["id"] for server in (await world.ask("GET", f"{here}/detail")).body["servers"]]
        assert 202 == (await world.ask("POST", f"{here}/{id}/action", {"os-stop": None})).status
        assert 400 == (await world.ask("POST", f"{here}/{id}/action", {"pause": None})).status
        assert 404 == (await world.ask("GET", here, at="2.103")).status
        await world.settle()
        assert 204 == (await world.ask("DELETE", f"{here}/{id}", at="2.102")).status


async def test_what_there_is_none_of_is_empty() -> None:
    async with a_world() as world:
        id = await world.boot()
        for path, body in (
            (f"/v2.1/servers/{id}/migrations", {"migrations": []}),
            (f"/v2.1/servers/{id}/shares", {"shares": []}),
            (f"/v2.1/servers/{id}/topology", {"nodes": [], "pagesize_kb": None}),
            (f"/v2.1/servers/{id}/os-server-password", {"password": ""}),
            ("/v2.1/os-migrations", {"migrations": []}),
            ("/v2.1/os-aggregates", {"aggregates": []}),
        ):
            assert body == (await world.ask("GET", path, by="root", at="2.104")).body
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}/os-server-password")).status
        assert {"nodes": []} == (await world.ask("GET", "/v2.1/os-baremetal-nodes", by="root")).body
        assert 404 == (await world.ask("GET", "/v2.1/os-baremetal-nodes/1", by="root")).status
