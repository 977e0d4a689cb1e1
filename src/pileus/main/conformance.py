"""The conformance command: a cloud of its own is judged by Tempest, OpenStack's own tests, and then destroyed.

    environment -> cloud -> tempest.conf -> stestr -> verdict

What is known to fail stands in tests/conformance/expected_failures.txt, a list that only shrinks: a test that fails
and is not on it makes the command fail; one that is on it and passes is told, and `--shrink` takes it off.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pileus.kit.errors import Problem
from pileus.main import packages
from pileus.main.judged_images import served_images
from pileus.main.judged_storage import NEEDED as STORAGE
from pileus.main.judged_storage import copying, sharing
from pileus.main.second_controller import NEEDED as DATABASE
from pileus.main.second_controller import database, first_of_two, second_of_two
from pileus.main.second_machine import NEEDED as CABLE
from pileus.main.second_machine import Cable, cable
from pileus.main.state import State

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / "tests" / "conformance"
EXPECTED = HOME / "expected_failures.txt"
PINNED = ROOT / "requirements" / "conformance.txt"
FAKES = ("--compute", "fake", "--network", "fake")
PILEUS = (sys.executable, "-m", "pileus.main.cli")
SERVICES = ("identity", "image", "network", "compute", "volume", "object_storage", "scenario")
NEEDED = (
    packages.Program("iputils-ping", "ping"),  # Tempest asks servers whether they are there
    *STORAGE,
    *CABLE,
    *DATABASE,
)
OF_CLASS = re.compile(r"^(?P<when>setUpClass|tearDownClass) \((?P<name>.+)\)$")
SHOWN = 40
LENGTH = 200  # of a reason


class NoEnvironment(Problem):
    """Tempest could not be installed; see that a package index can be reached (pip's own settings apply). {why}"""


class NoToken(Problem):
    """No host can join, as no token was told: {said}"""


class NothingRan(Problem):
    """Tempest ran no test: {why}"""


class Suite(msgspec.Struct, frozen=True):
    """Some of Tempest's tests, and the cloud they are run against."""

    name: str
    pattern: str
    options: tuple[str, ...] = ()
    at_once: int = 2
    gate: str = "gate"  # whose configuration the cloud has
    two_controllers: bool = False
    hostile_images: bool = False  # among those that are uploaded

    @property
    def real(self) -> bool:
        """Whether servers are real."""
        return not self.options


# Tests of the API that log in to servers: nothing for fakes.
INSIDE = (
    r"api\.compute\.(admin\.test_create_server\.|servers\.(test_attach_interfaces\.|test_create_server\."
    r"|test_device_tagging\.|test_server_actions\.ServerActionsV293TestJSON\.))"
)
SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "api",
            r"^tempest\.(api\.(identity|image|network|compute|volume|object_storage)|serial_tests\.api"
            r"|scenario\.test_unified_limits)\.(?!.*ServerActionsV293TestJSON\.)",
            FAKES,
        ),
        Suite(
            "other",
            r"^tempest\.api\.(image\.v2\.(test_images\.(ListUserImagesTest\.|.*_do_secure_hash_false)"
            r"|test_images_formats\.ImagesFormatTest\.test_compute_)|compute\.admin\.test_networks\.)",
            FAKES,
            gate="other",
            hostile_images=True,
        ),
        Suite(
            "workers",
            r"^tempest\.api\.image\.v2\.test_images\.ImportImagesTest\.",
            FAKES,
            gate="workers",
            two_controllers=True,
        ),
        Suite("inside", rf"^tempest\.(scenario\.(?!test_unified_limits\.)|{INSIDE})"),
        Suite(
            "smoke",
            r"^tempest\.(api\.(identity|image|network|compute|object_storage)|scenario)\..*\[.*\bsmoke\b.*\]$",
            at_once=1,
        ),
    )
}


class Result(msgspec.Struct, frozen=True):
    """How one test ended, as Tempest's environment tells it."""

    id: str
    status: str
    why: str = ""


