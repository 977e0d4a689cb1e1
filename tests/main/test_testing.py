"""The test command counts what ran, and is not pleased by silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pileus.main import testing
from pileus.main.testing import Count, Ended, Step


def test_counts_by_what_pytest_wrote(tmp_path: Path) -> None:
    (tmp_path / "some.xml").write_text(
        "<testsuites><testsuite><testcase name='a'/><testcase name='b'><failure/></testcase>"
        "<testcase name='c'><error/></testcase><testcase name='d'><skipped/></testcase></testsuite></testsuites>"
    )
    assert Count(passed=1, failed=2, skipped=1) == testing.counted(tmp_path / "some.xml")


def test_last_line_sums_all_runs(capsys: pytest.CaptureFixture[str]) -> None:
    ended = [Ended("unit", 1, "", Count(3, 0, 1)), Ended("real", 2, "", Count(4, 0, 0))]
    assert 0 == testing._report(ended)
    assert "7 passed, 0 failed, 1 skipped" == capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    "ended",
    [
        [Ended("unit", 1, "", Count(0, 0, 9))],
        [Ended("unit", 1, "", Count(3, 1, 0))],
        [Ended("types", 1, "exit code 1", Count()), Ended("unit", 1, "", Count(3, 0, 0))],
    ],
    ids=["only skipped", "one failed", "a rule broken"],
)
def test_fails_if_anything_is_not_well(ended: list[Ended], capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == testing._report(ended)
    assert capsys.readouterr().out


def test_selecting_nothing_is_wrong_unless_asked_for() -> None:
    step = Step("unit", (sys.executable, "-c", "raise SystemExit(5)"))
    assert "no test was found" == testing._perform(step, filtered=False).why
    assert "" == testing._perform(step, filtered=True).why


FAILS_ONCE = """
import pathlib, sys
results = pathlib.Path([word for word in sys.argv if word.startswith("--junit-xml=")][-1].partition("=")[2])
again = "-n" in sys.argv
passed = "<testcase classname='tests.main.test_testing' name='a'/>"
failed = "<testcase classname='tests.main.test_testing.Some' name='b'>{}</testcase>"
results.write_text(f"<testsuites>{passed}{failed.format('' if again and FORGIVEN else '<failure/>')}</testsuites>")
raise SystemExit(0 if again and FORGIVEN else 1)
"""


@pytest.mark.parametrize(("forgiven", "again", "code"), [(True, 3, 0), (True, 0, 1), (False, 3, 1)])
def test_real_tests_that_failed_run_once_more_and_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], forgiven: bool, again: int, code: int
) -> None:
    results = tmp_path / "real.xml"
    program = FAILS_ONCE.replace("FORGIVEN", str(forgiven))
    step = Step("real", (sys.executable, "-c", program, f"--junit-xml={results}"), results, again)
    assert code == testing._report([testing._perform(step, filtered=False)])
    said = capsys.readouterr().out
    assert ("second try, and wants mending: tests/main/test_testing.py" in said) is (code == 0)
    assert f"{2 - code} passed, {code} failed" in said


def test_what_was_left_out_is_said_before_the_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == testing._report([Ended("unit", 1, "", Count(3, 0, 1))], left="left to ./pileus test all: 2 long tests")
    assert "left to ./pileus test all: 2 long tests" == capsys.readouterr().out.splitlines()[-2]


def test_each_file_is_a_step_of_its_own_when_run_alone(tmp_path: Path) -> None:
    steps = testing.alone(["tests/kit/db", "tests/kit/test_run.py"], tmp_path)
    assert {"tests/kit/test_run.py", "tests/kit/db/test_transactions.py"} <= {
        str(Path(step.argv[-1]).relative_to(testing.ROOT)) for step in steps
    }
    assert len(steps) == len({step.counted for step in steps})
    assert len(steps) == len({word for step in steps for word in step.argv if word.startswith("--shuffle=")})


def test_a_shuffled_file_keeps_its_order_for_a_seed_and_loses_it_for_another() -> None:
    def order(seed: int) -> list[str]:
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--collect-only",
            f"--shuffle={seed}",
            "tests/kit/db/test_transactions.py",
        ]
        ours = {**os.environ, "PYTEST_ADDOPTS": ""}  # who says -v there sees a tree
        done = subprocess.run(argv, cwd=testing.ROOT, env=ours, capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if "::" in line]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2))
