"""A crowd of hosts in one process: a thousand agents with pretended hypervisors, five thousand servers on them.

Everything but hypervisor and network is what a real cloud runs: each host has an agent of its own that reads what is wanted and
tells what it sees. It says what scheduling costs on a cloud as large as one controller is meant for, and what such a cloud costs
while nobody asks for anything.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import ABILITIES, Facts
from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.local import LocalExchange
from pileus.main import machine
from pileus.main.assemble import Cloud
from pileus.main.bench import HOSTS, Measured, furnished, many, timed
from pileus.main.volume_backends import VolumeWays
from pileus.network.drivers.fake import FakeFabric, FakeMetadataDoors, FakePlug

SERVERS = 5000
CHOSEN = 200
AT_ONCE = 64
STARTING = 50  # agents at a time
IDLE_S = 20
ROOM = Facts(
    hostname="far", cpus=8, ram_mib=16_384, disk_gib=200, disk_free_gib=200, arch="x86_64", hypervisor="fake",
    hypervisor_version="1.0", accel="none", abilities=ABILITIES,
)  # fmt: skip


async def measure(say: Callable[[Measured], None], hosts: int = HOSTS, servers: int = SERVERS) -> list[Measured]:
    """A crowd has come, worked, and idled; each measurement is told as soon as it is made."""
    done: list[Measured] = []

    async def take(name: str, count: int, work: Callable[[], Awaitable[object]], **more: float) -> None:
        done.append(await timed(name, count, work, **more))
        say(done[-1])

    async with furnished() as (bench, server), _room_for_agents(bench.cloud, hosts) as agents:

        async def join() -> None:
            for at in range(0, hosts, STARTING):
                await asyncio.gather(*(agent.start() for agent in agents[at : at + STARTING]))
            await bench.until_hosted(hosts + 1)

        ids: list[str] = []

        async def boot(at: int) -> None:
            asked = {"server": {**server, "name": f"b{at}"}}
            ids.append((await bench.made("/compute/v2.1/servers", asked))["server"]["id"])

        async def boot_all() -> None:
            await many(servers, boot, AT_ONCE)
            await bench.until_quiet()

        await take(f"join {hosts:,} hosts, one", hosts, join)
        await take(f"boot {servers:,} servers on them, one", servers, boot_all)
        await bench.expect_active(servers)
        place = await bench.scheduler(ids[0])
        await take("choose a host for one more", CHOSEN, lambda: many(CHOSEN, place, 1), most_ms=5)
        await take("idle, a second", max(IDLE_S, 1), lambda: asyncio.sleep(IDLE_S))
    return done


@asynccontextmanager
async def _room_for_agents(cloud: Cloud, hosts: int) -> AsyncIterator[list[Agent]]:
    """The agents of so many pretended hosts; they have stopped afterwards."""
    exchange = LocalExchange(cloud.frame.hosts, cloud.frame.bus)
    fabric = cloud.parts.fabric if cloud.parts is not None else FakeFabric()
    assert isinstance(fabric, FakeFabric)
    agents = []
    for number in range(hosts):
        name = f"far-{number}"
        parts = machine.FarParts(FakePlug(fabric, name), FakeMetadataDoors())
        runs = Fake(clock=cloud.frame.clock, facts=ROOM, plug=parts.plug)
        agents.append(await machine.agent(name, exchange, runs, parts, cloud.frame.clock, ({}, VolumeWays({}, {}))))
    try:
        yield agents
    finally:
        await asyncio.gather(*(agent.stop() for agent in agents))
