"""The flow of style section 7, killed at every point: it ends where it ends undisturbed, and leaves nothing over."""

import contextlib

import msgspec
import pytest

from pileus.kit.bus import LocalBus
from pileus.kit.clock import FakeClock
from pileus.kit.db import Database, create_all
from pileus.kit.flow.crash import Reaper, Scene, play, survives_crashes
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait
from pileus.kit.tables import metadata


class World(msgspec.Struct):
    """Two hosts, the room claimed on them, a server with a disk, and what is to go wrong."""

    reaper: Reaper
    trouble: str | None = None
    claims: dict[str, str] = msgspec.field(default_factory=lambda: {"server": "here"})
    power: dict[str, bool] = msgspec.field(default_factory=lambda: {"here": True, "there": False})
    disks: dict[str, int] = msgspec.field(default_factory=lambda: {"here": 3})
    ports: str = "here"
    faults: list[str] = msgspec.field(default_factory=list)

    async def set_power(self, host: str, on: bool) -> Outcome:
        if self.power[host] != on:
            async with self.reaper.effect(f"power {host} {on}"):
                self.power[host] = on
            return Wait(2, "waiting for power")
        return Done()

    async def bind(self, host: str) -> Outcome:
        if self.ports != host:
            async with self.reaper.effect(f"bind {host}"):
                self.ports = host
        return Done()


async def claim_room(world: World, op: Operation) -> Outcome:
    if world.trouble == "no room":
        return Fail("No valid host was found.")
    if op.id not in world.claims:
        async with world.reaper.effect("claim"):
            world.claims[op.id] = "there"
    return Done({"target": world.claims[op.id]})


async def release_room(world: World, op: Operation) -> Outcome:
    if op.id in world.claims:
        async with world.reaper.effect("release"):
            del world.claims[op.id]
    return Done()


async def copy_disk(world: World, op: Operation) -> Outcome:
    copied = world.disks.get("there", 0)
    if copied == 2 and world.trouble == "copy fails":
        return Fail("disk full")
    if copied < 3:
        async with world.reaper.effect("copy a part"):
            world.disks["there"] = copied + 1
        return Wait(5, "copying disks")
    return Done()


async def drop_copy(world: World, op: Operation) -> Outcome:
    if "there" in world.disks:
        async with world.reaper.effect("drop the copy"):
            del world.disks["there"]
        return Wait(5, "deleting the copy")
    return Done()


async def start_there(world: World, op: Operation) -> Outcome:
    if world.trouble == "start fails":
        async with world.reaper.effect("power there half"):
            world.power["there"] = True
        return Fail("qemu: no such CPU")
    return await world.set_power("there", True)


RESIZE = Flow(
    "server.resize",
    (
        Step("claim room", claim_room, undo=release_room),
        Step(
            "stop here",
            lambda world, op: world.set_power("here", False),
            lambda world, op: world.set_power("here", True),
        ),
        Step("move disks", copy_disk, undo=drop_copy),
        Step("move ports", lambda world, op: world.bind("there"), lambda world, op: world.bind("here")),
        Step("start there", start_there, undo=lambda world, op: world.set_power("there", False)),
    ),
    ended=lambda world, op: write_fault(world, op),
)


async def write_fault(world: World, op: Operation) -> None:
    # Runs in the transaction that ends the operation; the fake is no database, so it must be repeatable.
    world.faults = [op.failure] if op.failure is not None else []


class ResizeScene:
    def __init__(self, world: World, db: Database, clock: FakeClock) -> None:
        self.in_it, self.db, self.clock = world, db, clock

    async def begin(self, engine: Engine) -> None:
        await engine.begin("server.resize", "server:1", id="resize")

    async def engine(self) -> Engine:
        return Engine(self.db, LocalBus(), self.clock, {"server.resize": (RESIZE, self.in_it)})

    async def others(self):
        return ()

    async def world(self) -> object:
        engine = await self.engine()
        (past,) = await engine.history("server:1")
        w = self.in_it
        return (past.operation.state, past.operation.failure, w.claims, w.power, w.disks, w.ports, w.faults,
                [(run.step, run.undoing, run.result) for run in past.steps])  # fmt: skip


@pytest.fixture
def scenes(fresh_database):
    """`async with scenes() as scene_with:` closes, when left, the databases of all scenes that were made."""

    @contextlib.asynccontextmanager
    async def opened():
        async with contextlib.AsyncExitStack() as closing:

            def scene_with(trouble: str | None):
                async def make(reaper: Reaper, clock: FakeClock) -> Scene:
                    await closing.aclose()  # of the play before
                    db = await Database.open(fresh_database())
                    closing.push_async_callback(db.close)
                    await create_all(db, metadata)
                    return ResizeScene(World(reaper, trouble), db, clock)

                return make

            yield scene_with

    return opened


@pytest.mark.parametrize("trouble", [None, "no room", "copy fails", "start fails"])
async def test_killed_at_any_point_it_ends_as_if_undisturbed(scenes, trouble, every):
    async with scenes() as scene_with:
        assert await survives_crashes(scene_with(trouble), every=every) >= 6


async def test_success_leaves_the_server_there_with_both_claims(scenes):
    async with scenes() as scene_with:
        state, failure, claims, power, disks, ports, faults, steps = (await play(scene_with(None), None)).world
    assert (state, failure, faults) == (State.DONE, None, [])
    assert claims == {"server": "here", "resize": "there"}
    assert (power, ports, disks["there"]) == ({"here": False, "there": True}, "there", 3)
    assert [step for step, _, _ in steps] == [step.name for step in RESIZE.steps]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [("no room", "No valid host was found."), ("copy fails", "disk full"), ("start fails", "qemu: no such CPU")],
)
async def test_failure_leaves_the_server_where_it_was_with_nothing_over(scenes, trouble, why):
    async with scenes() as scene_with:
        state, failure, claims, power, disks, ports, faults, _ = (await play(scene_with(trouble), None)).world
    assert (state, failure, faults) == (State.FAILED, why, [why])
    assert claims == {"server": "here"}
    assert (power, ports, disks) == ({"here": True, "there": False}, "here", {"here": 3})
