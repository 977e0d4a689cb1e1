"""What guests are told about themselves."""

import base64
import json
from typing import Any

import msgspec
from tests.compute.fakes import IMAGE, NETWORK
from tests.compute.test_keypairs import KEY
from tests.compute.world import World, a_world

from pileus.compute.manifest import metadata_answers
from pileus.compute.models.guests import Guest, network_data
from pileus.compute.store.servers import server_find
from pileus.ports.network import Address, SubnetFacts

ADDRESS = "10.0.0.11"


async def told(world: World, path: str, address: str = ADDRESS, method: str = "GET") -> tuple[int, str]:
    answer = await metadata_answers(world.app).answer(NETWORK, address, method, path, {})
    return answer.status, answer.body.decode()


async def a_guest(world: World) -> str:
    await world.ask("POST", "/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": KEY}})
    script = base64.b64encode(b"#!/bin/sh\necho hi\n").decode()
    return await world.boot(name="Web One", key_name="k", user_data=script, metadata={"role": "web"})


async def test_in_openstacks_language() -> None:
    async with a_world() as world:
        id = await a_guest(world)
        assert "latest" in (await told(world, "/openstack"))[1].splitlines()
        assert "meta_data.json" in (await told(world, "/openstack/latest/"))[1].splitlines()
        status, text = await told(world, "/openstack/2018-08-27/meta_data.json")
        assert 200 == status
        meta = json.loads(text)
        assert (id, "Web One", "web-one", "nova", {"role": "web"}, {"k": KEY}) == tuple(
            meta[name] for name in ("uuid", "name", "hostname", "availability_zone", "meta", "public_keys")
        )
        assert (200, "#!/bin/sh\necho hi\n") == await told(world, "/openstack/latest/user_data")
        network = json.loads((await told(world, "/openstack/latest/network_data.json"))[1])
        assert ("fa:16:3e:00:00:0b", 1442) == tuple(
            network["links"][0][name] for name in ("ethernet_mac_address", "mtu")
        )
        assert "ipv4_dhcp" == network["networks"][0]["type"]
        assert (200, "{}") == await told(world, "/openstack/latest/vendor_data.json")


async def test_in_ec2s_language() -> None:
    async with a_world() as world:
        await a_guest(world)
        assert "latest" in (await told(world, "/"))[1].splitlines()
        assert ["meta-data/", "user-data"] == (await told(world, "/latest"))[1].splitlines()
        names = (await told(world, "/latest/meta-data/"))[1].splitlines()
        assert {"instance-id", "hostname", "local-ipv4", "placement/", "public-keys/"} <= set(names)
        for path, text in (
            ("hostname", "web-one"),
            ("local-ipv4", ADDRESS),
            ("public-ipv4", ""),
            ("instance-type", "small"),
            ("security-groups", "default"),
            ("placement/availability-zone", "nova"),
            ("public-keys", "0=k"),
            ("public-keys/0/", "openssh-key"),
            ("public-keys/0/openssh-key", KEY),
        ):
            assert (200, text) == await told(world, f"/2009-04-04/meta-data/{path}"), path
        assert (await told(world, "/latest/meta-data/instance-id"))[1].startswith("i-")
        assert (200, "#!/bin/sh\necho hi\n") == await told(world, "/latest/user-data")


async def test_strangers_and_nonsense_are_told_nothing() -> None:
    async with a_world() as world:
        await world.boot()
        assert 404 == (await told(world, "/openstack/latest/meta_data.json", "10.9.9.9"))[0]
        for path in ("/openstack/latest/user_data", "/latest/user-data", "/openstack/1999-01-01", "/latest/meta-data/x",
                     "/latest/meta-data/public-keys", "/latest/meta-data/hostname/x", "/../etc", "/nonsense"):  # fmt: skip
            assert 404 == (await told(world, path))[0], path
        assert 405 == (await told(world, "/latest/meta-data", method="POST"))[0]


