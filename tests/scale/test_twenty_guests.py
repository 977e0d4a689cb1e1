"""FLT-010: the process of a cloud with twenty guests is killed, idle or not; the guests never notice, and are taken up again."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import RunningCloud, running_cloud, until
from tests.hosts.first_light import REAL

from pileus.guest.sector import boot_sector
from pileus.main.processes import servers_of

pytestmark = [pytest.mark.scale, pytest.mark.timeout(900)]

GUESTS = 20
KILLS = 5
COMPUTE = {"OpenStack-API-Version": "compute 2.90"}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    """A real cloud that thinks nothing of many guests on few processors."""
    options = tmp_path / "config.toml"
    options.write_text("[compute]\ncpu_ratio = 32.0\n")
    with running_cloud(*REAL, arguments=("--config", str(options))) as made:
        yield made


def boot(cloud: RunningCloud) -> None:
    """Twenty guests run."""
    about = {"name": "sector", "disk_format": "raw", "container_format": "bare"}
    image = cloud.ask("POST", "/image/v2/images", about, as_="admin").json["id"]
    raw = {"Content-Type": "application/octet-stream"}
    assert cloud.ask("PUT", f"/image/v2/images/{image}/file", boot_sector(), as_="admin", headers=raw).status == 204
    flavor = {"flavor": {"id": "tiny", "name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}}
    assert cloud.ask("POST", "/compute/v2.1/flavors", flavor, as_="admin").status == 200
    project = cloud.ask("GET", "/identity/v3/projects?name=admin", as_="admin").json["projects"][0]["id"]
    quota = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
    assert cloud.ask("PUT", f"/compute/v2.1/os-quota-sets/{project}", quota, as_="admin").status == 200
    network = cloud.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}}, as_="admin").json["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.68.0.0/24"}
    assert cloud.ask("POST", "/network/v2.0/subnets", {"subnet": subnet}, as_="admin").status == 201
    server = {
        "name": "guest", "flavorRef": "tiny", "imageRef": image, "networks": [{"uuid": network}],
        "min_count": GUESTS, "max_count": GUESTS,
    }  # fmt: skip
    answer = cloud.ask("POST", "/compute/v2.1/servers", {"server": server}, as_="admin", headers=COMPUTE)
    assert answer.status == 202, answer
    until(lambda: "BUILD" not in statuses(cloud), "all guests were started", 300, 1)
    assert statuses(cloud) == ["ACTIVE"] * GUESTS, faults(cloud)


def statuses(cloud: RunningCloud) -> list[str]:
    """What the cloud says of its servers."""
    shown = cloud.ask("GET", "/compute/v2.1/servers/detail", as_="admin", headers=COMPUTE).json["servers"]
    return [server["status"] for server in shown]


def faults(cloud: RunningCloud) -> list[str]:
    """Why servers do not run."""
    shown = cloud.ask("GET", "/compute/v2.1/servers/detail", as_="admin", headers=COMPUTE).json["servers"]
    return [server["fault"]["message"] for server in shown if "fault" in server]


def well(cloud: RunningCloud) -> bool:
    """Whether all that the cloud stands on is well, its host with it."""
    try:
        return cloud.ask("GET", "/healthcheck?detailed=1").status == 200
    except OSError:
        return False


def test_flt010_twenty_guests_outlive_the_cloud_and_are_taken_up_again(cloud: RunningCloud) -> None:
    boot(cloud)
    before = servers_of(cloud.state)
    pids = {id: process.pid for id, process in before}
    assert len(before) == len(pids) == GUESTS
    took = []
    for _ in range(KILLS):
        cloud.kill9()
        began = time.monotonic()
        cloud.up()
        until(lambda: well(cloud), "the cloud is well", 60, 0.05)
        took.append(time.monotonic() - began)
        assert statuses(cloud) == ["ACTIVE"] * GUESTS
        assert {id: process.pid for id, process in servers_of(cloud.state)} == pids
    assert "All is well" in cloud.pileus("doctor")
    print(f"{KILLS} kills, {GUESTS} guests never stopped; well again after {', '.join(f'{s:.1f}' for s in took)} s")
