"""The test command counts what ran, and is not pleased by silence."""

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