def run(rest: Sequence[str]) -> int:
    """Run the suites the arguments name; return the exit code."""
    parser = argparse.ArgumentParser(prog="pileus test conformance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suite", nargs="*", choices=[[], *SUITES], default=[], help="which suites; without it all")
    parser.add_argument("--regex", default="", help="only tests whose name this regular expression finds")
    parser.add_argument("--shrink", action="store_true", help="take what passes off the list of expected failures")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="leave there what Tempest told, as SUITE.jsonl, and logs"
    )
    args = parser.parse_args(rest)
    python = environment()
    packages.ensure(NEEDED, _say)
    codes = []
    for name in args.suite or SUITES:
        listed, results = _judged(python, SUITES[name], args.regex, args.results)
        if args.results is not None:
            (args.results / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in results))
        codes.append(judge(SUITES[name], listed, results, shrink=args.shrink))
    return max(codes)


def environment() -> Path:
    """The Python of an environment that has exactly what requirements/conformance.txt pins; made when there is none."""
    home = Path(f"{sys.prefix}-conformance")
    stamp, python = home / ".pileus-conformance", home / "bin" / "python"
    wanted = PINNED.read_bytes() + sys.version.encode()
    if not stamp.exists() or stamp.read_bytes() != wanted:
        _say("Preparing the environment for Tempest ...")
        stamp.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--require-hashes", "--no-input", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "--quiet", "-r", str(PINNED)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoEnvironment(why=done.stderr[-2000:])
        stamp.write_bytes(wanted)
    return python


def _judged(python: Path, suite: Suite, only: str, logs: Path | None) -> tuple[list[str], list[Result]]:
    """What a suite makes of a new cloud, which is destroyed afterwards; its logs are kept, if there is somewhere to keep them."""
    # Short: the paths of sockets below it are limited to 107 bytes. Servers run as users of their own and look inside.
    home = Path(tempfile.mkdtemp(prefix="plc-", dir="/tmp"))
    home.chmod(0o755)
    try:
        with copying(home) if suite.real else contextlib.nullcontext():
            return _judged_in(home / "s", python, suite, only, logs)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _judged_in(state: Path, python: Path, suite: Suite, only: str, logs: Path | None) -> tuple[list[str], list[Result]]:
    with contextlib.ExitStack() as stack:
        config = HOME / f"{suite.gate}.toml"
        if suite.real:
            config = sharing(config, state.parent / "volumes", state.parent / "gate", _second_home(state))
        elif suite.two_controllers:
            config = first_of_two(config, state.parent, stack.enter_context(database(state.parent)))
        stack.callback(_pileus, "destroy", "--yes", "--state", str(state), check=False)
        url = _up(state, suite, config)
        stack.enter_context(_second(state, suite))
        stack.callback(_keep_logs, state, suite, logs)
        served = stack.enter_context(served_images(_workspace(state) / "served", hostile=suite.hostile_images))
        other = stack.enter_context(_another(state, config, url)) if suite.two_controllers else ""
        _configure(state, suite, served, other)
        return _tempest(python, state, suite, only)


@contextlib.contextmanager
def _another(state: Path, config: Path, url: str) -> Iterator[str]:
    """The cloud has a second controller; the address that it answers at."""
    from pileus.kit.http.server import free_port

    other = state.with_name("other")
    second_of_two(State(state), config, url, State(other))
    listen = f"127.0.0.1:{free_port()}"
    try:
        _pileus("up", "--state", str(other), "--listen", listen)
        yield f"http://{listen}"
    finally:
        _pileus("down", "--state", str(other), check=False)


@contextlib.contextmanager
def _second(state: Path, suite: Suite) -> Iterator[None]:
    """The cloud has a second host: beside the first if all is pretended, else on a machine of its own."""
    second = _second_home(state)
    with contextlib.ExitStack() as stack:
        laid = stack.enter_context(cable()) if suite.real else None
        try:
            _join(state, second, laid)
            yield
        finally:
            if second.exists():
                _pileus("destroy", "--yes", "--state", str(second), check=False, laid=laid)


def _up(state: Path, suite: Suite, config: Path) -> str:
    """The cloud's address."""
    from pileus.kit.http.server import free_port

    _say(f"--- {suite.name}: a cloud {'of real servers' if suite.real else 'of fakes'}")
    listen = f"127.0.0.1:{free_port()}"
    _pileus("up", "--state", str(state), "--listen", listen, "--config", str(config), *suite.options)
    return f"http://{listen}"


