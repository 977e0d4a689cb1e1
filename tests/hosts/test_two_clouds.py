"""Two clouds on one machine know nothing of each other: both answer, and destroying one does not touch the other."""

import pytest
from tests.clients.cloud import RunningCloud, running_cloud
from tests.clients.remains import left_of
from tests.hosts.first_light import REAL, Guest

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.timeout(900), pytest.mark.filterwarnings("default")]


def test_two_demonstrations_stand_side_by_side() -> None:
    with running_cloud(*REAL, arguments=("--demo",)) as first:
        with running_cloud(*REAL, arguments=("--demo",)) as second:
            here, there = Guest(first), Guest(second)
            assert here.address != there.address
            for guest in (here, there):
                assert f"server {guest.show()['id']}" in guest.get("/cgi-bin/echo").splitlines()
            pid = here.pid
            _ends(second)
            assert pid == here.pid
            here.greets()
        assert "demo" in here.ssh("hostname")
        first.down()
        first.up()
        here.greets()


def _ends(cloud: RunningCloud) -> None:
    cloud.destroy()
    assert [] == left_of(cloud.state)
