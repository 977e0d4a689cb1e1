"""The drill with QEMU and OVN: the cloud is killed within their drivers, and everywhere else too if PILEUS_DRILL is `whole`.

Outside of the drivers it is killed at each place with fakes (tests/main/test_drill.py), so that a run passes every place once.
"""

import os

import pytest
from tests.main.test_drill import drilled


@pytest.mark.scale
@pytest.mark.timeout(7200)
def test_a_cloud_with_qemu_and_ovn_survives_being_killed_at_every_step() -> None:
    whole = os.environ.get("PILEUS_DRILL") == "whole"
    assert drilled("--real", *(() if whole else ("--inside",)), timeout_s=7190) >= (200 if whole else 80)
