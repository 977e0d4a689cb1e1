"""Faults on purpose: they happen where and when they were asked for, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pileus
from pileus.kit.flow import failpoint
from pileus.kit.flow.failpoint import FaultInjected


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoint.arm("")


def test_nothing_happens_unless_asked_for():
    failpoint.arm("")
    failpoint.failpoint("flow.step.before", "boot/claim room")


def test_a_fault_happens_at_its_place_at_its_count():
    failpoint.arm("flow.step.*@boot/claim*#2:raise")
    failpoint.failpoint("flow.step.before", "boot/start")
    failpoint.failpoint("flow.step.before", "boot/claim room")
    with pytest.raises(FaultInjected):
        failpoint.failpoint("flow.step.after", "boot/claim room")
    failpoint.failpoint("flow.step.after", "boot/claim room")


def test_a_spec_that_means_nothing_is_refused():
    with pytest.raises(ValueError, match="PILEUS_FAULT"):
        failpoint.arm("flow.step.before:explode")


def test_what_a_file_says_holds_from_when_it_says_it(tmp_path):
    told = tmp_path / "fault"
    failpoint.arm(f"@{told}")
    failpoint.failpoint("here")
    told.write_text("here#2:raise")
    failpoint.failpoint("here")
    with pytest.raises(FaultInjected):
        failpoint.failpoint("here")
    told.write_text("there:raise")
    failpoint.failpoint("here")
    told.unlink()
    failpoint.failpoint("there")


@pytest.mark.parametrize(("action", "code"), [("kill", -9), ("exit", 70), ("sleep=0", 0)])
def test_the_environment_arms_a_process(action, code):
    source = Path(pileus.__file__).parents[1]
    program = "from pileus.kit.flow.failpoint import failpoint; failpoint('here')"
    env = {**os.environ, "PYTHONPATH": str(source), "PILEUS_FAULT": f"here:{action}"}
    assert subprocess.run([sys.executable, "-c", program], env=env, check=False).returncode == code
