"""The real OVN keeps the same promises as the fake."""

from pathlib import Path

import pytest
from tests.hosts.ovn_world import until, world
from tests.network.drivers.contract import PROMISES

pytestmark = [pytest.mark.host]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_ovn_keeps_the_promise(promise, tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await promise(w.fabric, w.host.plug, until)
