"""QEMU keeps the promises of a hypervisor."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.compute.drivers.contract import HypervisorContract
from tests.compute.drivers.contract_changes import ChangeContract
from tests.compute.drivers.contract_volumes import VolumeContract
from tests.hosts.qemu_world import QemuWorld, qemu_world, qemus_in

pytestmark = pytest.mark.host


class TestQemu(HypervisorContract, ChangeContract, VolumeContract):
    @contextlib.asynccontextmanager
    async def world(self, tmp_path: Path) -> AsyncIterator[QemuWorld]:
        async with qemu_world(tmp_path) as world:
            yield world
        assert [] == qemus_in(tmp_path)
