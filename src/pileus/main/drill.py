"""Drills: the cloud's process is killed at every step of a server's life, started again, and looked at.

A drill has a cloud of its own, in a directory of its own. Each start arms one failpoint (kit/flow); a user's request then runs into
it, the process dies as by `kill -9`, and after the next start these must hold, or the drill says which does not:

    I1 what was acknowledged is there     I2 everything comes to rest by itself     I3 other servers run on, untouched
    I4, I5 the doctor finds nothing       I6 nothing runs or is plugged twice       I7 the change is told, once
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pileus.kit.errors import Problem
from pileus.kit.flow.failpoint import VARIABLE
from pileus.kit.flow.step import Flow
from pileus.kit.observe.events import OF_SUBJECT
from pileus.main.client import ApiProblem, Client, Unreachable
from pileus.main.launch import health, start, stop
from pileus.main.processes import Process, servers_of
from pileus.main.settings import Settings
from pileus.main.state import State

Json = dict[str, Any]
Say = Callable[[str], None]

WHERE = ("before", "after", "committed")
DIES_WITHIN_S = 15.0
LOOK_S = 0.1


class Verb(msgspec.Struct, frozen=True):
    """Something a user asks of a server: its flow, the request, the state it ends in, the event that tells it."""

    name: str
    flow: Flow
    action: Json | None
    ends: str | None
    event: str


class Injected(msgspec.Struct, frozen=True):
    """One fault and what came of it; `broken` names the invariants that do not hold."""

    verb: str
    fault: str
    died: bool
    at_rest_after_s: float
    broken: tuple[str, ...]


class DrillStopped(Problem):
    """The drill cannot go on: {why}"""


def faults_of(flow: Flow) -> list[str]:
    """Every place of a flow where a process may die: around each step, and while a step that waits is asked again."""
    places = [f"flow.step.{where}@{flow.name}/{step.name}" for step in flow.steps for where in WHERE]
    # A step that waits for its host is passed more than once, and the last time is the one that counts.
    return places + [f"flow.step.committed@{flow.name}/{step.name}#2" for step in flow.steps if _waits(step.name)]


def _waits(step: str) -> bool:
    return step in {"start on host", "remove from host", "power on", "power off", "reboot"}


class Drill:
    """A cloud that is killed on purpose."""

    def __init__(
        self,
        state: State,
        settings: Settings,
        log_in: Callable[[], Client],
        boots_with: Json,
        *,
        rest_s: float,
        say: Say,
    ) -> None:
        self._state = state
        self._settings = settings
        self._log_in = log_in
        self._boots_with = boots_with
        self._rest_s = rest_s
        self._say = say
        self._client: Client | None = None
        self._made = 0
        self.server = ""
        self.witness = ""

    # The cloud.

    def arm(self, fault: str | None) -> None:
        """The cloud runs anew, and dies at that place."""
        stop(self._state)
        if fault is not None:
            os.environ[VARIABLE] = f"{fault}:kill"
        try:
            start(self._state, self._settings)
        finally:
            os.environ.pop(VARIABLE, None)
        self._until(lambda: health(self._settings), "the cloud is well")

    def killed(self) -> bool:
        """Whether the cloud's process died of its fault; one that passed it by is killed from outside."""
        end = time.monotonic() + DIES_WITHIN_S
        while time.monotonic() < end:
            if self._state.pid() is None:
                return True
            if not self._open_operations():
                break
            time.sleep(LOOK_S)
        pid = self._state.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self._until(lambda: self._state.pid() is None, "the killed process is gone")
        return pid is None

    @property
    def client(self) -> Client:
        """The user; his token outlives the process that issued it."""
        if self._client is None:
            self._client = self._log_in()
        return self._client

    # Servers.

    def witnessed(self) -> None:
        """A server runs that no fault is aimed at."""
        self.witness = self._boot("witness")
        self._until(lambda: self._status(self.witness) == "ACTIVE", "the witness runs")

    def play(self, verbs: Sequence[Verb]) -> Iterator[Injected]:
        """Every fault of every verb, in the order of a server's life, again and again until each has had its turn."""
        left = {verb.name: faults_of(verb.flow) for verb in verbs}
        turns: list[tuple[Verb, str | None]] = []
        while any(left.values()):
            turns += [(verb, left[verb.name].pop(0) if left[verb.name] else None) for verb in verbs]
        self.arm(turns[0][1])
        for at, (verb, fault) in enumerate(turns):
            # The start that heals one fault arms the next: that lies in another flow, so what is healed does not meet it.
            yield self._inject(verb, fault, turns[at + 1][1] if at + 1 < len(turns) else None)

    def _inject(self, verb: Verb, fault: str | None, following: str | None) -> Injected:
        pids = dict(servers_of(self._state))
        told = 0 if verb.name == "boot" else self._told(verb.event)
        acknowledged = self._ask(verb)
        died = fault is not None and self.killed()
        if fault is not None:
            self.arm(following)
        began = time.monotonic()
        broken = list(self._settle(verb, acknowledged=acknowledged))
        after_s = time.monotonic() - began
        broken += self._witness(pids)
        if self._told(verb.event) != told + 1:
            broken.append(f"I7: {verb.event} was told {self._told(verb.event) - told} times")
        if fault is None and following is not None:
            self.arm(following)
        return Injected(verb.name, fault or "none", died, after_s, tuple(broken))

    def _witness(self, before: Mapping[str, Process]) -> Iterator[str]:
        """What became of the server nobody touched; a pretended one has no process to look at."""
        if self.witness in before:
            now = dict(servers_of(self._state)).get(self.witness)
            if now is None:
                yield "I3: the witness does not run any more"
            elif now.pid != before[self.witness].pid:
                yield "I3: the witness was started anew"
        if self._status(self.witness) != "ACTIVE":
            yield f"I3: the witness is {self._status(self.witness)}"

    def _ask(self, verb: Verb) -> bool:
        """Make the request; False if the process died before it answered."""
        try:
            if verb.name == "boot":
                self.server = ""
                self._made += 1
                self.server = self._boot(f"drill-{self._made}")
            elif verb.action is None:
                self.client.ask("DELETE", "compute", f"/servers/{self.server}")
            else:
                self.client.post("compute", f"/servers/{self.server}/action", verb.action)
        except Unreachable:
            return False
        return True

    def _settle(self, verb: Verb, *, acknowledged: bool) -> Iterator[str]:
        """Wait until it rests where it should; what does not hold is yielded."""
        if verb.name == "boot" and not self.server:
            self.server = self._named(f"drill-{self._made}") or self._boot(f"drill-{self._made}")
        elif not acknowledged and self._status(self.server) != verb.ends and not self._open_operations():
            # It died before the request was taken, and said so by not answering: the user asks again.
            self._ask(verb)
        if not self._comes(lambda: not self._open_operations() and self._status(self.server) == verb.ends):
            yield f"I2: {self.server} is {self._status(self.server)}, not {verb.ends}; open: {self._open_operations()}"
        if not self._comes(lambda: not self._findings()):
            yield f"I4-I6: the doctor finds {'; '.join(self._findings())}"

    def _boot(self, name: str) -> str:
        made = self.client.post("compute", "/servers", {"server": {**self._boots_with, "name": name}})
        return str(made["server"]["id"])

    def _named(self, name: str) -> str | None:
        found = self.client.by_name("compute", "/servers", "servers", name)
        return str(found["id"]) if found else None

    def _status(self, id: str) -> str | None:
        try:
            found = self.client.get("compute", f"/servers/{id}")["server"]
        except ApiProblem as problem:
            if "404" in problem.message:
                return None
            raise
        return str(found["status"]) if found["OS-EXT-STS:task_state"] is None else "busy"

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

    def _told(self, event: str) -> int:
        async def count() -> int:
            from pileus.main.opened import opened

            async with opened(self._state, self._settings) as db:
                told = await db.all(OF_SUBJECT, subject=f"server:{self.server}", limit=1000)
                return sum(one.kind == event for one in told)

        return asyncio.run(count()) if self.server else 0

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


def verbs() -> tuple[Verb, ...]:
    """A server's life."""
    from pileus.compute.flows.boot import BOOT
    from pileus.compute.flows.delete import DELETE
    from pileus.compute.flows.turn import REBOOT, REBOOT_HARD, START, STOP

    return (
        Verb("boot", BOOT, None, "ACTIVE", "server.created"),
        Verb("stop", STOP, {"os-stop": None}, "SHUTOFF", "server.stopped"),
        Verb("start", START, {"os-start": None}, "ACTIVE", "server.started"),
        Verb("reboot", REBOOT, {"reboot": {"type": "SOFT"}}, "ACTIVE", "server.rebooted"),
        Verb("reboot hard", REBOOT_HARD, {"reboot": {"type": "HARD"}}, "ACTIVE", "server.rebooted"),
        Verb("delete", DELETE, None, None, "server.deleted"),
    )
