"""The conformance command's verdict: every test counts, and the list of expected failures only shrinks."""

from pathlib import Path

import pytest

from pileus.main import conformance
from pileus.main.conformance import Result, Suite, every_test, judge, read_expected, skips, write_expected

API = Suite("api", "")
A, B, C = (f"tempest.api.compute.m.T.test_{letter}" for letter in "abc")


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "expected.txt"
    file.write_text(f"# why\napi {A}\nsmoke {B}\n")
    monkeypatch.setattr(conformance, "EXPECTED", file)
    return file


def test_a_class_that_cannot_be_prepared_fails_all_its_tests() -> None:
    ended = every_test([f"{A}[id-1]", f"{B}[id-2,smoke]"], [Result("setUpClass (tempest.api.compute.m.T)", "failed")])
    assert ["failed", "failed"] == [ended[name].status for name in (A, B)]


def test_a_class_that_is_skipped_skips_all_its_tests() -> None:
    ended = every_test([f"{A}[id-1]"], [Result("setUpClass (tempest.api.compute.m.T)", "skipped")])
    assert "skipped" == ended[A].status


def test_what_a_class_leaves_behind_counts_once() -> None:
    ended = every_test([A], [Result(A, "passed"), Result("tearDownClass (tempest.api.compute.m.T)", "failed")])
    assert {A: "passed", "tempest.api.compute.m.T.tearDownClass": "failed"} == {
        name: result.status for name, result in ended.items()
    }


def test_a_test_that_did_not_run_has_failed() -> None:
    assert "failed" == every_test([A], [])[A].status


def test_what_is_run_once_for_each_scenario_counts_for_each() -> None:
    ended = every_test([], [Result(f"{A}[id-1](iso)", "failed"), Result(f"{A}[id-1](raw)", "passed")])
    assert {f"{A}(iso)": "failed", f"{A}(raw)": "passed"} == {name: result.status for name, result in ended.items()}


def test_skipped_tests_are_told_by_their_reason() -> None:
    other = Result("tempest.api.image.m.T.test_d", "skipped", "no  such\nthing")
    ended = [Result(A, "skipped", "no such thing"), Result(B, "skipped", "not today"), Result(C, "passed"), other]
    assert ["SKIPPED    2  no such thing (compute, image)", "SKIPPED    1  not today (compute)"] == skips(ended)


def test_only_failures_that_are_not_expected_fail(known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == judge(API, [A, C], [Result(f"{A}[id-1]", "failed"), Result(f"{C}[id-3]", "passed")])
    assert "compute         1 passed, 1 failed, 0 skipped" in capsys.readouterr().out
    assert 1 == judge(API, [A, B], [Result(A, "failed"), Result(B, "failed", "Traceback\nOh: no")])
    assert f"FAILED  {B}" in capsys.readouterr().out


def test_what_passes_again_is_told_and_leaves_the_list_when_asked(
    known: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == judge(API, [A], [Result(A, "passed")])
    assert f"no longer fails: {A}" in capsys.readouterr().out
    assert {A} == read_expected(known, "api")
    judge(API, [A], [Result(A, "passed")], shrink=True)
    assert (set(), {B}) == (read_expected(known, "api"), read_expected(known, "smoke"))
    assert known.read_text().startswith("# why\n")


def test_the_list_of_one_suite_is_none_of_the_others(known: Path) -> None:
    write_expected(known, "api", [C])
    assert ({C}, {B}) == (read_expected(known, "api"), read_expected(known, "smoke"))
