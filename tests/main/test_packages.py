"""System packages: what is missing, and what happens while they are installed."""

from pathlib import Path

import pytest

from pileus.main import packages
from pileus.main.packages import Program


def test_missing_names_each_package_once_in_order() -> None:
    programs = [
        Program("b", "/no/such/file"),
        Program("shell", "sh"),
        Program("a", "no-such-program"),
        Program("b", "x-y"),
    ]
    assert ["b", "a"] == packages.missing(programs)


def test_nothing_missing_installs_nothing() -> None:
    said: list[str] = []
    packages.ensure([Program("shell", "sh")], said.append)
    assert [] == said


def test_who_is_not_root_is_told_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(packages.CannotInstall, match="cpio ethtool"):
        packages.install(["cpio", "ethtool"])


def test_services_stay_down_only_while_installing(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with packages._services_kept_down(policy):
        assert "exit 101" in policy.read_text()
        assert 0o755 == policy.stat().st_mode & 0o777
    assert not policy.exists()


def test_rule_of_the_operator_is_left_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    with packages._services_kept_down(policy):
        assert policy.read_text().endswith("exit 0\n")
    assert policy.read_text().endswith("exit 0\n")


def test_every_program_says_which_package_it_is() -> None:
    for program in packages.TESTS:
        assert program.package
        assert program.probe
