"""Servers that read what they are from a disc."""

import base64
import json
from pathlib import Path

import msgspec
import pytest
from tests.compute.fakes import IMAGE
from tests.compute.test_given_passwords import PASSWORD, everything
from tests.compute.world import World, a_world

from pileus.compute import manifest
from pileus.compute.drivers.interface import DriverError, Wanted
from pileus.compute.drivers.qemu.disks import write_config
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.models.guests import Guest, meta_data
from pileus.compute.store.servers import server_find
from pileus.kit.errors import NotFound, Unavailable


class Passwords:
    """GivenPasswords of one server."""

    def __init__(self) -> None:
        self.away = False

    async def fetch(self, server_id: str, reference: str) -> str:
        if self.away:
            raise Unavailable("the controller is away")
        return f"password {reference} of {server_id[:8]}"


async def wanted_of(world: World, id: str) -> Wanted:
    """What the server's host is told."""
    found = await world.hosts.wanted("h1", "server", id)
    assert found is not None
    return msgspec.convert({**found.body, "id": id}, Wanted)


async def test_the_host_is_told_which_password_and_asks_for_it() -> None:
    async with a_world() as world:
        given = manifest.given_passwords(world.app)
        id = await world.boot(config_drive=True, adminPass=PASSWORD)
        first = (await wanted_of(world, id)).password
        assert first is not None
        assert PASSWORD == await given.fetch(id, first)
        assert PASSWORD not in await everything(world)
        body = {"imageRef": IMAGE, "adminPass": "another 8"}
        assert 202 == (await world.act(id, rebuild=body)).status
        await world.settle()
        second = (await wanted_of(world, id)).password
        assert second is not None
        assert "another 8" == await given.fetch(id, second)
        with pytest.raises(NotFound):
            await given.fetch(id, first)
        other = await world.boot(adminPass=PASSWORD)
        assert (await wanted_of(world, other)).password is None


async def test_the_metadata_service_never_tells_it() -> None:
    async with a_world() as world:
        id = await world.boot(config_drive=True, adminPass=PASSWORD)
        server = await server_find(world.app, id)
        assert server is not None
        assert "admin_pass" not in meta_data(Guest(server, (), "nova", []))


async def test_the_disc_tells_it(tmp_path: Path) -> None:
    async with a_world() as world:
        id = await world.boot(config_drive=True, adminPass=PASSWORD)
        wanted, home, passwords = await wanted_of(world, id), Home(tmp_path, id), Passwords()
        home.ensure()
        disc = home.guest / "config.iso"
        passwords.away = True
        with pytest.raises(DriverError, match="the controller is away"):
            await write_config(wanted, home, passwords)
        assert not disc.exists()
        passwords.away = False
        await write_config(wanted, home, passwords)
        told = f'"admin_pass":"password {wanted.password} of {id[:8]}"'.encode()
        assert told in disc.read_bytes()
        passwords.away = True
        await write_config(wanted, home, passwords)  # The server starts all the same, with the disc it had.
        assert told in disc.read_bytes()


async def test_the_disc_holds_what_the_metadata_service_answers() -> None:
    async with a_world() as world:
        id = await world.boot(config_drive=True, user_data=base64.b64encode(b"#!/bin/sh").decode(), metadata={"a": "b"})
        assert "True" == (await world.show(id))["config_drive"]
        (document,) = await world.hosts.wanted_list("h1", "server")
        files = {path: base64.b64decode(content) for path, content in document.body["config_drive"].items()}
        about = json.loads(files["openstack/latest/meta_data.json"])
        assert (id, "one", {"a": "b"}) == (about["uuid"], about["name"], about["meta"])
        assert b"#!/bin/sh" == files["openstack/latest/user_data"]
        (link,) = json.loads(files["openstack/2018-08-27/network_data.json"])["links"]
        assert next(iter(world.networks.ports[id])).mac == link["ethernet_mac_address"]


async def test_most_servers_have_none() -> None:
    async with a_world() as world:
        id = await world.boot(config_drive="no")
        assert "" == (await world.show(id))["config_drive"]
        (document,) = await world.hosts.wanted_list("h1", "server")
        assert document.body["config_drive"] is None


@pytest.mark.parametrize(("word", "status"), [("True", 202), ("yes", 202), ("perhaps", 400)])
async def test_clients_say_it_in_their_words(word: str, status: int) -> None:
    async with a_world() as world:
        assert status == (await world.create(config_drive=word)).status
