"""Proof that a flow survives being killed: every point is tried, and the world must end as it does undisturbed.

A `Scene` sets up a world whose effects pass through a `Reaper` (`async with reaper.effect("make port"): ...`), which dies before or
after the n-th effect. The failpoints of the runner, around each step and its commit, are points too. After the death a fresh engine
on the same database takes over, as after `kill -9`.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import msgspec

from pileus.kit.clock import FakeClock
from pileus.kit.flow import failpoint
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.settle import TakesTurns, settle
from pileus.kit.flow.step import Flow


class Died(BaseException):
    """The process was killed here; nothing may catch this."""


class Reaper:
    """Counts the points a run passes, and kills it at one of them."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.dies_at = dies_at
        self.passed: list[str] = []

    def point(self, name: str) -> None:
        """Die here if it is the time."""
        self.passed.append(name)
        if len(self.passed) - 1 == self.dies_at:
            raise Died(name)

    @contextlib.asynccontextmanager
    async def effect(self, name: str) -> AsyncIterator[None]:
        """Around one change of the world: a point before and a point after."""
        self.point(f"before {name}")
        yield
        self.point(f"after {name}")


class Scene(Protocol):
    """A world, a flow that changes it, and how to look at it."""

    async def begin(self, engine: Engine) -> None:
        """Begin the operation; called once, before anything may die."""
        ...

    async def engine(self) -> Engine:
        """Return a fresh engine, as a restarted process would make it, on the database that survived."""
        ...

    async def others(self) -> tuple[TakesTurns, ...]:
        """Return what else works, fresh as well: host agents, reconcilers."""
        ...

    async def world(self) -> object:
        """Return what the world has come to, as a value that can be compared."""
        ...


class Played(msgspec.Struct, frozen=True):
    """How one run went."""

    world: object
    points: tuple[str, ...]


MakeScene = Callable[[Reaper, FakeClock], Awaitable[Scene]]


async def survives_crashes(make_scene: MakeScene, passes: Flow | None = None, *, every: int = 1) -> int:
    """Every point at which the flow may be killed leads to the world of the undisturbed run; returns how many there are.

    With `passes`, the run is one in which every step of that flow is done. With `every`, of so many points one is tried.
    """
    undisturbed = await play(make_scene, None)
    if passes is not None:
        done = {f"flow.step.committed {passes.name}/{step.name}" for step in passes.steps}
        assert done <= set(undisturbed.points), f"never passed: {sorted(done - set(undisturbed.points))}"
    points = list(enumerate(undisturbed.points))
    for at, name in points[len(points) % every :: every]:
        disturbed = await play(make_scene, at)
        assert disturbed.world == undisturbed.world, f"killed {name}: {disturbed.world} is not {undisturbed.world}"
    return len(undisturbed.points)


async def play(make_scene: MakeScene, dies_at: int | None) -> Played:
    """Run a scene to its end, with one death on the way at most."""
    clock, reaper = FakeClock(), Reaper(dies_at)
    scene = await make_scene(reaper, clock)
    await scene.begin(await scene.engine())
    with _failpoints(reaper):
        for _ in range(2):
            engine = await scene.engine()
            others = await scene.others()
            try:
                await settle(engine, clock, *others)
                break
            except Died:
                continue
            finally:
                await engine.stop()
    return Played(await scene.world(), tuple(reaper.passed))


@contextlib.contextmanager
def _failpoints(reaper: Reaper) -> Iterator[None]:
    with failpoint.watched(lambda name, place: reaper.point(f"{name} {place}")):
        yield