def _join(state: Path, second: Path, laid: Cable | None) -> None:
    """The cloud has a second host, called `second`."""
    from pileus.kit.http.server import free_port

    listen = f"{laid.here if laid else '127.0.0.1'}:{free_port()}"
    asking = [*PILEUS, "host", "token", "--state", str(state), "--listen", listen]
    said = subprocess.run(asking, env=_environment(), capture_output=True, text=True, check=True).stdout
    found = re.search(r"join (\S+) --token (\S+)", said)
    if found is None:
        raise NoToken(said=said)
    _pileus("join", found[1], "--token", found[2], "--name", "second", "--state", str(second), laid=laid)


def _configure(state: Path, suite: Suite, served: str, other: str) -> None:
    file = str(_workspace(state) / "tempest.conf")
    configure = [sys.executable, str(HOME / "configure.py"), str(state), file, "--served", served, "--gate", suite.gate]
    configure += ["--other", other]
    subprocess.run([*configure, *(["--real"] if suite.real else [])], env=_environment(), check=True)


def _pileus(*arguments: str, check: bool = True, laid: Cable | None = None) -> None:
    within = laid.within if laid is not None else ()
    subprocess.run([*within, *PILEUS, *arguments], env=_environment(), check=check)


def _environment() -> dict[str, str]:
    """Our sources are on the path, and the cloud the caller may be logged in to is not seen."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**plain, "PYTHONPATH": str(ROOT / "src")}


def _second_home(state: Path) -> Path:
    return state.with_name("second")


def _keep_logs(state: Path, suite: Suite, logs: Path | None) -> None:
    """The folder has what the cloud and its second host have told, and what Tempest asked them."""
    if logs is None:
        return
    logs.mkdir(parents=True, exist_ok=True)
    told = {
        "first": State(state).log,
        "second": State(_second_home(state)).log,
        "tempest": _workspace(state) / "tempest.log",
    }
    for name, file in told.items():
        if file.exists():
            shutil.copyfile(file, logs / f"{suite.name}-{name}.log")


def _workspace(state: Path) -> Path:
    return state / "conformance"


def _tempest(python: Path, state: Path, suite: Suite, only: str) -> tuple[list[str], list[Result]]:
    """The tests of the suite that were asked for, and what became of them."""
    workspace = _workspace(state)
    (workspace / "locks").mkdir(exist_ok=True)
    found = [str(python), "-c", "import tempest; print(*tempest.__path__)"]
    package = Path(subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip())
    settings = f"test_path={package}/test_discover\ntop_dir={package.parent}\ngroup_regex=([^\\.]*\\.)*\n"
    (workspace / ".stestr.conf").write_text(f"[DEFAULT]\n{settings}")
    stestr, env = [str(python.parent / "stestr")], {**_environment(), "TEMPEST_CONFIG": f"{workspace}/tempest.conf"}
    env.pop("PYTHONPATH")
    subprocess.run([*stestr, "init"], cwd=workspace, env=env, capture_output=True, check=True)
    listing = subprocess.run(
        [*stestr, "list", suite.pattern], cwd=workspace, env=env, capture_output=True, text=True, check=False
    )
    chosen = [line for line in listing.stdout.splitlines() if line.startswith("tempest.") and re.search(only, line)]
    if listing.returncode or not chosen:
        raise NothingRan(why=(listing.stderr or listing.stdout)[-2000:] or "no name fits")
    (workspace / "chosen").write_text("\n".join(chosen))
    _say(f"{len(chosen)} tests, {suite.at_once} at once ...")
    running = [*stestr, "run", "--subunit", "--concurrency", str(suite.at_once), "--load-list", "chosen"]
    stream = workspace / "results.subunit"
    with stream.open("wb") as out:
        subprocess.run(running, cwd=workspace, env=env, stdout=out, stdin=subprocess.DEVNULL, check=False)
    with stream.open("rb") as source:
        told = subprocess.run([str(python), str(HOME / "results.py")], stdin=source, capture_output=True, check=True)
    return chosen, [msgspec.json.decode(line, type=Result) for line in told.stdout.splitlines()]


def judge(suite: Suite, listed: Iterable[str], results: Iterable[Result], *, shrink: bool = False) -> int:
    """Say how many tests of each service ended how, and what that means; the exit code is 0 if nothing is amiss."""
    ended = every_test(listed, results)
    expected = read_expected(EXPECTED, suite.name)
    failed = {id for id, result in ended.items() if result.status == "failed"}
    for service in SERVICES:
        own = [result.status for id, result in ended.items() if _service(id) == service]
        if own:
            counts = ", ".join(f"{own.count(status)} {status}" for status in ("passed", "failed", "skipped"))
            _say(f"{service:<16}{counts}")
    for line in skips(ended.values()):
        _say(line)
    unexpected, healed = sorted(failed - expected), sorted(expected & (ended.keys() - failed))
    for id in unexpected[:SHOWN]:
        _say(f"FAILED  {id}\n        {_reason(ended[id].why)}")
    if len(unexpected) > SHOWN:
        _say(f"        ... and {len(unexpected) - SHOWN} more")
    for id in healed:
        _say(f"no longer fails: {id}")
    if shrink and healed:
        write_expected(EXPECTED, suite.name, expected - set(healed))
    _say(f"{suite.name}: {len(failed & expected)} failures were expected, {len(unexpected)} were not.")
    return 1 if unexpected or not ended else 0


def skips(ended: Iterable[Result]) -> list[str]:
    """Why tests were skipped, and how many of which service for each reason; what keeps most from being run comes first."""
    told: dict[str, Counter[str]] = {}
    for result in ended:
        if result.status == "skipped":
            told.setdefault(" ".join(result.why.split()), Counter())[_service(result.id)] += 1
    order = sorted(told, key=lambda why: (-told[why].total(), why))
    return [f"SKIPPED {told[why].total():>4}  {why[:LENGTH]} ({', '.join(sorted(told[why]))})" for why in order]


def every_test(listed: Iterable[str], results: Iterable[Result]) -> Mapping[str, Result]:
    """How each test ended, by name. Where a class could not be prepared, that is how all its tests ended."""
    ended: dict[str, Result] = {}
    prepared: dict[str, Result] = {}
    for result in results:
        of_class = OF_CLASS.match(result.id)
        if of_class is None:
            ended[_name(result.id)] = result
        elif of_class["when"] == "setUpClass":
            prepared[of_class["name"]] = result
        else:
            ended[f"{of_class['name']}.tearDownClass"] = result
    for id in map(_name, listed):
        if id not in ended:
            ended[id] = prepared.get(id.rpartition(".")[0]) or Result(id, "failed", "It did not run.")
    return ended


def _name(id: str) -> str:
    """The test's name without its tags, which change more often; what is run once for each scenario names that."""
    name, _, rest = id.partition("[")
    return name + rest.rpartition("]")[2]


def _service(name: str) -> str:
    return next((part for part in name.split(".")[1:4] if part in SERVICES), "")


def _reason(why: str) -> str:
    """The first line of the last exception, or the end of whatever there is."""
    lines = [line for line in why.rpartition("Traceback (most recent call last):")[2].splitlines() if line.strip()]
    told = [line for line in lines if not line[0].isspace()]
    return " ".join((told or lines[-1:])[:2])[:300]


def read_expected(file: Path, suite: str) -> set[str]:
    """The tests of a suite that are known to fail."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {name for kind, _, name in (line.partition(" ") for line in lines) if kind == suite}


def write_expected(file: Path, suite: str, names: Collection[str]) -> None:
    """The list says that these tests of the suite fail, and says of the others what it said."""
    lines = file.read_text().splitlines() if file.exists() else []
    head = [line for line in lines if line.startswith("#")]
    others = [line for line in lines if line and not line.startswith("#") and line.partition(" ")[0] != suite]
    file.write_text("\n".join([*head, *sorted([*others, *(f"{suite} {name}" for name in names)])]) + "\n")


def _say(text: str) -> None:
    print(text, flush=True)
