"""How a flow is declared: a name and a table of steps, each with what it does, what undoes it and what it shows.

A step ensures: "room is claimed when this returns Done". It may be run again at any time, so what it creates is named after
the operation's id. It never sleeps and never loops over time: it answers Wait, and is asked again.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pileus.kit.flow.operation import Operation

# Facts and arguments are JSON objects whose shape only the flow knows.
Facts = dict[str, Any]
Also = Callable[[], Awaitable[None]]

UNDO_DEADLINE_S = 900.0


class Done(msgspec.Struct, frozen=True):
    """The step's promise holds. Facts are kept for the steps to come; `also` runs in the transaction that says so."""

    facts: Facts = {}
    also: Also | None = None


class Wait(msgspec.Struct, frozen=True):
    """Not yet; look again after so many seconds, or sooner when woken. `why` is what an operator reads."""

    seconds: float
    why: str


class Fail(msgspec.Struct, frozen=True):
    """It cannot be done. With `again_from`, undo back to that step and go on from there with these facts."""

    why: str
    again_from: str | None = None
    facts: Facts = {}


Outcome = Done | Wait | Fail
# The first argument is the service's app; each flow names its own type.
Act = Callable[[Any, Operation], Awaitable[Outcome]]
Ended = Callable[[Any, Operation], Awaitable[None]]


class Step(msgspec.Struct, frozen=True):
    """One promise of a flow. `final` steps lie past the point of no return: never undone, retried until they are done."""

    name: str
    do: Act
    undo: Act | None = None
    shows: str | None = None
    final: bool = False
    deadline_s: float | None = None


class Flow(msgspec.Struct, frozen=True):
    """A table of steps. `ended` runs in the transaction that ends the operation, whichever way it ended."""

    name: str
    steps: tuple[Step, ...]
    deadline_s: float | None = None
    undo_deadline_s: float = UNDO_DEADLINE_S
    tries: int = 3
    ended: Ended | None = None

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"flow {self.name}: it needs steps, with names of their own")
        finals = [step.final for step in self.steps]
        if finals != sorted(finals):
            raise ValueError(f"flow {self.name}: after a final step there is no way back, so all that follow are final")

    def index(self, name: str) -> int | None:
        """The place of a step in the table, None when this release has no such step."""
        return next((at for at, step in enumerate(self.steps) if step.name == name), None)

    def __getitem__(self, name: str) -> Step:
        at = self.index(name)
        if at is None:
            raise KeyError(f"flow {self.name} has no step {name!r}")
        return self.steps[at]
