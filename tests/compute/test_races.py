"""Requests at the same moment: one wins, the others are told so, and nothing is counted twice."""

import asyncio

from tests.compute.world import a_world

from pileus.compute.config import ComputeConfig


async def test_of_many_stops_one_is_taken() -> None:
    async with a_world() as world:
        id = await world.boot()
        answers = await asyncio.gather(*(world.act(id, os_stop=None) for _ in range(8)))
        assert [202] + 7 * [409] == sorted(answered.status for answered in answers)
        await world.settle()
        assert "SHUTOFF" == (await world.show(id))["status"]


async def test_a_quota_is_never_exceeded() -> None:
    async with a_world("h1", "h2", config=ComputeConfig(quota_instances=3)) as world:
        answers = await asyncio.gather(*(world.create(name=f"s{number}") for number in range(8)))
        assert 3 * [202] + 5 * [403] == sorted(answered.status for answered in answers)
        await world.settle()
        assert 3 == len((await world.ask("GET", "/v2.1/servers?status=ACTIVE")).body["servers"])


async def test_of_many_deletions_all_are_right() -> None:
    async with a_world() as world:
        id = await world.boot()
        answers = await asyncio.gather(
            *(world.ask("DELETE", f"/v2.1/servers/{id}") for _ in range(4)),
            world.act(id, os_stop=None),
            world.act(id, reboot={"type": "HARD"}),
        )
        assert {204} == {answered.status for answered in answers[:4]}
        assert {answered.status for answered in answers[4:]} <= {202, 409}
        await world.settle()
        assert 404 == (await world.ask("GET", f"/v2.1/servers/{id}")).status
        assert {} == world.placement.held == world.networks.ports


async def test_of_two_keypairs_of_one_name_one_is_made() -> None:
    async with a_world() as world:
        body = {"keypair": {"name": "k"}}
        answers = await asyncio.gather(*(world.ask("POST", "/v2.1/os-keypairs", body) for _ in range(4)))
        assert [200, 409, 409, 409] == sorted(answered.status for answered in answers)


async def test_what_begins_is_all_there_or_not_at_all() -> None:
    async with a_world() as world:
        world.networks.full = True
        answers = await asyncio.gather(*(world.create() for _ in range(4)))
        assert {409} == {answered.status for answered in answers}
        world.networks.full = False
        id = await world.boot()
        assert "ACTIVE" == (await world.show(id))["status"]
        limits = (await world.ask("GET", "/v2.1/limits")).body["limits"]["absolute"]
        assert 1 == limits["totalInstancesUsed"]
