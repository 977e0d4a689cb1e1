"""Servers that read what they are from a disc."""

import base64
import json

import pytest
from tests.compute.world import a_world


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