async def test_a_guest_posts_its_password_once() -> None:
    async with a_world() as world:
        id = await a_guest(world)
        path, shown = "/openstack/2013-10-17/password", f"/v2.1/servers/{id}/os-server-password"
        assert {"password": ""} == (await world.ask("GET", shown)).body
        answers = metadata_answers(world.app)
        assert 400 == (await answers.answer(NETWORK, ADDRESS, "POST", path, {}, b"x" * 256)).status
        assert 200 == (await answers.answer(NETWORK, ADDRESS, "POST", path, {}, b"sealed")).status
        assert 409 == (await answers.answer(NETWORK, ADDRESS, "POST", path, {}, b"again")).status
        assert 405 == (await answers.answer(NETWORK, ADDRESS, "POST", "/openstack/latest/user_data", {}, b"")).status
        assert (200, "sealed") == await told(world, path)
        assert {"password": "sealed"} == (await world.ask("GET", shown)).body
        assert 204 == (await world.ask("DELETE", shown)).status
        assert 200 == (await answers.answer(NETWORK, ADDRESS, "POST", path, {}, b"new")).status


async def test_a_guest_finds_the_files_it_was_given() -> None:
    async with a_world() as world:
        files = [{"path": "/etc/motd", "contents": base64.b64encode(b"hello").decode()}]
        id = await world.boot(personality=files, config_drive=True)
        meta = json.loads((await told(world, "/openstack/latest/meta_data.json"))[1])
        assert [{"path": "/etc/motd", "content_path": "/content/0000"}] == meta["files"]
        assert (200, "hello") == await told(world, "/openstack/content/0000")
        assert 404 == (await told(world, "/openstack/content/0001"))[0]
        (document,) = await world.hosts.wanted_list("h1", "server")
        assert "hello" == base64.b64decode(document.body["config_drive"]["openstack/content/0000"]).decode()
        files[0]["contents"] = base64.b64encode(b"anew").decode()
        assert 202 == (await world.act(id, rebuild={"imageRef": IMAGE, "personality": files})).status
        await world.settle()
        assert (200, "anew") == await told(world, "/openstack/content/0000")


async def test_more_files_than_the_quota_lets_are_refused() -> None:
    async with a_world() as world:
        small = base64.b64encode(b"x").decode()
        for files, said in (
            ([{"path": f"/{n}", "contents": small} for n in range(6)], "Personality file limit exceeded"),
            ([{"path": "/" + "p" * 255, "contents": small}], "Personality file path exceeds"),
            ([{"path": "/p", "contents": base64.b64encode(b"x" * 10241).decode()}], "Personality file content exceeds"),
        ):
            answered = await world.create(personality=files)
            assert 403 == answered.status
            assert said in answered.body["forbidden"]["message"]


async def test_guests_are_told_how_they_come_by_their_addresses() -> None:
    async with a_world() as world:
        id = await a_guest(world)

        async def network() -> Any:
            return json.loads((await told(world, "/openstack/latest/network_data.json"))[1])

        def subnet(**more: Any) -> None:
            world.networks.subnets["s1"] = SubnetFacts(id="s1", cidr="10.0.0.0/24", **more)

        subnet(gateway="10.0.0.1", servers=("192.0.2.53",))
        asked = await network()
        assert "ipv4_dhcp" == asked["networks"][0]["type"]
        assert [{"type": "dns", "address": "192.0.2.53"}] == asked["services"]
        # Where nobody answers DHCP, all of it stands here.
        subnet(gateway="10.0.0.1", dhcp=False, routes=(("192.0.2.0/25", "10.0.0.9"),), servers=("192.0.2.53",))
        (given,) = (await network())["networks"]
        assert ("ipv4", ADDRESS, "255.255.255.0") == (given["type"], given["ip_address"], given["netmask"])
        assert [{"type": "dns", "address": "192.0.2.53"}] == given["services"]
        assert [("0.0.0.0", "0.0.0.0", "10.0.0.1"), ("192.0.2.0", "255.255.255.128", "10.0.0.9")] == [
            (route["network"], route["netmask"], route["gateway"]) for route in given["routes"]
        ]
        server = await server_find(world.app, id)
        assert server is not None
        (port,) = (await world.networks.ports_of([id]))[id]
        address = Address(address="2001:db8::f816:3eff:fe00:1", version=6, subnet_id="s6")
        six = SubnetFacts(id="s6", cidr="2001:db8::/64", gateway="2001:db8::1", mode="slaac")
        guest = Guest(server, [msgspec.structs.replace(port, addresses=(address,))], "nova", (), {"s6": six})
        (made,) = network_data(guest)["networks"]
        assert ("ipv6_slaac", "ffff:ffff:ffff:ffff::") == (made["type"], made["netmask"])
