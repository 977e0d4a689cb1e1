"""Moves of a real guest between two machines, with `kill -9` of the controller and of both agents at every step."""

from collections.abc import Iterator

import pytest
from tests.hosts.killed_moves import Stage, places, staged

from pileus.compute.flows.evacuate import EVACUATE
from pileus.compute.flows.live import LIVE_MIGRATE
from pileus.compute.flows.resize import CONFIRM, MIGRATE, REVERT

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.scale, pytest.mark.timeout(1800),
              pytest.mark.filterwarnings("default")]  # fmt: skip

LEAVING = ["qemu.leave@opened", "qemu.leave@mirrored", "qemu.leave@sending", "qemu.leave@sent"]
LANDING = ["qemu.land@exported", "qemu.land@runs"]
STARTING = ["qemu.start@started", "qemu.start@written"]
ARRIVING = ["qemu.arrive@fetched", "qemu.arrive@kept"]
REMOVING = ["qemu.remove@ended", "qemu.remove@unplugged"]
LIVE = {"os-migrateLive": {"host": None, "block_migration": "auto"}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("faults")) as made:
        yield made


def rested(stage: Stage, what: str, before: int, least: int) -> None:
    """Everything came to rest, and so many died on the way there."""
    stage.mover.rests("ACTIVE")
    stage.judge()
    stage.well()
    print(f"{what}: {stage.kills - before} kills; it runs once, whole, with its room and its port", flush=True)
    assert stage.kills - before >= least


def test_a_guest_that_goes_live_runs_on_whoever_dies(stage: Stage) -> None:
    before = stage.kills

    def turn(status: str, host: str, fault: str) -> bool:
        return stage.mover.act(LIVE)

    assert stage.mover.act(LIVE)
    assert stage.mover.rests("ACTIVE")[1] == stage.own
    stage.greetings = 0  # It began on `b`, and from now on nowhere.
    stage.judge()
    stage.killed(places(LIVE_MIGRATE), turn)
    stage.killed([*LEAVING, *LANDING], turn)
    stage.killed([*LEAVING, *LANDING], turn, there=True)
    rested(stage, "live migration", before, 26)


def test_a_guest_that_goes_cold_or_comes_back_is_whole_whoever_dies(stage: Stage) -> None:
    before = stage.kills
    stage.greetings = 10**6

    def turn(status: str, host: str, fault: str) -> bool:
        if status == "ACTIVE":
            return stage.mover.act({"migrate": None})
        return stage.mover.act({"revertResize" if REVERT.name in fault else "confirmResize": None})

    stage.killed(places(MIGRATE, CONFIRM, REVERT), turn)
    stage.killed([*ARRIVING, *STARTING, *REMOVING], turn, there=True)
    if stage.mover.rests("ACTIVE", "VERIFY_RESIZE")[0] == "VERIFY_RESIZE":
        assert stage.mover.act({"confirmResize": None})
    rested(stage, "cold migration, confirm, revert", before, 24)


def test_a_guest_that_is_evacuated_runs_once_whoever_dies(stage: Stage) -> None:
    before = stage.kills

    def turn(status: str, host: str, fault: str) -> bool:
        return host == "b" and stage.mover.act({"evacuate": {}})

    if stage.mover.rests("ACTIVE")[1] != "b":
        assert stage.mover.act(LIVE)
        assert stage.mover.rests("ACTIVE")[1] == "b"
    stage.judge()
    with stage.without_b():
        stage.killed([*places(EVACUATE, where=("before", "after", "committed")), STARTING[0]], turn)
        assert stage.mover.rests("ACTIVE")[1] == stage.own
    stage.marked, stage.greetings = False, 1  # Its disk was lost with the host.
    rested(stage, "evacuation", before, 10)
