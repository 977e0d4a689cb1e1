"""From a request to a running server, and what comes between."""

import msgspec
from tests.compute.fakes import IMAGE, NETWORK
from tests.compute.world import HOST_FACTS, World, a_world


async def gone_without_trace(world: World, id: str) -> bool:
    """Nothing of the server is left on any host, in placement or on the network."""
    seen = [seen.id for seen in await world.hosts.seen_list(kind="server")]
    wanted = [wanted.id for wanted in await world.hosts.wanted_list(kind="server")]
    runs = [id for driver in world.drivers.values() for id in await driver.observe()]
    return id not in {*seen, *wanted, *runs, *world.placement.held}


async def test_a_server_boots() -> None:
    async with a_world() as world:
        answered = await world.create()
        assert 202 == answered.status
        made = answered.body["server"]
        assert {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"} == made.keys()
        assert f"http://cloud:1/compute/v2.1/servers/{made['id']}" == answered.headers["location"]
        before = await world.show(made["id"])
        assert ("BUILD", "building", "scheduling") == (
            before["status"],
            before["OS-EXT-STS:vm_state"],
            before["OS-EXT-STS:task_state"],
        )
        await world.settle()
        server = await world.show(made["id"])
        assert ("ACTIVE", "active", None, 1) == (
            server["status"],
            server["OS-EXT-STS:vm_state"],
            server["OS-EXT-STS:task_state"],
            server["OS-EXT-STS:power_state"],
        )
        assert "10.0.0.11" == server["addresses"]["private"][0]["addr"]
        assert "fixed" == server["addresses"]["private"][0]["OS-EXT-IPS:type"]
        assert IMAGE == server["image"]["id"]
        assert "h1" == world.placement.held[made["id"]].host
        assert {"h1"} == {port.host for port in world.networks.ports[made["id"]]}
        assert NETWORK == world.networks.ports[made["id"]][0].network_id


async def test_a_host_that_cannot_start_it_is_left_for_another() -> None:
    async with a_world("h1", "h2") as world:
        first = (await world.create()).body["server"]["id"]
        await world.engine.turn()
        tried = world.placement.held[first].host
        world.drivers[tried].fail_next("ensure", "no such CPU", times=50)
        await world.settle()
        server = await world.show(first, by="root")
        assert "ACTIVE" == server["status"]
        other = ({"h1", "h2"} - {tried}).pop()
        assert other == server["OS-EXT-SRV-ATTR:host"] == world.placement.held[first].host
        assert first not in await world.drivers[tried].observe()
        assert {other} == {port.host for port in world.networks.ports[first]}


async def test_when_no_host_can_start_it_the_fault_tells_each_reason_and_nothing_is_left() -> None:
    async with a_world("h1", "h2") as world:
        for driver in world.drivers.values():
            driver.fail_next("ensure", "no such CPU", times=50)
        id = (await world.create()).body["server"]["id"]
        await world.settle()
        server = await world.show(id)
        assert ("ERROR", "error", None) == (
            server["status"], server["OS-EXT-STS:vm_state"], server["OS-EXT-STS:task_state"],
        )  # fmt: skip
        message = server["fault"]["message"]
        assert 500 == server["fault"]["code"]
        assert message.startswith("No valid host was found. h1: could not start the server")
        assert "h2: could not start the server" in message
        assert "no such CPU" in message
        assert await gone_without_trace(world, id)
        assert 204 == (await world.ask("DELETE", f"/v2.1/servers/{id}")).status
        await world.settle()
        assert 404 == (await world.ask("GET", f"/v2.1/servers/{id}")).status
        assert {} == world.networks.ports


async def test_too_large_for_every_host_says_so() -> None:
    async with a_world() as world:
        await world.flavor("huge", ram=9000)
        id = (await world.create(flavorRef="huge")).body["server"]["id"]
        await world.settle()
        assert "No valid host was found. h1: has not enough MEMORY_MB" == (await world.show(id))["fault"]["message"]


async def test_hosts_that_are_silent_or_disabled_are_not_chosen() -> None:
    async with a_world("h1", "h2") as world:
        services = (await world.ask("GET", "/v2.1/os-services", by="root", at="2.53")).body["services"]
        for service in services:
            if service["host"] == "h2":
                body = {"status": "disabled", "disabled_reason": "a new disk"}
                path = f"/v2.1/os-services/{service['id']}"
                assert 200 == (await world.ask("PUT", path, body, by="root", at="2.53")).status
        assert "h1" == (await world.show(await world.boot(), by="root"))["OS-EXT-SRV-ATTR:host"]
        world.clock.move(60)
        del world.agents["h1"]
        id = await world.boot(name="two")
        message = (await world.show(id))["fault"]["message"]
        assert "h1: has not been heard since 2026-01-01T00:0" in message
        assert "h2: is disabled (a new disk)" in message


async def test_without_hosts_it_says_that() -> None:
    async with a_world() as world:
        await world.hosts.forget("h1")
        world.agents.clear()
        id = (await world.create()).body["server"]["id"]
        await world.settle()
        assert "No valid host was found. There is no host." == (await world.show(id))["fault"]["message"]


async def test_a_server_that_dies_at_once_is_in_error() -> None:
    async with a_world() as world:
        id = (await world.create()).body["server"]["id"]
        driver = world.drivers["h1"]
        ensure = driver.ensure

        async def dying(server):
            await ensure(server)
            driver.lose_power(server.id, "qemu: could not open the disk")

        driver.ensure = dying  # type: ignore[method-assign]
        await world.settle()
        server = await world.show(id)
        assert "ERROR" == server["status"]
        assert "qemu: could not open the disk" in server["fault"]["message"]


async def test_many_at_once_are_numbered_and_share_a_reservation() -> None:
    async with a_world("h1", "h2") as world:
        answered = await world.create(name="web", max_count=3, return_reservation_id=True)
        reservation = answered.body["reservation_id"]
        await world.settle()
        path = f"/v2.1/servers/detail?reservation_id={reservation}&sort_key=display_name&sort_dir=asc"
        servers = (await world.ask("GET", path)).body["servers"]
        assert ["web-1", "web-2", "web-3"] == [server["name"] for server in servers]
        assert {"ACTIVE"} == {server["status"] for server in servers}


async def test_what_the_network_refuses_leaves_no_server() -> None:
    async with a_world() as world:
        world.networks.full = True
        answered = await world.create()
        assert 409 == answered.status
        assert "No more IP addresses" in answered.body["conflictingRequest"]["message"]
        assert [] == (await world.ask("GET", "/v2.1/servers")).body["servers"]
        assert [] == await world.engine.book.due(world.clock.now())


async def test_what_the_host_is_told() -> None:
    async with a_world() as world:
        id = await world.boot()
        (document,) = await world.hosts.wanted_list("h1", "server")
        body = document.body
        assert (id, 1, 512, 1) == (body["id"], body["vcpus"], body["ram_mib"], body["root"]["size_gib"])
        image = {"id": IMAGE, "format": "qcow2", "size": 2**24, "checksum": "abc"}
        assert {**image, "stored": None, "drive": None} == body["root"]["image"]
        port = world.networks.ports[id][0]
        assert [(port.id, port.mac, 1442)] == [(nic["port_id"], nic["mac"], nic["mtu"]) for nic in body["nics"]]


async def test_placement_knows_hosts_as_they_are() -> None:
    async with a_world() as world:
        inventories = world.placement.providers["h1"]
        assert (4, 4.0) == (inventories["VCPU"].total, inventories["VCPU"].allocation_ratio)
        assert (8192, 512) == (inventories["MEMORY_MB"].total, inventories["MEMORY_MB"].reserved)
        assert 100 == inventories["DISK_GB"].total
        more = msgspec.structs.replace(HOST_FACTS, cpus=8)
        await world.agents["h1"].set_facts(msgspec.to_builtins(more))
        await world.settle()
        assert 8 == world.placement.providers["h1"]["VCPU"].total


async def test_a_guest_that_powers_itself_off_while_booting_is_stopped() -> None:
    async with a_world() as world:
        id = (await world.create()).body["server"]["id"]
        driver = world.drivers["h1"]
        ensure, once = driver.ensure, [True]

        async def short_lived(server):
            await ensure(server)
            if once and once.pop():
                driver.guest_powers_off(server.id)

        driver.ensure = short_lived  # type: ignore[method-assign]
        await world.settle()
        await world.settle()
        server = await world.show(id)
        assert ("SHUTOFF", 4) == (server["status"], server["OS-EXT-STS:power_state"])
