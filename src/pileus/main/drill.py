"""Drills: the cloud's process is killed at every step of what users ask for, started again, and looked at.

A drill has a cloud of its own, in a directory of its own. Before a request one failpoint is armed (kit/flow), by a file that the cloud
looks into; the request runs into it, the process dies as by `kill -9`, and after the next start these must hold, or the drill says
which does not:

    I1 what was acknowledged is there     I2 everything comes to rest by itself     I3 other servers run on, untouched
    I4, I5 the doctor finds nothing       I6 nothing runs or is plugged twice       I7 the change is told, once
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pileus.kit.errors import Problem
from pileus.kit.observe.events import LAST, SINCE
from pileus.main.client import ApiProblem, Unreachable
from pileus.main.drill_scene import Scene
from pileus.main.drill_verbs import Chapter, Verb
from pileus.main.launch import DidNotStart, health, start
from pileus.main.processes import Process, servers_of
from pileus.main.settings import Settings
from pileus.main.state import State

Turn = tuple[Verb, str | None]

QUIET_S = 1.5  # what follows a request by itself, without an operation, has begun by then
LOOK_S = 0.1
MOST_EVENTS = 500


class Injected(msgspec.Struct, frozen=True):
    """One fault and what came of it; `broken` names the invariants that do not hold."""

    verb: str
    fault: str | None
    died: bool
    at_rest_after_s: float
    broken: tuple[str, ...]


class DrillStopped(Problem):
    """The drill cannot go on: {why}"""


def turns(chapters: Sequence[Chapter], faults: Mapping[str, Sequence[str]]) -> list[Turn]:
    """What is asked, one after another, and where the cloud dies of it, until each fault of each verb has had its turn.

    The last chapter is a server's birth and death; the others lie between its first verb and its last.
    """
    left = {name: list(places) for name, places in faults.items()}

    def taken(verb: Verb) -> Turn:
        places = left.get(verb.name)
        return verb, places.pop(0) if places else None

    *between, life = chapters
    boot, delete = life.verbs
    found = [taken(boot)]
    for chapter in between:
        if any(left.get(verb.name) for verb in chapter.verbs):
            found += [taken(verb) for verb in chapter.opens]
            while any(left.get(verb.name) for verb in chapter.verbs):
                found += [taken(verb) for verb in chapter.verbs]
            found += [taken(verb) for verb in chapter.closes]
    found.append(taken(delete))
    while left.get(boot.name) or left.get(delete.name):
        found += [taken(boot), taken(delete)]
    return found


def faults_file(state: State) -> Path:
    """Where the cloud of a drill looks for what shall happen to it."""
    return state / "run" / "fault"


class Drill:
    """A cloud that is killed on purpose."""

    def __init__(self, state: State, settings: Settings, scene: Scene, *, rest_s: float) -> None:
        self._state = state
        self._settings = settings
        self._scene = scene
        self._rest_s = rest_s
        self.witness = ""

    # The cloud.

    def arm(self, fault: str) -> None:
        """The cloud dies when it passes that place."""
        file = faults_file(self._state)
        fresh = file.with_suffix(".new")
        fresh.write_text(f"{fault}:kill")
        fresh.replace(file)  # it is read at any moment, and never by half

    def heal(self) -> None:
        """The cloud runs again, and passes all places."""
        faults_file(self._state).unlink()
        end = time.monotonic() + self._rest_s
        while self._state.pid() is None:
            try:
                start(self._state, self._settings)
            except DidNotStart:
                if time.monotonic() >= end:
                    raise
                # A machine that is busy may take longer; what it was starting ends first.
                self._until(lambda: self._state.pid() is None, "what did not start is gone")
        self._until(lambda: health(self._settings), "the cloud is well")

    def killed(self) -> bool:
        """Whether the cloud's process died of its fault; one that passed it by is killed from outside."""
        end = time.monotonic() + self._rest_s
        quiet = time.monotonic() + QUIET_S
        while time.monotonic() < end:
            if self._state.pid() is None:
                return True
            if self._open_operations():
                quiet = time.monotonic() + QUIET_S
            elif time.monotonic() >= quiet:
                break
            time.sleep(LOOK_S)
        pid = self._state.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self._until(lambda: self._state.pid() is None, "the killed process is gone")
        return pid is None

    # What is played.

    def witnessed(self) -> None:
        """A server runs that no fault is aimed at."""
        self._scene.anew("server")
        self._scene.make("server", self._scene.made_of)
        self._until(lambda: self._scene.server() == "ACTIVE", "the witness runs")
        self.witness = self._scene.id("server") or ""

    def play(self, turns: Sequence[Turn]) -> Iterator[Injected]:
        """Every turn in its order, and what came of it."""
        for verb, fault in turns:
            yield self._inject(verb, fault)

    def _inject(self, verb: Verb, fault: str | None) -> Injected:
        self._forget_images(fault)
        pids, told = dict(servers_of(self._state)), self._last_event()
        if verb.makes is not None:
            self._scene.anew(verb.makes)
        if fault is not None:
            self.arm(fault)
        refusals: list[str] = []
        acknowledged = self._ask(verb, refusals)
        died = fault is not None and self.killed()
        if fault is not None:
            self.heal()
        began = time.monotonic()
        broken = list(self._settle(verb, refusals, acknowledged=acknowledged))
        after_s = time.monotonic() - began
        broken += self._witness(pids)
        if (times := self._told(verb.tells, told)) != 1:
            broken.append(f"I7: {verb.tells} was told {times} times")
        return Injected(verb.name, fault, died, after_s, tuple(broken))

    def _witness(self, before: Mapping[str, Process]) -> Iterator[str]:
        """What became of the server nobody touched; a pretended one has no process to look at."""
        if self.witness in before:
            now = dict(servers_of(self._state)).get(self.witness)
            if now is None:
                yield "I3: the witness does not run any more"
            elif now.pid != before[self.witness].pid:
                yield "I3: the witness was started anew"
        status = self._scene.client.get("compute", f"/servers/{self.witness}")["server"]["status"]
        if status != "ACTIVE":
            yield f"I3: the witness is {status}"

    def _forget_images(self, fault: str | None) -> None:
        """What dies while an image is fetched has to fetch one: the copy that all servers share is dropped."""
        if fault is not None and fault.startswith("image.fetch"):
            for copy in (self._state / "cache" / "images").iterdir():
                copy.unlink()

    def _ask(self, verb: Verb, refusals: list[str]) -> bool:
        """Make the request; False if the process died before it answered. What it refuses, as it never should, is noted."""
        try:
            verb.ask(self._scene)
        except Unreachable:
            return False
        except ApiProblem as refused:
            refusals.append(refused.message)
        return True

    def _settle(self, verb: Verb, refusals: list[str], *, acknowledged: bool) -> Iterator[str]:
        """Wait until it rests where it should; what does not hold is yielded."""
        if not acknowledged and not self._open_operations() and verb.seen(self._scene) != verb.ends:
            # It died before the request was taken, and said so by not answering: the user asks again.
            self._ask(verb, refusals)
        yield from (f"I1, I2: {verb.name} was refused: {why}" for why in refusals)
        if not self._comes(lambda: not self._open_operations() and verb.seen(self._scene) == verb.ends):
            seen = verb.seen(self._scene)
            yield f"I1, I2: after {verb.name} it is {seen}, not {verb.ends}; open: {self._open_operations()}"
        if not self._comes(lambda: not self._findings()):
            yield f"I4-I6: the doctor finds {'; '.join(self._findings())}"

    # Looking.

    def _open_operations(self) -> list[str]:
        return asyncio.run(self._read_open())

    async def _read_open(self) -> list[str]:
        from pileus.kit.flow.book import Book
        from pileus.main.opened import opened

        async with opened(self._state, self._settings) as db:
            book = Book(db)
            found = [await book.get(id) for id in await book.due()]
            return [f"{op.flow} at {op.step}" for op in found if op is not None]

    def _last_event(self) -> int:
        async def read() -> int:
            from pileus.main.opened import opened

            async with opened(self._state, self._settings) as db:
                return await db.one(LAST) or 0

        return asyncio.run(read())

    def _told(self, event: str, after: int) -> int:
        async def count() -> int:
            from pileus.main.opened import opened

            async with opened(self._state, self._settings) as db:
                return sum(one.kind == event for one in await db.all(SINCE, after=after, limit=MOST_EVENTS))

        return asyncio.run(count())

    def _findings(self) -> list[str]:
        async def look() -> list[str]:
            from pileus.main.doctor import examine
            from pileus.main.doctor_visit import visit

            async with visit(self._state, self._settings) as (patient, checks):
                return [f"{one.code} {one.subject}: {one.what}" for one in await examine(patient, checks)]

        return asyncio.run(look())

    def _comes(self, true: Callable[[], bool]) -> bool:
        end = time.monotonic() + self._rest_s
        while not true():
            if time.monotonic() >= end:
                return False
            time.sleep(LOOK_S)
        return True

    def _until(self, true: Callable[[], bool], what: str) -> None:
        if not self._comes(true):
            raise DrillStopped(why=f"not true in {self._rest_s:g} s: {what}")
