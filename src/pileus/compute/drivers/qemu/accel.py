"""Whether KVM works here: believed only when a guest was seen to run with it.

On some machines /dev/kvm opens and a guest then hangs. So before the first server starts, a small guest is booted
once under a deadline; the verdict holds until kernel or QEMU change.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.argv import BINARY, Accel
from pileus.kit.observe.log import log_of
from pileus.kit.run import ProgramFailed, run

log = log_of(__name__)

# Where KVM works a kernel comes this far in a second; where it does not, the first server waits this long, once.
DEADLINE_S = 10.0
KVM = Path("/dev/kvm")
# It is given no program to run: the kernel's last words, when all its own work is done.
PROOF = "Kernel panic - not syncing: VFS"


class ProbeGuest(msgspec.Struct, frozen=True):
    """A kernel, and what it boots into, that prints to its serial console."""

    kernel: Path
    initrd: Path | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What was found, on what."""

    accel: Accel
    kernel: str
    qemu: str
    why: str


async def version() -> str:
    """QEMU's own version number."""
    words = (await run([BINARY, "--version"])).out.split()
    return words[words.index("version") + 1]


class Acceleration:
    """Chooses between KVM and QEMU's own translation, once."""

    def __init__(
        self,
        remembered: Path,
        probe: ProbeGuest | None,
        device: Path = KVM,
        *,
        version: Callable[[], Awaitable[str]] = version,
    ) -> None:
        self._version = version
        self._remembered = remembered
        self._probe = probe
        self._device = device
        self._verdict: Verdict | None = None
        self._asking = asyncio.Lock()
        self._trial: asyncio.Task[Accel] | None = None

    def ready(self, then: Callable[[], None]) -> Accel | None:
        """What servers are to run on; or None, and it is being found out, and `then` is called when that ended.

        Raises what that failed with, once; to ask again is to try again.
        """
        if self._verdict is not None:
            return self._verdict.accel
        if self._trial is not None and self._trial.done():
            failed, self._trial = self._trial.exception(), None
            if failed is not None:
                raise DriverError("What servers can run on cannot be found out", str(failed))
        if self._trial is None:
            self._trial = asyncio.create_task(self.choose(), name="try kvm")
        self._trial.add_done_callback(lambda done: None if done.cancelled() else then())
        return None

    async def close(self) -> None:
        """No trial goes on."""
        if self._trial is not None:
            self._trial.cancel()
            await asyncio.gather(self._trial, return_exceptions=True)

    async def choose(self) -> Accel:
        """What servers are to run on; the first call may take the deadline."""
        async with self._asking:
            if self._verdict is None:
                self._verdict = await self._judge()
            return self._verdict.accel

    def known(self) -> str:
        """What is known without trying: kvm, tcg or unproven."""
        if self._verdict is not None:
            return self._verdict.accel
        remembered = self._recall()
        if remembered is not None and remembered.kernel == os.uname().release:
            return remembered.accel
        return "unproven" if self._probe is not None and self._device.exists() else "tcg"

    async def _judge(self) -> Verdict:
        kernel, qemu = os.uname().release, await self._version()
        remembered = self._recall()
        if remembered is not None and (remembered.kernel, remembered.qemu) == (kernel, qemu):
            return remembered
        if self._probe is None or not os.access(self._device, os.R_OK | os.W_OK):
            # Not remembered: a probe or the device may be there next time.
            return Verdict("tcg", kernel, qemu, "no probe guest" if self._device.exists() else f"no {self._device}")
        why = await _try_kvm(self._probe)
        verdict = Verdict("tcg" if why else "kvm", kernel, qemu, why or "a guest booted")
        log.info("acceleration chosen", accel=verdict.accel, why=verdict.why)
        self._remembered.parent.mkdir(parents=True, exist_ok=True)
        part = self._remembered.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(verdict))
        part.rename(self._remembered)
        return verdict

    def _recall(self) -> Verdict | None:
        try:
            return msgspec.json.decode(self._remembered.read_bytes(), type=Verdict)
        except (FileNotFoundError, msgspec.DecodeError):
            return None


async def _try_kvm(guest: ProbeGuest) -> str | None:
    """Why KVM is not to be trusted here; None if a guest ran."""
    with tempfile.TemporaryDirectory(prefix="pileus-kvm-") as room:
        serial = Path(room, "serial")
        argv = [
            # A guest that hangs must not outlive us, however we end.
            *("setpriv", "--pdeathsig", "KILL", BINARY),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "pc", "-accel", "kvm", "-cpu", "host", "-m", "256M", "-kernel", str(guest.kernel)),
            *(("-initrd", str(guest.initrd)) if guest.initrd is not None else ()),
            # panic=-1 resets at once, which -no-reboot makes the end of QEMU.
            *("-append", "console=ttyS0 panic=-1 rdinit=/nothing", "-serial", f"file:{serial}"),
        ]
        try:
            await run(argv, deadline_s=DEADLINE_S)
        except ProgramFailed as failed:
            return failed.why
        return None if PROOF in serial.read_text(errors="replace") else "the guest ended before it had booted"
