"""What to do next with a server: a pure function of what is wanted, what is remembered and what runs.

The plan is made again after each act, so it holds no order of its own: whatever was interrupted, the next look says
what is missing.
"""

import enum

from pileus.compute.drivers.interface import Power, Wanted, lasting
from pileus.compute.drivers.qemu.home import Run

GUEST_OFF = "shutdown"
SAVED = "postmigrate"
LOADING = "inmigrate"
STANDS_STILL = "io-error"


class Act(enum.Enum):
    """One thing to do."""

    REST = "nothing; what is asked is done"
    WAIT = "nothing yet; the guest was asked to power off"
    START = "start QEMU"
    ASK = "ask the guest to power off"
    FORGET = "the guest did not listen, and nobody wants it to any more"
    KILL = "end QEMU"
    BURY = "the guest powered off; end what is left of QEMU and note why"
    PAUSE = "stop the processors"
    RESUME = "let the processors go on"
    SAVE = "write the memory to a file"
    STORE = "the memory is in the file: end QEMU"
    LOAD = "nothing yet; the memory is being read from the file"
    NMI = "interrupt the guest"
    SHAPE = "give the disks the shape that is wanted"
    DEVICES = "let network cards and volumes come and go"
    LAND = "be ready for the server that comes"
    OWN = "the server that came is this host's now"
    LEAVE = "go on with handing the server to another host"
    STAY = "the server does not leave after all"


def next_act(wanted: Wanted, run: Run, status: str | None, now: float) -> Act:
    """`status` is QEMU's word for its state, or None if no process runs."""
    if status is None:
        return _at_rest(wanted, run)
    if (act := _on_the_way(wanted, run, status)) is not None:
        return act
    if status == GUEST_OFF:
        return Act.BURY
    if wanted.power is Power.OFF:
        return _stop(run, status, now)
    if status == LOADING:
        return Act.LOAD
    if wanted.power is Power.SUSPENDED:
        return Act.STORE if status == SAVED else Act.SAVE
    return _running(wanted, run, status, now)


def _on_the_way(wanted: Wanted, run: Run, status: str) -> Act | None:
    if wanted.arrival is not None:
        return Act.LAND
    if run.arrival is not None:
        return Act.OWN
    if status == GUEST_OFF:
        return None
    if wanted.departure is not None:
        return Act.LEAVE
    return Act.STAY if run.departure is not None else None


def _running(wanted: Wanted, run: Run, status: str, now: float) -> Act:
    if wanted.restarts.hard > run.done.hard or run.shape not in ("", wanted.shape):
        return Act.KILL
    if wanted.restarts.soft > run.done.soft:
        return _stop(run, status, now)
    if run.stop_by is not None:
        return Act.WAIT if now < run.stop_by else Act.FORGET
    return _processors(wanted, run, status)


def _processors(wanted: Wanted, run: Run, status: str) -> Act:
    if wanted.power is Power.PAUSED and status == "running":
        return Act.PAUSE
    # A guest stopped by a full disk would only stop again; a start asked for anew tries it once.
    again = status == STANDS_STILL and wanted.restarts.start > run.done.start
    if wanted.power is Power.ON and (status in ("paused", SAVED) or again):
        return Act.RESUME
    if wanted.restarts.nmi > run.done.nmi and status == "running":
        return Act.NMI
    if run.checkpoint is not None and wanted.checkpoint is None:
        return Act.SHAPE  # Only to forget a checkpoint a server need not stand still.
    return Act.REST if _has_devices(wanted, run, running=True) else Act.DEVICES


def _has_devices(wanted: Wanted, run: Run, *, running: bool) -> bool:
    """Whether the server has the cards and volumes that are wanted, and none is on its way."""
    has_cards = not run.changing and (run.cards or {}).keys() == {nic.port_id for nic in wanted.nics}
    return has_cards and has_volumes(wanted, run, running=running)


def has_volumes(wanted: Wanted, run: Run, *, running: bool) -> bool:
    """Whether the server has the volumes that are wanted, as large as they are, and none is on its way."""
    if run.volumes_changing:
        return False
    if not running:
        return run.volumes.keys() == {volume.key for volume in lasting(wanted, run.volumes)}
    replaced = {volume.instead_of for volume in wanted.volumes if volume.instead_of is not None}
    stay = [volume for volume in wanted.volumes if volume.key not in replaced]
    sizes = run.volume_sizes
    return run.volumes.keys() == {volume.key for volume in stay} and not any(
        volume.size_gib > sizes.get(volume.key, volume.size_gib) for volume in stay
    )


def _stop(run: Run, status: str, now: float) -> Act:
    if status != "running":
        return Act.KILL  # A guest that stands still hears no button.
    if run.stop_by is None:
        return Act.ASK
    return Act.WAIT if now < run.stop_by else Act.KILL


def _at_rest(wanted: Wanted, run: Run) -> Act:
    if not run.saved and (run.shape != wanted.shape or run.checkpoint != wanted.checkpoint):
        return Act.SHAPE
    if not run.saved and not _has_devices(wanted, run, running=False):
        return Act.DEVICES
    if wanted.arrival is not None:
        return Act.REST if run.arrival == wanted.arrival.id else Act.START
    if wanted.departure is not None or wanted.power in (Power.OFF, Power.SUSPENDED):
        return Act.REST
    asked_anew = (
        wanted.restarts.start > run.done.start
        or wanted.restarts.soft > run.done.soft
        or wanted.restarts.hard > run.done.hard
    )
    return Act.START if asked_anew or not run.ran or run.saved or run.stop_by is not None else Act.REST
