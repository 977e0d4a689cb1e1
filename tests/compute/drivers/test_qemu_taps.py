"""Which of QEMU's descriptors is whose when taps were taken away."""

import pytest

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.taps import _paired

SLOTS = {"a": 0, "b": 1, "c": 2}
GIVEN = {0: 30, 1: 31}  # c came later, and QEMU chose its descriptor


@pytest.mark.parametrize(
    ("lost", "loose", "pairs"),
    [
        (["a"], {30}, {"a": 30}),
        (["b", "a"], {30, 31}, {"a": 30, "b": 31}),
        (["c"], {44}, {"c": 44}),
        (["a", "c"], {30, 44}, {"a": 30, "c": 44}),
        ([], set(), {}),
    ],
)
def test_every_port_gets_its_own_descriptor(lost: list[str], loose: set[int], pairs: dict[str, int]) -> None:
    assert pairs == _paired(lost, loose, SLOTS, GIVEN)


def test_taps_that_cannot_be_told_apart_are_left_alone() -> None:
    with pytest.raises(DriverError, match="hard reboot"):
        _paired(["c", "d"], {44, 45}, {**SLOTS, "d": 3}, GIVEN)
