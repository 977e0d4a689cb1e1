"""How the doctor gets hold of a cloud: its database, its switch and its machine, beside the process that runs it.

Nothing is started or announced here: the process that runs the cloud finds what was mended by its own timers.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping

from pileus.block_storage import manifest as block_storage
from pileus.compute import manifest as compute
from pileus.identity import manifest as identity
from pileus.image import manifest as image
from pileus.kit.bus import LocalBus
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database
from pileus.kit.flow.engine import Engine
from pileus.kit.hosts.asks import Asks
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.events import Events
from pileus.main import doctor_networks, doctor_rest, doctor_rooms, doctor_servers, doctor_volumes, machine
from pileus.main.doctor import Check, Patient
from pileus.main.doctor_machine import Machine, ThisMachine
from pileus.main.opened import opened
from pileus.main.server_files import AllServerFiles, FileAnswers
from pileus.main.settings import Settings
from pileus.main.state import State
from pileus.network import manifest as network
from pileus.network.drivers.fake import FakeFabric
from pileus.network.drivers.interface import Fabric
from pileus.placement import manifest as placement
from pileus.ports.metadata import Answer

CHECKS: tuple[Check, ...] = (
    *doctor_rest.CHECKS,
    *doctor_servers.CHECKS,
    *doctor_rooms.CHECKS,
    *doctor_networks.CHECKS,
    *doctor_volumes.CHECKS,
)


class Nobody:
    """Answers no guest: the cloud's process does that."""

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        return Answer(503)


@contextlib.asynccontextmanager
async def visit(state: State, settings: Settings) -> AsyncIterator[tuple[Patient, tuple[Check, ...]]]:
    """A cloud to be examined, and the checks that make sense there."""
    checks = CHECKS
    async with opened(state, settings) as db:
        fabric: Fabric | None = None
        if "network" in settings.services and settings.network_driver == "ovn" and settings.agent:
            fabric = machine.network_parts(state, settings, Nobody()).fabric
            await fabric.start()
        else:
            # A fabric that is only pretended is in the memory of the cloud's process.
            checks = tuple(check for check in CHECKS if check is not doctor_networks.fabric)
        try:
            yield patient(state, settings, db, ThisMachine(state, settings), fabric), checks
        finally:
            if fabric is not None:
                await fabric.stop()


def patient(state: State, settings: Settings, db: Database, here: Machine, fabric: Fabric | None) -> Patient:
    """The cloud's parts over its database, none of them at work."""
    clock, bus = SystemClock(), LocalBus()
    engine, hosts, events = Engine(db, bus, clock), Hosts(db, bus, clock), Events(db, bus, clock)
    own = machine.host_name(settings)
    images = image.build(db=db, clock=clock, operations=engine, state=state.path, config=settings.image)
    rooms = placement.build(db=db, clock=clock)
    networks = network.build(
        db=db, clock=clock, bus=bus, hosts=hosts, events=events, config=settings.network,
        fabric=fabric if fabric is not None else FakeFabric(),
    )  # fmt: skip
    people = identity.build(db=db, clock=clock, state=state.path, config=settings.identity)
    consoles = machine.LocalConsoles(own)
    files = AllServerFiles(own, FileAnswers(own, consoles), Asks(), state / "cache" / "arriving")
    volumes = block_storage.build(
        db, clock, bus, engine, hosts, events, images=image.port(images), identity=identity.IdentityPort(people),
        config=settings.block_storage,
    )  # fmt: skip
    servers = compute.build(
        db=db, clock=clock, bus=bus, engine=engine, hosts=hosts, events=events, placement=placement.port(rooms),
        images=image.port(images), networks=network.port(networks), identity=identity.IdentityPort(people),
        consoles=consoles, files=files, vault=identity.vault(state.path, settings.identity), config=settings.compute,
        volumes=block_storage.port(volumes) if "block_storage" in settings.services else None,
    )  # fmt: skip
    for flow in compute.FLOWS:
        engine.add(flow, servers)
    for flow in image.FLOWS:
        engine.add(flow, images)
    has = settings.services
    return Patient(
        db=db, clock=clock, bus=bus, engine=engine, hosts=hosts, machine=here, own_host=own,
        compute=servers if "compute" in has else None,
        network=networks if "network" in has else None,
        image=images if "image" in has else None,
        placement=rooms if "placement" in has else None,
        storage=volumes if "block_storage" in has else None,
    )  # fmt: skip
