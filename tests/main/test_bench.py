"""The measurement measures what it says, and takes its cloud away."""

import tempfile
from pathlib import Path

import pytest

from pileus.main import bench, crowd
from pileus.main.bench import Measured, furnished


def test_a_rate_and_a_time_are_held_against_their_targets() -> None:
    quick = Measured("x", 100, wall_s=0.1, cpu_s=0.05, target=900)
    assert (quick.rate, quick.cpu_ms, quick.met) == (1000, 0.5, True)
    assert not Measured("x", 100, wall_s=0.1, cpu_s=0.05, target=1100).met
    assert Measured("x", 10, wall_s=0.1, cpu_s=0.05, most_ms=11).met
    assert not Measured("x", 10, wall_s=0.1, cpu_s=0.05, most_ms=9).met


@pytest.mark.slow
async def test_a_small_load_runs_through_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in {
        "SERVERS": 3,
        "PORTS": 4,
        "READS": 4,
        "LISTS": 2,
        "LOGINS": 2,
        "HOSTS": 5,
        "VOLUMES": 3,
    }.items():
        monkeypatch.setattr(bench, name, count)
    before = set(Path(tempfile.gettempdir()).glob("pileus-bench-*"))
    told: list[Measured] = []
    done = await bench.measure(told.append)
    assert told == done
    assert {
        "choose one of 5 hosts",
        "GET one server",
        "list 200 servers in detail",
        "port create",
        "blank volume until it is available, fake",
        "blank volume until it is available, file",
        "token validate",
    } <= {one.name for one in done}
    assert all(one.wall_s > 0 and one.cpu_s > 0 for one in done)
    assert set(Path(tempfile.gettempdir()).glob("pileus-bench-*")) <= before


@pytest.mark.slow
async def test_an_answer_that_is_an_error_stops_the_measurement() -> None:
    async with furnished() as (made, _):
        with pytest.raises(bench.Refused, match="404"):
            await made.ask("GET", "/compute/v2.1/servers/none")


@pytest.mark.slow
async def test_a_small_crowd_of_hosts_takes_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "CHOSEN", 2)
    monkeypatch.setattr(crowd, "IDLE_S", 0)
    told: list[Measured] = []
    await crowd.measure(told.append, hosts=3, servers=4)
    assert [3, 4, 2] == [one.count for one in told[:3]]
