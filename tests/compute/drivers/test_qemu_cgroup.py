"""Servers get control groups where there are some, and run without where there are none."""

from pathlib import Path

from pileus.compute.drivers.qemu.cgroup import Groups


def test_places_below_our_own_group_in_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    own = tmp_path / "own"
    own.write_text("0::/system.slice/pileus.service\n")
    groups = Groups("cloud", tmp_path, own)
    assert groups.place("id", 42, vcpus=2)
    assert "42" == (tmp_path / "system.slice/pileus.service/cloud/id/cgroup.procs").read_text()


def test_places_in_each_controller_of_version_1(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("8:pids:/\n4:memory:/box\n1:cpu:/\n0::/\n")
    for home in ("cpu", "pids", "memory/box"):
        (tmp_path / home).mkdir(parents=True)
        (tmp_path / home / "cgroup.procs").touch()
    groups = Groups("cloud", tmp_path, own)
    assert groups.place("id", 42, vcpus=2)
    for home in ("cpu", "pids", "memory/box"):
        assert "42" == (tmp_path / home / "cloud/id/cgroup.procs").read_text()


def test_says_so_where_there_are_none(tmp_path: Path) -> None:
    groups = Groups("cloud", tmp_path, tmp_path / "missing")
    assert not groups.place("id", 42, vcpus=1)
    groups.remove("id")
