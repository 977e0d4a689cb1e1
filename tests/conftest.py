"""What all tests share: how `async def` tests run, and a clock that stands still until a test moves it."""

import asyncio
import gc
import inspect
import random
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from pileus.kit.clock import FakeClock

from .postgres import (
    close_opened,
    database,
    fresh_database,
    own_postgres_server,
    postgres,
    postgres_server,
    prefer,
)

__all__ = ["database", "fresh_database", "own_postgres_server", "postgres", "postgres_server"]

TURNS_TO_END = 10  # what a test has cancelled or closed may need some turns of the loop to be gone


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the run choose the database of tests that care for none."""
    kinds = ("sqlite", "postgresql")
    parser.addoption("--database", choices=kinds, default="sqlite", help="what services' tests keep their rows in")
    told = "of so many points at which flows may be killed, one is tried"
    parser.addoption("--every-death", type=int, default=1, metavar="N", help=told)
    parser.addoption("--shuffle", type=int, metavar="SEED", help="the tests of each file in this random order")
    told = "first the files with tests that may take longest; what tests print is told when they pass, too"
    parser.addoption("--long", action="store_true", help=told)


def pytest_configure(config: pytest.Config) -> None:
    """Pass the choice on."""
    prefer(config.getoption("--database"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--shuffle`, no test can rely on those before it in its file; with `--long`, the longest begin first."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        order = random.Random(seed)
        drawn = {item.nodeid: order.random() for item in items}
        items.sort(key=lambda item: (str(item.path), drawn[item.nodeid]))
    if config.getoption("--long"):
        longest: dict[str, float] = {}
        for item in items:
            mark = item.get_closest_marker("timeout")
            longest[str(item.path)] = max(longest.get(str(item.path), 0), mark.args[0] if mark else 0)
        items.sort(key=lambda item: -longest[str(item.path)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With `--long`, how many faults the tests injected is told when they pass: that is what they are for."""
    for report in terminalreporter.getreports("passed") if config.getoption("--long") else ():
        if report.when == "call" and report.capstdout:
            terminalreporter.section(report.nodeid, "-")
            terminalreporter.write_line(report.capstdout.strip())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests in an event loop of their own."""
    if not inspect.iscoroutinefunction(inspect.unwrap(pyfuncitem.obj)):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(_alone(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})), debug=False)
    return True


async def _alone(test: Coroutine[Any, Any, object]) -> None:
    """The test has passed and left no task behind: one that is still at work is a bug in it or in what it tests."""
    try:
        await test
    finally:
        await close_opened()
    me = asyncio.current_task()
    left = asyncio.all_tasks() - {me}
    for _ in range(TURNS_TO_END):
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {me}
        if not left:
            return
    pytest.fail("The test left tasks behind: " + "; ".join(str(task.get_coro()) for task in left))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end; the collector need not look through it after each module."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def leaks_are_told_where_they_are() -> Iterator[None]:
    """What a module leaves to the garbage collector fails in that module, not in whichever test runs later."""
    yield
    gc.collect()


@pytest.fixture
def every(request: pytest.FixtureRequest) -> int:
    """Of so many points at which flows may be killed, one is to be tried."""
    chosen: int = request.config.getoption("--every-death")
    return chosen


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()
