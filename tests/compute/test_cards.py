"""Network cards that come to servers and go from them."""

import asyncio
import json
from typing import Any

import pytest
from tests.compute.fakes import NETWORK
from tests.compute.world import Answered, World, a_world

from pileus.compute.port import GuestAnswers

META_DATA = "/openstack/latest/meta_data.json"
PORT = "44444444-4444-4444-8444-444444444444"


async def attach(world: World, id: str, *, at: str = "2.70", by: str = "alice", **wanted: Any) -> Answered:
    body = {"interfaceAttachment": wanted}
    return await world.ask("POST", f"/v2.1/servers/{id}/os-interface", body, at=at, by=by)


async def detach(world: World, id: str, port_id: str) -> Answered:
    return await world.ask("DELETE", f"/v2.1/servers/{id}/os-interface/{port_id}")


async def cards(world: World, id: str) -> list[dict[str, Any]]:
    answered = await world.ask("GET", f"/v2.1/servers/{id}/os-interface", at="2.70")
    found: list[dict[str, Any]] = answered.body["interfaceAttachments"]
    return found


async def seen_cards(world: World, id: str) -> set[str]:
    return set((await world.drivers["h1"].look(id)).cards)


@pytest.mark.parametrize("first", [None, {"os-stop": None}, {"pause": None}])
async def test_a_server_gets_another_card_whatever_it_does(first: dict[str, None] | None) -> None:
    async with a_world() as world:
        id = await world.boot()
        if first is not None:
            await world.ask("POST", f"/v2.1/servers/{id}/action", first)
            await world.settle()
        status = (await world.show(id))["status"]
        answered = await attach(world, id, net_id=NETWORK, fixed_ips=[{"ip_address": "10.0.0.200"}], tag="second")
        assert 200 == answered.status, answered.body
        made = answered.body["interfaceAttachment"]
        assert (NETWORK, "second", "10.0.0.200") == (
            made["net_id"], made["tag"], made["fixed_ips"][0]["ip_address"],
        )  # fmt: skip
        assert "DOWN" == made["port_state"]
        assert (status, None) == ((await world.show(id))["status"], (await world.show(id))["OS-EXT-STS:task_state"])
        await world.settle()
        (card,) = [card for card in await cards(world, id) if card["port_id"] == made["port_id"]]
        assert ("ACTIVE", "second") == (card["port_state"], card["tag"])
        assert made["port_id"] in await seen_cards(world, id)
        assert status == (await world.show(id))["status"]
        told = await GuestAnswers(world.app).answer(NETWORK, "10.0.0.200", "GET", META_DATA, {})
        assert [(made["mac_addr"], ["second"])] == [
            (device["mac"], device["tags"]) for device in json.loads(told.body)["devices"]
        ]


async def test_a_card_needs_no_wish() -> None:
    async with a_world() as world:
        id = await world.boot()
        answered = await world.ask("POST", f"/v2.1/servers/{id}/os-interface", {"interfaceAttachment": {}})
        assert NETWORK == answered.body["interfaceAttachment"]["net_id"]


async def test_a_port_that_was_made_goes_with_its_card_and_another_is_free_again() -> None:
    async with a_world() as world:
        id = await world.boot()
        own = (await attach(world, id, net_id=NETWORK, tag="mine")).body["interfaceAttachment"]["port_id"]
        await world.settle()
        assert PORT == (await attach(world, id, port_id=PORT)).body["interfaceAttachment"]["port_id"]
        await world.settle()
        assert {own, PORT} < await seen_cards(world, id)
        for port_id in (own, PORT):
            assert 202 == (await detach(world, id, port_id)).status
            await world.settle()
        assert not {own, PORT} & await seen_cards(world, id)
        assert not {own, PORT} & {card["port_id"] for card in await cards(world, id)}
        assert {PORT} == world.networks.free
        assert 404 == (await detach(world, id, own)).status
        actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body["instanceActions"]
        assert ["detach_interface", "attach_interface"] == [action["action"] for action in actions[:3:2]]


