"""The same program walks the whole path with the newest SDK and with Debian 12's own, the oldest that is supported."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import RunningCloud, running_cloud

pytestmark = [pytest.mark.client, pytest.mark.timeout(600), pytest.mark.filterwarnings("default::ResourceWarning")]

PROGRAM = Path(__file__).with_name("sdk_program.py")
OLDEST = Path("/usr/lib/python3/dist-packages/openstack")


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as made:
        yield made


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"], ids=["newest", "Debian 12's"])
def test_program_of_its_time_walks_the_whole_path(cloud: RunningCloud, python: str, tmp_path: Path) -> None:
    if python != sys.executable and not OLDEST.is_dir():
        pytest.skip("python3-openstacksdk is not installed")
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **cloud.environment("demo")}
    walked = subprocess.run(
        [python, str(PROGRAM), str(disk)], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert walked.returncode == 0, walked.stderr + cloud.log()
    found = json.loads(walked.stdout.splitlines()[-1])
    print(f"openstacksdk {found.pop('sdk')}")
    assert found == {
        "status": "ACTIVE",
        "addresses": ["fixed", "floating"],
        "stopped": "SHUTOFF",
        "started": "ACTIVE",
        "metadata": {"colour": "blue"},
        "listed": ["path"],
        "left": [],
    }
