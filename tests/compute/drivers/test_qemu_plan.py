"""The plan leads every server to what is wanted, whatever it finds, and then rests."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.compute.drivers.contract import a_server

from pileus.compute.drivers.interface import Power, Restarts
from pileus.compute.drivers.qemu.home import Run
from pileus.compute.drivers.qemu.plan import Act, next_act

COUNTERS = some.builds(Restarts, start=some.integers(0, 2), soft=some.integers(0, 2), hard=some.integers(0, 2))
RUNS = some.builds(Run, done=COUNTERS, ran=some.booleans(), stop_by=some.none() | some.sampled_from([5.0, 15.0]),
                   shape=some.sampled_from(["", a_server().shape, "another"]), saved=some.booleans(),
                   cards=some.sampled_from([None, {}, {"gone": 0}]),
                   changing=some.sampled_from([{}, {"going": 1}]))  # fmt: skip
STATUS = some.none() | some.sampled_from(
    ["running", "paused", "io-error", "shutdown", "prelaunch", "inmigrate", "postmigrate"]
)
NOW = 10.0


class Guest:
    """A server that obeys every act at once; what the plan should lead somewhere."""

    def __init__(self, run: Run, status: str | None, asked: Restarts) -> None:
        self.run, self.status, self.asked, self.shape = run, status, asked, a_server().shape

    def obey(self, act: Act) -> None:
        change = msgspec.structs.replace
        match act:
            case Act.START:
                self.run, self.status = Run(done=self.asked, ran=True, shape=self.run.shape), "running"
            case Act.ASK:
                self.run, self.status = change(self.run, stop_by=NOW + 5), "shutdown"
            case Act.WAIT:
                self.status = "shutdown"
            case Act.KILL | Act.BURY:
                self.status = None
            case Act.FORGET:
                self.run = change(self.run, stop_by=None)
            case Act.PAUSE:
                self.status = "paused"
            case Act.RESUME:
                self.run, self.status = change(self.run, done=change(self.run.done, start=self.asked.start)), "running"
            case Act.SHAPE:
                ran = self.run.ran and self.run.shape in ("", self.shape)
                self.run = change(self.run, shape=self.shape, checkpoint=None, ran=ran)
            case Act.SAVE:
                self.status = "postmigrate"
            case Act.STORE:
                self.run, self.status = change(self.run, saved=True), None
            case Act.LOAD:
                self.status = "paused"
            case Act.DEVICES:
                self.run = change(self.run, cards={}, changing={})
            case Act.NMI | Act.REST:
                pass


@given(RUNS, STATUS, COUNTERS, some.sampled_from(Power))
def test_comes_to_rest_as_wanted(run: Run, status: str | None, asked: Restarts, power: Power) -> None:
    wanted = a_server(power=power, restarts=asked)
    guest = Guest(run, status, asked)
    for _ in range(10):
        act = next_act(wanted, guest.run, guest.status, NOW)
        if act is Act.REST:
            break
        guest.obey(act)
    assert act is Act.REST
    ended_by_itself = guest.run.ran and guest.status is None
    if power in (Power.OFF, Power.SUSPENDED):
        assert guest.status is None
    elif not ended_by_itself:
        assert guest.status in {"running", "prelaunch", "io-error"} | (
            {"paused", "postmigrate"} if power is Power.PAUSED else set()
        )


@pytest.mark.parametrize(
    ("run", "status", "restarts", "act"),
    [
        (Run(ran=True), None, Restarts(), Act.REST),
        (Run(ran=True), None, Restarts(start=1), Act.START),
        (Run(), None, Restarts(), Act.START),
        (Run(ran=True), "running", Restarts(start=1), Act.REST),
        (Run(ran=True), "running", Restarts(soft=1), Act.ASK),
        (Run(ran=True, stop_by=NOW + 1), "running", Restarts(soft=1), Act.WAIT),
        (Run(ran=True, stop_by=NOW - 1), "running", Restarts(soft=1), Act.KILL),
        (Run(ran=True, stop_by=NOW + 1), "running", Restarts(soft=1, hard=1), Act.KILL),
        (Run(ran=True), "paused", Restarts(soft=1), Act.KILL),
        (Run(ran=True), "shutdown", Restarts(), Act.BURY),
        (Run(ran=True), "io-error", Restarts(), Act.REST),
        (Run(ran=True), "io-error", Restarts(start=1), Act.RESUME),
        (Run(ran=True, stop_by=NOW - 1), "running", Restarts(), Act.FORGET),
    ],
)
def test_does_next(run: Run, status: str | None, restarts: Restarts, act: Act) -> None:
    server = a_server(restarts=restarts)
    assert next_act(server, msgspec.structs.replace(run, shape=server.shape), status, NOW) is act


@pytest.mark.parametrize(
    ("power", "run", "status", "act"),
    [
        (Power.SUSPENDED, Run(ran=True), "running", Act.SAVE),
        (Power.SUSPENDED, Run(ran=True), "postmigrate", Act.STORE),
        (Power.SUSPENDED, Run(ran=True, saved=True), None, Act.REST),
        (Power.ON, Run(ran=True, saved=True), None, Act.START),
        (Power.ON, Run(ran=True), "inmigrate", Act.LOAD),
        (Power.ON, Run(ran=True), "postmigrate", Act.RESUME),
    ],
)
def test_suspends_and_resumes(power: Power, run: Run, status: str | None, act: Act) -> None:
    server = a_server(power=power)
    assert next_act(server, msgspec.structs.replace(run, shape=server.shape), status, NOW) is act


def test_what_shall_have_another_shape_is_started_anew() -> None:
    server = a_server(disk_generation=1)
    run = Run(ran=True, shape=a_server().shape)
    assert next_act(server, run, "running", NOW) is Act.KILL
    assert next_act(server, run, None, NOW) is Act.SHAPE
