"""The test command: house rules, then tests, then one line that says how it went.

Each step is a program of its own whose output is shown as it comes. Every step runs even if an earlier one failed;
the last line counts the tests of all pytest runs, and the exit code is 0 only if every step passed and tests ran.

Real programs (PostgreSQL, QEMU, OVN) on a busy machine are sometimes late. Where a whole run fails in few files, these run once
more, alone; if they pass then, the run passes, and its end names them: each is a fault, of the test or of ours, to be mended.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pileus.main import packages

ROOT = Path(__file__).resolve().parents[3]
UNIT = "not host and not client and not scale"
REAL = "(host or client) and not scale"
SCALE = "scale"
# Real tests bring clouds, namespaces and addresses of their own; those of one file may share them. They wait for guests and for
# deadlines of hosts more than they compute, so three go on at a time on two processors.
BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder")
# Each long test is named as it ends: they take an hour. The longest come first, so that nobody waits in the end for who began late.
LONG = ("-n", "2", *BY_FILE, "--long", "-vv")
ON_EITHER = ("kit", "every", "guest", "main")  # folders whose tests choose their database themselves, or need none
SAMPLED = 4  # of so many points at which flows die, one is tried on the other database in the daily run
TESTS_FAILED, NO_TESTS = 1, 5  # pytest's exit codes for "some failed" and "nothing was selected"
AGAIN = 3  # more files than that do not fail by chance
USAGE = 2


class Step(msgspec.Struct, frozen=True):
    """One program to run; `counted` names the file where pytest writes its results."""

    name: str
    argv: tuple[str, ...]
    counted: Path | None = None
    again: int = 0  # in how many files tests may fail and have a second try


class Count(msgspec.Struct, frozen=True):
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Ended(msgspec.Struct, frozen=True):
    """How a step went; `why` is empty if it passed."""

    name: str
    seconds: float
    why: str
    count: Count
    twice: tuple[str, ...] = ()  # the files that passed at the second try


def run(what: str, rest: Sequence[str]) -> int:
    """Run the steps `what` names, with `rest` for pytest; return the exit code.

    None: rules, unit tests on either database, real tests. All: those, and controllers that are killed under load. Alone:
    each file of unit tests by itself and in an order of its own, to find tests that need others; paths name some files.
    """
    if what == "browser":
        print(f"There are no {what} tests yet.", file=sys.stderr)
        return USAGE
    if not (ROOT / "tests").is_dir():
        print("The tests are not installed: run ./pileus test from a checkout.", file=sys.stderr)
        return USAGE
    if what not in {"rules", "unit"}:
        packages.ensure((*packages.TESTS, *(packages.LONG_TESTS if what == "all" else ())), _say)
    if what == "conformance":
        from pileus.main import conformance

        return conformance.run(rest)
    with tempfile.TemporaryDirectory(prefix="pileus-test-") as results:
        # A file of real tests has no unit tests to be run alone.
        ended = [_perform(step, filtered=bool(rest) or what == "alone") for step in _steps(what, rest, Path(results))]
    return _report(ended, tests_expected=what != "rules", left=_left() if not what else "")


def checks() -> list[Step]:
    """The house rules, as programs."""
    python, bin_ = sys.executable, Path(sys.executable).parent
    return [
        Step("ruff", (str(bin_ / "ruff"), "check", "--quiet")),
        Step("format", (str(bin_ / "ruff"), "format", "--check", "--quiet")),
        Step("types", (str(bin_ / "mypy"), "--no-error-summary")),
        Step("imports", (str(bin_ / "lint-imports"), "--no-logo")),
        Step("spelling", (str(bin_ / "codespell"),)),
        *(Step(name, (python, f"tools/check_{name}.py")) for name in ("sizes", "words", "registry")),
        Step("generated", (python, "tools/generate.py", "--check")),
    ]


def _steps(what: str, rest: Sequence[str], results: Path) -> list[Step]:
    unit = _pytest("unit", UNIT, ["-n", "2", *rest], results)
    ignored = [f"--ignore=tests/{folder}" for folder in ON_EITHER]
    # Where a flow dies at each point on the one database, on the other it dies here and there; at each in the run of all.
    sample = [] if what == "all" else [f"--every-death={SAMPLED}"]
    again = _pytest("postgresql", UNIT, ["-n", "2", "--database=postgresql", *sample, *ignored, *rest], results)
    real = _pytest("real", REAL, ["-n", "3", *BY_FILE, *rest], results)
    match what:
        case "rules":
            return checks()
        case "unit":
            return [unit]
        case "real":
            return [real]
        case "alone":
            return alone(rest, results)
        case "all":
            return [*checks(), unit, again, real, _pytest("scale", SCALE, [*LONG, *rest], results)]
        case _:
            return [*checks(), unit, again, real]


def alone(paths: Sequence[str], results: Path) -> list[Step]:
    """A step for each file of tests, shuffled by a seed that its name tells: `--shuffle` gives the same order again."""
    files = [file for path in paths or ["tests"] for file in _files(ROOT / path)]
    seed = int(time.time())
    named = [(f"{file.relative_to(ROOT / 'tests')} --shuffle={seed + at}", file, at) for at, file in enumerate(files)]
    return [
        _pytest(name, UNIT, [f"--shuffle={seed + at}", str(file)], results, f"alone-{at}") for name, file, at in named
    ]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("test_*.py"))


def _pytest(name: str, selection: str, rest: Sequence[str], results: Path, short: str = "") -> Step:
    counted = results / f"{short or name}.xml"
    argv = (sys.executable, "-m", "pytest", "-q", "-m", selection, f"--junit-xml={counted}", *rest)
    return Step(name, argv, counted, again=AGAIN)


def _perform(step: Step, *, filtered: bool) -> Ended:
    _say(f"--- {step.name}")
    begun = time.monotonic()
    code = _exit_code(step.argv)
    count = counted(step.counted) if step.counted and step.counted.exists() else Count()
    twice: tuple[str, ...] = ()
    if code == TESTS_FAILED and step.counted is not None and not filtered:
        failed = files_of_failed(step.counted)
        if 0 < len(failed) <= step.again:
            _say(f"--- {step.name}, once more: {' '.join(failed)}")
            results = step.counted.with_suffix(".again.xml")
            code = _exit_code((*step.argv, f"--junit-xml={results}", "-n", "0", *failed))
            if code == 0:
                count, twice = Count(count.passed + count.failed, 0, count.skipped), failed
    return Ended(step.name, time.monotonic() - begun, _why(code, filtered=filtered), count, twice)


def _exit_code(argv: Sequence[str]) -> int:
    return subprocess.run(argv, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, check=False).returncode


def files_of_failed(results: Path) -> tuple[str, ...]:
    """The files whose tests failed, by what pytest wrote."""
    found: dict[str, None] = {}
    for case in ET.parse(results).getroot().iter("testcase"):  # noqa: S314 - our own pytest has just written it
        if case.find("failure") is None and case.find("error") is None:
            continue
        parts = (case.get("classname") or "").split(".")
        paths = [f"{'/'.join(parts[:end])}.py" for end in range(len(parts), 0, -1)]  # classes of tests stand behind
        found.update(dict.fromkeys(path for path in paths if (ROOT / path).is_file()))
    return tuple(found)


def _why(code: int, *, filtered: bool) -> str:
    if code == 0 or (code == NO_TESTS and filtered):
        return ""
    return "no test was found" if code == NO_TESTS else f"exit code {code}"


def _environment() -> dict[str, str]:
    """The caller's environment without the cloud he may be logged in to: tests bring their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OS_")}


