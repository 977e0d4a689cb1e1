"""Operators' policy files hold as soon as they are changed, and a broken one opens nothing."""

import os
from pathlib import Path

import pytest

from pileus.kit.auth import Caller
from pileus.kit.clock import FakeClock
from pileus.kit.policy import ADMIN, PROJECT_MEMBER, Enforcer, Rule
from pileus.main.policies import SAY_AGAIN_S, BadPolicy, PolicyFiles

from .assembled import assembled

MEMBER = Caller(user_id="u", project_id="p", roles=frozenset({"member", "reader"}))
OWN = {"project_id": "p"}


class Operator:
    """Somebody who edits compute's file while the cloud runs."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.file = path / "compute.yaml"
        self.clock = clock
        self.rules = Enforcer()
        self.rules.declare([Rule("boot", PROJECT_MEMBER), Rule("kill", ADMIN), Rule("owner", PROJECT_MEMBER)])
        self.files = PolicyFiles(path, {"compute": self.rules}, clock)
        self.files.take()

    def write(self, text: str) -> None:
        self.file.write_text(text)
        os.utime(self.file, ns=(0, int(self.clock.monotonic() * 1e9) + len(text)))

    async def pass_by(self, seconds: float = 3.0) -> None:
        for _ in range(int(seconds)):
            self.clock.move(1.0)
            await self.files.look()

    def may(self, rule: str) -> bool:
        return self.rules.allows(rule, MEMBER, OWN)


@pytest.fixture
def operator(tmp_path: Path, clock: FakeClock) -> Operator:
    return Operator(tmp_path, clock)


async def test_a_new_file_holds_without_a_restart_and_so_do_its_changes(operator: Operator) -> None:
    assert operator.may("boot")
    operator.write('"boot": "!"\n"kill": "rule:owner"\n')
    await operator.pass_by()
    assert not operator.may("boot")
    assert operator.may("kill")
    operator.write('"kill": "!"\n')
    await operator.pass_by()
    assert operator.may("boot")
    assert not operator.may("kill")


async def test_without_the_file_the_defaults_hold_again(operator: Operator) -> None:
    operator.write('"boot": "!"\n')
    await operator.pass_by()
    operator.file.unlink()
    await operator.pass_by()
    assert operator.may("boot")


@pytest.mark.parametrize(
    "broken",
    [
        '"kill": "@"\n"boot": "role:admin and ("\n',
        '"kill": "not rule:adimn"\n',
        '"kill": "rule:kill or @"\n',
        '"kill": "http://judge.example/"\n',
        '"kill": ["@"]\n',
        "kill: '@\n",
        '["kill"]\n',
        "\x00",
        '"kill": "!"\n"kill": "@"\n',
        "[]\n",
        "false\n",
    ],
    ids=[
        "syntax",
        "unknown reference",
        "a circle",
        "a remote judge",
        "a list",
        "no YAML",
        "no mapping",
        "binary",
        "twice",
        "an empty list",
        "no",
    ],
)
async def test_a_broken_file_leaves_the_rules_before_it(operator: Operator, broken: str) -> None:
    operator.write('"boot": "!"\n')
    await operator.pass_by()
    operator.write(broken)
    await operator.pass_by()
    assert not operator.may("kill")
    assert not operator.may("boot")
    assert "compute.yaml" in operator.files.files[0].refused
    operator.write('"kill": "@"\n')
    await operator.pass_by()
    assert operator.may("kill")
    assert "" == operator.files.files[0].refused


async def test_a_broken_file_is_complained_about_until_it_is_mended(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    operator.write('"kill": "nonsense"\n')
    await operator.pass_by()
    assert 1 == len(caplog.records)
    await operator.pass_by(SAY_AGAIN_S + 2)
    assert 2 == len(caplog.records)


async def test_a_file_that_is_being_written_is_waited_for(operator: Operator) -> None:
    operator.write('"boot": "!"\n')
    await operator.pass_by()
    for length in range(20):
        operator.write("#" * length)  # half of it, which refuses nothing
        await operator.pass_by(1.0)
        assert not operator.may("boot")


def test_a_start_with_a_broken_file_is_refused(operator: Operator) -> None:
    operator.write('"kill": "nonsense"\n')
    with pytest.raises(BadPolicy, match=r"compute\.yaml"):
        operator.files.take()


async def test_a_running_cloud_takes_a_changed_file(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        assert 200 == (await cloud.ask("GET", "/compute/v2.1/flavors/detail")).status
        folder = cloud.state / "policy"
        folder.mkdir()
        (folder / "compute.yaml").write_text('"os_compute_api:os-hypervisors:list": "not rule:admin_api"\n')
        await cloud.until(403, "GET", "/compute/v2.1/os-hypervisors")
        (folder / "compute.yaml").unlink()
        await cloud.until(200, "GET", "/compute/v2.1/os-hypervisors")


async def test_rules_nobody_asks_for_are_told_of(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    operator.write('"bot": "!"\n"mine": "role:auditor"\n"kill": "rule:mine"\n')
    await operator.pass_by()
    assert ("bot",) == operator.files.files[0].idle
    assert ["a policy file names rules that nobody asks for"] == [record.getMessage() for record in caplog.records]


async def test_files_of_no_service_are_told_of(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("nova.yaml", "compute.yml", "notes.txt"):
        (operator.file.parent / name).write_text('"boot": "!"\n')
    await operator.pass_by()
    assert operator.may("boot")
    assert ["policy files of no service are not read"] == [record.getMessage() for record in caplog.records]
    (operator.file.parent / "nova.yaml").unlink()
    await operator.pass_by()
    assert 2 == len(caplog.records)