async def test_a_guest_that_does_not_let_go_keeps_its_card() -> None:
    async with a_world() as world:
        id = await world.boot(networks=[{"uuid": NETWORK}])
        (card,) = await cards(world, id)
        world.drivers["h1"].deafen(id)
        assert 202 == (await detach(world, id, card["port_id"])).status
        await world.settle(until_s=30)
        assert 202 == (await detach(world, id, card["port_id"])).status
        await world.settle()
        assert [card["port_id"]] == [card["port_id"] for card in await cards(world, id)]
        world.drivers["h1"].run_out_of_patience(id)
        assert 202 == (await detach(world, id, card["port_id"])).status
        await world.settle()
        assert [] == await cards(world, id)


async def test_what_is_asked_for_while_a_card_comes_waits_for_it() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 200 == (await attach(world, id, net_id=NETWORK)).status
        second = asyncio.create_task(attach(world, id, net_id=NETWORK))
        third = asyncio.create_task(attach(world, id, net_id=NETWORK))
        while not (second.done() and third.done()):
            await world.settle()
            await asyncio.sleep(0.01)
        assert (200, 200) == (second.result().status, third.result().status)
        await world.settle()
        for answered in (second.result(), third.result()):
            assert answered.body["interfaceAttachment"]["port_id"] in await seen_cards(world, id)


async def test_a_card_the_host_cannot_plug_leaves_no_port() -> None:
    async with a_world() as world:
        id = await world.boot()
        before = await cards(world, id)
        world.drivers["h1"].fail_next("ensure", "no tap")
        await attach(world, id, net_id=NETWORK)
        await world.settle()
        assert before == await cards(world, id)
        assert "ACTIVE" == (await world.show(id))["status"]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"net_id": NETWORK, "port_id": PORT}, 400),
        ({"fixed_ips": [{"ip_address": "10.0.0.5"}]}, 400),
        ({"net_id": NETWORK, "fixed_ips": [{"ip_address": "nonsense"}]}, 400),
        ({"net_id": NETWORK, "fixed_ips": []}, 400),
        ({"net_id": NETWORK, "fixed_ips": [{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.6"}]}, 400),
        ({"net_id": "nonsense"}, 400),
        ({"net_id": NETWORK, "tag": "a,b"}, 400),
        ({"net_id": NETWORK, "more": 1}, 400),
        ({"net_id": PORT}, 400),
    ],
)
async def test_wishes_that_make_no_sense_are_refused(wanted: dict[str, Any], status: int) -> None:
    async with a_world() as world:
        id = await world.boot()
        before = await cards(world, id)
        assert status == (await attach(world, id, **wanted)).status
        assert before == await cards(world, id)


async def test_a_tag_is_unknown_to_old_clients() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 400 == (await attach(world, id, at="2.48", net_id=NETWORK, tag="t")).status


async def test_cards_stay_while_the_state_does_not_fit_or_the_server_is_locked() -> None:
    async with a_world() as world:
        id = await world.boot(networks=[{"uuid": NETWORK}])
        (card,) = await cards(world, id)
        await world.act(id, by="root", lock=None)
        assert 409 == (await attach(world, id, net_id=NETWORK)).status
        assert 409 == (await detach(world, id, card["port_id"])).status
        await world.act(id, by="root", unlock=None)
        await world.act(id, suspend=None)
        assert 409 == (await attach(world, id, net_id=NETWORK)).status
        await world.settle()
        assert 409 == (await attach(world, id, net_id=NETWORK)).status
        assert 409 == (await detach(world, id, card["port_id"])).status
        assert [card["port_id"]] == [port.id for port in world.networks.ports[id]]


async def test_cards_have_the_tags_they_were_asked_for_with() -> None:
    async with a_world() as world:
        for at, word in (("2.32", "early"), ("2.42", "late")):
            id = await world.boot(at=at, networks=[{"uuid": NETWORK}, {"uuid": NETWORK, "tag": word}])
            cards = (await world.ask("GET", f"/v2.1/servers/{id}/os-interface", at="2.70")).body["interfaceAttachments"]
            assert [None, word] == [card["tag"] for card in cards]
        assert 400 == (await world.create(at="2.37", networks=[{"uuid": NETWORK, "tag": "t"}])).status
