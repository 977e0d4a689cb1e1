"""Drills: every step of what users ask for has places to die at, and a cloud survives them all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pileus.main.drill import turns
from pileus.main.drill_verbs import chapters, faults, faults_of, verbs
from pileus.main.drill_volumes import volume_chapters

ROOT = Path(__file__).resolve().parents[2]
WHERE = ("before", "after", "committed")


def drilled(*options: str, timeout_s: float) -> int:
    """How many faults were injected; all of them must have been survived."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    argv = [sys.executable, "-m", "pileus.main.cli", "drill", *options]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout.partition("---\n")[2])
    told = re.search(r"(\d+) faults injected, (\d+) survived", done.stdout)
    assert told is not None, done.stdout
    assert told[1] == told[2]
    return int(told[1])


def every(*, real: bool) -> dict[str, list[str]]:
    """All faults of all verbs in servers and networks."""
    return {verb.name: faults(verb, real=real) for verb in verbs(chapters())}


def test_every_step_has_a_place_before_within_and_after_its_commit() -> None:
    from pileus.compute.flows.boot import BOOT
    from pileus.compute.flows.resize import RESIZE

    places = set().union(*every(real=False).values())
    for flow in (BOOT, RESIZE):
        assert set(faults_of(flow)) <= places
        for step in flow.steps:
            assert {f"flow.step.{where}@{flow.name}/{step.name}" for where in WHERE} <= places


@pytest.mark.parametrize(("name", "least"), [("boot", 14), ("delete", 10), ("resize", 8), ("confirm", 4), ("revert", 8),
                                             ("rebuild", 8), ("snapshot", 8)])  # fmt: skip
def test_verbs_have_as_many_faults_as_they_should(name: str, least: int) -> None:
    assert len(every(real=True)[name]) >= least


def test_whatever_is_done_with_a_volume_has_at_least_eight_places_to_die_at() -> None:
    of_volumes = [verb for verb in verbs(volume_chapters()) if verb.real]
    few = {verb.name: len(found) for verb in of_volumes if len(found := faults(verb, real=True)) < 8}
    assert not few
    assert len(of_volumes) == 18


def test_every_fault_has_its_turn_once_and_a_server_lives_through_them() -> None:
    played = turns(chapters(), every(real=True))
    taken = [(verb.name, fault) for verb, fault in played if fault is not None]
    assert sorted(taken) == sorted((name, fault) for name, found in every(real=True).items() for fault in found)
    assert len(set(taken)) == len(taken)
    assert [played[0][0].name, played[-1][0].name] == ["boot", "delete"]


def test_only_what_is_asked_for_is_played() -> None:
    played = turns(chapters(), {"confirm": ["a", "b"]})
    assert [(verb.name, fault) for verb, fault in played] == [
        ("boot", None), ("resize", None), ("confirm", "a"), ("resize", None), ("revert", None),
        ("resize", None), ("confirm", "b"), ("resize", None), ("revert", None), ("delete", None),
    ]  # fmt: skip


@pytest.mark.client
@pytest.mark.timeout(400)
def test_a_cloud_with_fakes_survives_being_killed_here_and_there() -> None:
    assert drilled("--at-most", "12", timeout_s=390) >= 10


@pytest.mark.client
@pytest.mark.timeout(400)
def test_volumes_of_fakes_survive_a_cloud_that_is_killed_here_and_there() -> None:
    assert drilled("--part", "volumes", "--at-most", "6", timeout_s=390) >= 5


@pytest.mark.host
@pytest.mark.scale
@pytest.mark.timeout(7200)
def test_volumes_survive_a_cloud_that_is_killed_here_and_there_on_real_qemu() -> None:
    whole = os.environ.get("PILEUS_DRILL") == "whole"
    assert drilled("--part", "volumes", "--real", *(() if whole else ("--at-most", "14")), timeout_s=7190) >= (
        220 if whole else 12
    )


@pytest.mark.scale
@pytest.mark.timeout(1800)
def test_a_cloud_with_fakes_survives_being_killed_at_every_step() -> None:
    assert drilled(timeout_s=1790) >= 120
