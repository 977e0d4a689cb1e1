"""Taps of a QEMU that runs, when somebody took them away: made again, behind the descriptors that QEMU holds.

A descriptor outlives its tap and can be tied to another. So neither QEMU nor the guest has to do anything: for the guest the
cable was out for some seconds.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pileus.compute.drivers.interface import DriverError, Nic
from pileus.ports.plug import MendsTaps, Plug, PortPlug

TUN = "/dev/net/tun"
_PIDFD_GETFD = 438  # The same on every architecture; Python has no name for it.
_NETDEV = re.compile(rb"tap,id=net(\d+),fd=(\d+),")
_libc = ctypes.CDLL(None, use_errno=True)

log = logging.getLogger(__name__)


async def mend(pid: int, nics: Sequence[Nic], slots: Mapping[str, int], plug: Plug) -> list[str]:
    """Every port of a running QEMU has its tap; returns those that had lost it."""
    if not nics or not isinstance(plug, MendsTaps):
        return []
    held = await asyncio.to_thread(_held, pid)
    loose = {fd for fd, name in held.items() if not name}
    if not loose:
        return []
    ports = {nic.port_id: PortPlug(nic.port_id, nic.mac, nic.mtu) for nic in nics}
    names = {port.id: await plug.ensure_plugged(port) for port in ports.values()}
    lost = [port_id for port_id, name in names.items() if name not in held.values()]
    for port_id, fd in _paired(lost, loose, slots, _called_with(pid)).items():
        copy = _copied(pid, fd)
        try:
            await plug.attach(ports[port_id], copy)
        finally:
            os.close(copy)
        log.warning("a tap was gone and is plugged again", extra={"port": port_id, "pid": pid})
    return lost


def _held(pid: int) -> dict[int, str]:
    """The taps a process holds open, by descriptor: their names, empty where the tap is gone."""
    found: dict[int, str] = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # Closed while we looked.
            if os.readlink(f"/proc/{pid}/fd/{entry}") == TUN:
                told = Path(f"/proc/{pid}/fdinfo/{entry}").read_text()
                found[int(entry)] = next(
                    (line[4:].strip() for line in told.splitlines() if line.startswith("iff:")), ""
                )
    return found


def _called_with(pid: int) -> dict[int, int]:
    """Which descriptor QEMU was given for the card in each slot, when it was started."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return {int(match[1]): int(match[2]) for word in words if (match := _NETDEV.match(word))}


def _paired(lost: Sequence[str], loose: set[int], slots: Mapping[str, int], given: Mapping[int, int]) -> dict[str, int]:
    """Which descriptor is whose; raises DriverError where that cannot be known."""
    found = {port_id: fd for port_id in lost if (fd := given.get(slots.get(port_id, -1), -1)) in loose}
    rest, free = [port_id for port_id in lost if port_id not in found], loose - set(found.values())
    # A card that came later has a descriptor of QEMU's choice. The tap of one alone cannot be mistaken.
    if len(rest) == len(free) == 1:
        return {**found, rest[0]: free.pop()}
    if rest:
        raise DriverError(
            "Taps are gone and cannot be told apart", f"ports {', '.join(rest)}; a hard reboot plugs them"
        )
    return found


def _copied(pid: int, fd: int) -> int:
    """Our own copy of a descriptor of another process."""
    door = os.pidfd_open(pid)
    try:
        copy = int(_libc.syscall(_PIDFD_GETFD, door, fd, 0))
    finally:
        os.close(door)
    if copy < 0:
        number = ctypes.get_errno()
        raise DriverError("QEMU's tap cannot be reached", os.strerror(number))
    os.set_inheritable(copy, False)
    return copy
