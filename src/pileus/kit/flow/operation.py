"""The row of a long job: which flow, about what, how far it is, and why it waits.

Views (task_state, progress, the history of actions) are computed from it; nobody assigns them.
"""

import datetime as dt
import enum
from typing import Any

import msgspec

from pileus.kit.errors import Conflict


class State(enum.StrEnum):
    """How an operation stands. Queued and running ones are open."""

    QUEUED = "queued"  # it follows the one that runs on the same subject, which was told to turn back
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # and undone
    STUCK = "stuck"  # it can go neither forward nor back; an operator has to look


OPEN = (State.QUEUED, State.RUNNING)


class Operation(msgspec.Struct, frozen=True):
    """A long job."""

    number: int  # grows with each operation, so that the newest sorts last
    id: str
    flow: str
    subject: str  # such as "server:<id>"; a subject has at most one running operation
    args: dict[str, Any]
    facts: dict[str, Any]
    step: str
    shows: str | None
    undoing: bool
    back_to: str | None  # undo down to this step and go forward again from it; None: undo all
    failure: str | None
    attempts: int  # how often the present step went wrong in a row
    tries: int  # how often the flow has set out
    turn_back: str | None  # why somebody wants it undone
    generation: int
    created: dt.datetime
    updated: dt.datetime
    begun: dt.datetime  # when the present step began
    finished: dt.datetime | None
    look_again_at: dt.datetime
    waiting_why: str | None
    deadline: dt.datetime | None
    state: State
    project_id: str | None
    user_id: str | None
    request_id: str | None
    holder: str | None = None  # the controller that runs it; None where there is but one

    @property
    def open(self) -> bool:
        """Whether it still has something to do."""
        return self.state in OPEN


class StepRun(msgspec.Struct, frozen=True):
    """One step, done or undone once: what the history of a subject shows."""

    number: int
    operation: str
    step: str
    undoing: bool
    started: dt.datetime
    finished: dt.datetime | None
    result: str | None  # done, failed, stuck; None while it runs
    why: str | None
    host: str | None


class Past(msgspec.Struct, frozen=True):
    """An operation with its steps, oldest first."""

    operation: Operation
    steps: tuple[StepRun, ...]


class Busy(Conflict):
    """{subject} is busy: its operation {flow} ({id}) has not ended."""

    def __init__(self, running: Operation) -> None:
        super().__init__(subject=running.subject, flow=running.flow, id=running.id)
        self.running = running
