"""`pileus up` by several at once, on one state directory: one cloud, and each is told how it stands."""

import os
import shutil
import subprocess
import sys

import pytest
from tests.clients.cloud import FAKES, ROOT, UP_S, RunningCloud, until

pytestmark = [pytest.mark.client, pytest.mark.timeout(400)]

WAITS = "another `pileus up` is bringing this cloud up"


def test_those_that_bring_up_one_cloud_at_once_make_one_with_one_set_of_passwords():
    cloud = RunningCloud(*FAKES)
    try:
        cloud.state.create()
        with cloud.state.coming_up(print):  # as a third one, so that both surely come while it is at work
            both = [_comes_up(cloud, f"{number}") for number in range(2)]
            for number in range(2):
                until(lambda file=cloud.path / f"{number}.err": WAITS in file.read_text(), "it says that it waits")
            assert cloud.state.pid() is None
        assert [0, 0] == [one.wait(UP_S) for one in both], _said(cloud)
        pid = cloud.state.pid()
        assert all(f"(process {pid}, " in said for said in _said(cloud)), _said(cloud)
        assert 1 == sum("it ran already" in said for said in _said(cloud)), _said(cloud)
        # The passwords that are told are those that were set.
        assert cloud.ask("GET", "/identity/v3/users", as_="admin").status == 200

        assert f"(process {pid}, it ran already)" in cloud.up("--foreground")
        assert "other values of: listen" in cloud.pileus("up", "--listen", "127.0.0.1:1", *FAKES, fails=True)
        assert pid == cloud.state.pid()
        assert cloud.ask("GET", "/identity/v3/users", as_="admin").status == 200
    finally:
        cloud.destroy()
        shutil.rmtree(cloud.path, ignore_errors=True)


def _comes_up(cloud, name):
    argv = [
        sys.executable,
        "-m",
        "pileus.main.cli",
        "up",
        "--state",
        str(cloud.path),
        "--listen",
        cloud.address,
        *FAKES,
    ]
    with (cloud.path / f"{name}.out").open("wb") as out, (cloud.path / f"{name}.err").open("wb") as err:
        return subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip


def _said(cloud):
    return [(cloud.path / f"{number}.out").read_text() for number in range(2)]
