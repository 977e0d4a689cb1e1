"""What QEMU tells of disks that fail is kept once for each trouble, and a server without room tries again when it may help."""

import datetime as dt
from pathlib import Path
from typing import Any, cast

import msgspec
from tests.compute.drivers.contract import a_server

from pileus.compute.drivers.interface import Volume
from pileus.compute.drivers.qemu.disk_errors import SAME_FOR, Standstill, why_still, with_event
from pileus.compute.drivers.qemu.home import Home, Run
from pileus.compute.drivers.qemu.monitor import Monitor

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FULL = {
    "node-name": "volume11",
    "operation": "write",
    "action": "stop",
    "nospace": True,
    "reason": "No space left on device",
}
RUN = Run(volumes={"first": 11, "second#2": 12})


class Told:
    """A monitor that answers one question."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def execute(self, command: str, **_arguments: object) -> object:
        assert command == "query-block"
        return self._answer


def heard(run: Run, *events: dict[str, Any], after: dt.timedelta = dt.timedelta()) -> Run:
    for each in events:
        run = msgspec.structs.replace(run, disk_errors=with_event(run, each, NOW + after))
    return run


def test_a_trouble_that_comes_again_soon_is_the_same() -> None:
    once = heard(RUN, FULL)
    assert once == heard(once, FULL, after=SAME_FOR / 2)
    assert NOW + SAME_FOR == heard(once, FULL, after=SAME_FOR).disk_errors["volume11 write"].at
    other = heard(once, {**FULL, "reason": "Input/output error", "action": "report"})
    assert ("Input/output error", False) == (
        other.disk_errors["volume11 write"].why, other.disk_errors["volume11 write"].stopped,
    )  # fmt: skip
    assert 2 == len(heard(once, {**FULL, "operation": "read", "action": "report"}).disk_errors)
    assert RUN == heard(RUN, {**FULL, "action": "ignore"})


def test_a_disk_is_called_what_its_owner_knows_it_by() -> None:
    nodes = ("volume11", "volume12-limited", "other12", "volume13", "disk0")
    named = [heard(RUN, {**FULL, "node-name": node}).disk_errors[f"{node} write"] for node in nodes]
    assert ["first", "second", "second", None, None] == [each.volume for each in named]
    assert ["volume first", "disk0"] == [named[0].disk, named[-1].disk]
    assert "volume first: No space left on device" in why_still(heard(RUN, FULL))


async def test_a_server_tries_to_go_on_only_where_there_is_room_and_not_all_the_time(tmp_path: Path) -> None:
    home = Home(tmp_path, "one")
    home.ensure()
    home.keep_run(heard(RUN, FULL))
    monitor = cast(Monitor, Told([]))
    silent = Path("/proc/version")  # whose file system does not say
    for path, goes_on in ((tmp_path, [True, False]), (silent, [True, False])):
        server = msgspec.structs.replace(
            a_server(), volumes=(Volume(id="first", kind="file", path=str(path), place=1),)
        )
        waiting = Standstill(home)
        assert goes_on == [await waiting.over(server, monitor) for _ in range(2)]


async def test_what_was_told_while_nobody_listened_is_asked_for(tmp_path: Path) -> None:
    home = Home(tmp_path, "one")
    home.ensure()
    home.keep_run(RUN)
    disks = [{"io-status": "ok", "inserted": {"node-name": "disk0"}},
             {"io-status": "nospace", "inserted": {"node-name": "volume12-limited"}}, {"device": ""}]  # fmt: skip
    await Standstill(home).over(a_server(), cast(Monitor, Told(disks)))
    (found,) = home.run().disk_errors.values()
    assert ("second", "No space left on device", True) == (found.volume, found.why, found.stopped)
