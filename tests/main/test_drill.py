"""Drills: every step of a server's life has places to die at, and a cloud with fakes survives them all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pileus.main.drill import faults_of, verbs

ROOT = Path(__file__).resolve().parents[2]


def drilled(*options: str, timeout_s: float) -> int:
    """How many faults were injected; all of them must have been survived."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    argv = [sys.executable, "-m", "pileus.main.cli", "drill", *options]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.search(r"(\d+) faults injected, (\d+) survived", done.stdout)
    assert told is not None, done.stdout
    assert told[1] == told[2]
    return int(told[1])


def test_every_step_has_a_place_before_within_and_after_its_commit() -> None:
    for verb in verbs():
        places = faults_of(verb.flow)
        for step in verb.flow.steps:
            for where in ("before", "after", "committed"):
                assert f"flow.step.{where}@{verb.flow.name}/{step.name}" in places
    assert sum(len(faults_of(verb.flow)) for verb in verbs()) >= 33


@pytest.mark.client
@pytest.mark.timeout(400)
def test_a_cloud_with_fakes_survives_being_killed_at_every_step() -> None:
    assert drilled(timeout_s=390) >= 33


@pytest.mark.scale
@pytest.mark.timeout(1800)
def test_a_cloud_with_qemu_and_ovn_survives_being_killed_at_every_step() -> None:
    assert drilled("--real", timeout_s=1790) >= 33
