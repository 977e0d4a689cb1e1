"""Machines give disks to a cloud's object storage, lose them, and leave, while everything stays readable (FLT-049)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import RunningCloud, free_port, running_cloud, until
from tests.hosts.joined import Machine, machine

pytestmark = [pytest.mark.scale, pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as running:
        yield running


def gives_disk(host: Machine) -> Path:
    """The host joins with a disk."""
    disk = host.path / "disk"
    url, token = host.token()
    listen = f"127.0.0.1:{free_port()}"
    host.command("join", url, "--token", token, "--name", host.name, "--device", str(disk), "--listen", listen)
    return disk


def whole(cloud: RunningCloud) -> bool:
    """Whether every copy is where it belongs."""
    said = cloud.pileus("ring", "dispersion")
    return "(100.00 %)" in said and "did not answer" not in said and " 0 of 0 " not in said


def test_disks_of_hosts_hold_copies_and_may_fail(cloud: RunningCloud, tmp_path: Path) -> None:
    files = {f"o{at}": os.urandom(5000 + at) for at in range(3)} | {"large": os.urandom(3_000_000)}
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)

    def readable() -> None:
        for name, body in files.items():
            cloud.openstack(f"object save box {name} --file {tmp_path / 'back'}")
            assert body == (tmp_path / "back").read_bytes()

    cloud.openstack("container create box")
    for name in files:
        cloud.openstack(f"object create box {tmp_path / name} --name {name}")
    with contextlib.ExitStack() as held:
        hosts = [held.enter_context(machine(cloud, name)) for name in ("far1", "far2")]
        disks = [gives_disk(host) for host in hosts]
        until(lambda: "64 partitions, 3 copies" in cloud.pileus("ring"), "the disks are in the ring", 60)
        until(lambda: whole(cloud), "all copies are made", 120)
        assert all(len(list(disk.glob("objects/**/*.data"))) == len(files) for disk in disks)
        readable()
        hosts[0].kill9()
        readable()
        (tmp_path / "late").write_bytes(b"late" * 1000)
        cloud.openstack(f"object create box {tmp_path / 'late'} --name late")
        files["late"] = b"late" * 1000
        assert "disk(s) in the rings" in cloud.pileus("host", "remove", "far1", fails=True)
        cloud.pileus("ring", "remove", f"far1:{disks[0]}")
        assert "2 copies" in cloud.pileus("ring")
        cloud.pileus("host", "remove", "far1")
        until(lambda: whole(cloud), "what is left has all copies", 120)
        readable()
        assert 1 == cloud.pileus("ring", "pause", "audit", "--host", "far2").count(" paused ")
        assert sorted(files) == sorted(row["Name"] for row in cloud.openstack("object list box"))
        cloud.pileus("ring", "weight", f"far2:{disks[1]}", "0")
        until(lambda: "1 copies" in cloud.pileus("ring"), "the disk is to give up what it has", 60)
        readable()
        cloud.pileus("ring", "remove", f"far2:{disks[1]}")
        until(lambda: not list(disks[1].glob("objects/**/*.data")), "the disk has given up all", 120)
        readable()
