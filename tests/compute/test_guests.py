"""What guests are told about themselves."""

import base64
import json

from tests.compute.fakes import NETWORK
from tests.compute.test_keypairs import KEY
from tests.compute.world import World, a_world

from pileus.compute.manifest import metadata_answers

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
