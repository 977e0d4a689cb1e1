"""KVM is believed only when it was seen to work."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.accel import Acceleration, ProbeGuest, Verdict, version
from pileus.kit.run import ProgramFailed

GUEST = ProbeGuest(Path("/no/kernel"))


async def test_without_a_device_it_is_tcg(tmp_path: Path) -> None:
    accel = Acceleration(tmp_path / "accel.json", GUEST, tmp_path / "no-kvm", version=_version)
    assert "tcg" == accel.known()
    assert "tcg" == await accel.choose()


async def test_without_a_guest_to_prove_it_kvm_is_not_used(tmp_path: Path) -> None:
    accel = Acceleration(tmp_path / "accel.json", None, Path("/dev/null"), version=_version)
    assert "tcg" == await accel.choose()
    assert not (tmp_path / "accel.json").exists()


async def test_a_verdict_holds_until_kernel_or_qemu_change(tmp_path: Path) -> None:
    file = tmp_path / "accel.json"
    file.write_bytes(msgspec.json.encode(Verdict("kvm", os.uname().release, "7.2", "a guest booted")))
    same = Acceleration(file, None, tmp_path / "none", version=_version)
    assert "kvm" == same.known()
    assert "kvm" == await same.choose()

    file.write_bytes(msgspec.json.encode(Verdict("kvm", os.uname().release, "6.0", "a guest booted")))
    assert "tcg" == await Acceleration(file, None, tmp_path / "none", version=_version).choose()


@pytest.mark.host
async def test_a_guest_that_does_not_boot_proves_nothing_and_that_is_remembered(tmp_path: Path) -> None:
    file = tmp_path / "accel.json"
    assert "tcg" == await Acceleration(file, GUEST, Path("/dev/null")).choose()
    verdict = msgspec.json.decode(file.read_bytes(), type=Verdict)
    assert ("tcg", await version()) == (verdict.accel, verdict.qemu)


async def test_a_trial_that_fails_is_told_of_once_and_tried_again(tmp_path: Path) -> None:
    async def missing() -> str:
        raise ProgramFailed(["qemu-system-x86_64"], "cannot start: No such file or directory")

    accel, ended = Acceleration(tmp_path / "accel.json", None, tmp_path / "none", version=missing), asyncio.Event()
    for _ in range(2):
        ended.clear()
        assert accel.ready(ended.set) is None
        await ended.wait()
        with pytest.raises(DriverError, match="No such file"):
            accel.ready(ended.set)


async def _version() -> str:
    return "7.2"
