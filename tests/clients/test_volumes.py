"""The `openstack` command makes volumes of files, copies them, and what was written on one is on its copies."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import RunningCloud, running_cloud, until

pytestmark = [pytest.mark.client, pytest.mark.timeout(300), pytest.mark.filterwarnings("default::ResourceWarning")]


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    """A cloud with pretended servers and real files for volumes."""
    with running_cloud("--compute", "fake", "--network", "fake", "--volumes", "file") as made:
        yield made


def made(cloud: RunningCloud, line: str, what: str = "volume") -> str:
    """The id of what a command makes, once it is available."""
    id = str(cloud.openstack(line)["id"])
    until(lambda: cloud.openstack(f"{what} show {id}")["status"] == "available", f"{what} {id} is available")
    return id


def file_of(cloud: RunningCloud, volume: str) -> Path:
    """Where a volume's bytes are."""
    (file,) = (cloud.path / "volumes" / "volume" / volume).glob("*.raw")
    return file


def test_volumes_are_made_copied_backed_up_and_deleted(cloud: RunningCloud) -> None:
    first = made(cloud, "volume create --size 1 first")
    with file_of(cloud, first).open("r+b") as disk:
        disk.write(b"precious")
    taken = made(cloud, "volume snapshot create --volume first taken", "volume snapshot")
    second = made(cloud, f"volume create --snapshot {taken} --size 2 second")
    assert 2 * 2**30 == file_of(cloud, second).stat().st_size
    backup = made(cloud, "volume backup create --name kept first", "volume backup")
    cloud.openstack(f"volume backup restore {backup} third")
    third = str(cloud.openstack("volume show third")["id"])
    until(lambda: cloud.openstack(f"volume show {third}")["status"] == "available", "the backup is restored")
    for volume in (first, second, third):
        with file_of(cloud, volume).open("rb") as disk:
            assert b"precious" == disk.read(8)
    complaint = cloud.openstack("volume delete first", fails=True)
    assert "snapshots" in complaint
    cloud.openstack(f"volume backup delete {backup}")
    cloud.openstack(f"volume snapshot delete {taken}")
    until(lambda: cloud.openstack("volume snapshot list") == [], "the snapshot is deleted")
    cloud.openstack(f"volume delete {first} {second} {third}")
    until(lambda: cloud.openstack("volume list") == [], "the volumes are deleted")
    assert [] == list((cloud.path / "volumes" / "volume").glob("*"))