def counted(results: Path) -> Count:
    """How many tests ended how, by what pytest wrote."""
    count = Count()
    for case in ET.parse(results).getroot().iter("testcase"):  # noqa: S314 - our own pytest has just written it
        if case.find("failure") is not None or case.find("error") is not None:
            count += Count(failed=1)
        elif case.find("skipped") is not None:
            count += Count(skipped=1)
        else:
            count += Count(passed=1)
    return count


def _left() -> str:
    """Which tests a run without arguments leaves out."""
    argv = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", SCALE]
    listed = subprocess.run(
        argv, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    found = [line.partition("::")[0] for line in listed.stdout.decode().splitlines() if "::" in line]
    return f"left to ./pileus test all: {len(found)} long tests in {', '.join(sorted(set(found)))}"


def _report(ended: Sequence[Ended], *, tests_expected: bool = True, left: str = "") -> int:
    """Say how each step went, how many tests there were and what was left out; return the exit code."""
    _say("---")
    total = Count()
    for step in ended:
        ran = f" ({step.count})" if step.count != Count() else ""
        _say(f"{step.name:<12}{step.seconds:7.1f} s  {step.why or 'ok'}{ran}")
        if step.twice:
            _say(f"{'':<12}passed only at the second try, and wants mending: {', '.join(step.twice)}")
        total += step.count
    if left:
        _say(left)
    none_ran = tests_expected and total.passed + total.failed == 0
    if none_ran:
        _say("No test ran.")
    if tests_expected:
        _say(str(total))
    return 1 if any(step.why for step in ended) or total.failed or none_ran else 0


def _say(text: str) -> None:
    print(text, flush=True)
