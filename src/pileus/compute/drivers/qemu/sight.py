"""What is told of a server: what is remembered of it and what its QEMU says, in the words of hosts' documents."""

from pileus.compute.drivers.interface import ConsoleAddresses, Power, PowerSeen, Seen, Wanted
from pileus.compute.drivers.qemu.argv import VNC_SOCKET
from pileus.compute.drivers.qemu.disk_errors import why_still
from pileus.compute.drivers.qemu.home import Home, Run
from pileus.compute.drivers.qemu.plan import GUEST_OFF, LOADING, SAVED, STANDS_STILL

BY_GUEST = "the guest powered off"
POWERS = {
    "paused": PowerSeen.PAUSED,
    SAVED: PowerSeen.PAUSED,
    LOADING: PowerSeen.PAUSED,
    STANDS_STILL: PowerSeen.PAUSED,
    GUEST_OFF: PowerSeen.OFF,
}
CRASHED = ("guest-panicked", "internal-error")


def seen(run: Run, status: str | None, wanted: Wanted | None) -> Seen:
    """The server as far as these tell; `status` is QEMU's word, None if none runs."""
    # To stand still is no failure of one that is to do so.
    runs = wanted is not None and wanted.power is Power.ON
    return Seen(
        power=_power(run, status),
        restarts=run.done,
        disks_ready=run.disks_ready,
        failure=why_still(run) if status == STANDS_STILL and runs else None,
        started_at=run.started_at,
        exit_reason=_exit_reason(run, status),
        shape=run.shape,
        cards=tuple(sorted(run.cards or {})),
        cards_changing=tuple(sorted(run.changing)),
        volumes=tuple(sorted(run.volumes.keys() - run.swaps.keys())),
        volumes_changing=tuple(sorted(run.volumes_changing)),
        volume_sizes=run.volume_sizes,
        disk_errors=tuple(run.disk_errors.values()) if status is not None else (),
    )


def consoles(home: Home) -> ConsoleAddresses:
    """Where the consoles of a server that runs are."""
    vnc, serial = home.guest / VNC_SOCKET, home.serial
    return ConsoleAddresses(
        vnc=str(vnc) if vnc.is_socket() else None, serial=str(serial) if serial.is_socket() else None
    )


def _power(run: Run, status: str | None) -> PowerSeen:
    if status is None and run.saved:
        return PowerSeen.SUSPENDED
    if status is None:
        return PowerSeen.CRASHED if run.ended is not None and run.ended.crashed else PowerSeen.OFF
    return PowerSeen.CRASHED if status in CRASHED else POWERS.get(status, PowerSeen.ON)


def _exit_reason(run: Run, status: str | None) -> str | None:
    if run.ended is not None:
        return run.ended.reason
    return BY_GUEST if status == GUEST_OFF and run.stop_by is None else None
