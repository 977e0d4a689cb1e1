"""Open what a QEMU that starts inherits: sockets, taps, a saved memory, the files of volumes and what opens them."""

import contextlib
import os

from pileus.compute.drivers.interface import Wanted
from pileus.compute.drivers.qemu import blocks
from pileus.compute.drivers.qemu import process as processes
from pileus.compute.drivers.qemu.argv import Descriptors
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.opening import opened, secret_file
from pileus.ports.plug import Plug
from pileus.ports.volume_keys import VolumeKeys


async def descriptors(
    wanted: Wanted, home: Home, plug: Plug, keys: VolumeKeys | None, ours: contextlib.ExitStack
) -> Descriptors:
    """The open files; our copies are closed with `ours`. Raises DriverError."""
    run = home.run()
    monitor = ours.enter_context(processes.listen(home.monitor)).fileno()
    serial = None
    if wanted.consoles.serial:
        serial = ours.enter_context(processes.listen(home.serial)).fileno()
    else:
        home.serial.unlink(missing_ok=True)
    # A memory that was saved goes on with the devices it was saved with.
    if wanted.agent and (not run.saved or home.agent.exists()):
        agent = ours.enter_context(processes.listen(home.agent)).fileno()
    else:
        agent = None
        home.agent.unlink(missing_ok=True)
    saved = None
    if run.saved and wanted.restarts.hard == run.done.hard:
        saved = os.open(home.memory, os.O_RDONLY | os.O_NOFOLLOW)
        ours.callback(os.close, saved)
    taps = {}
    for nic in wanted.nics:
        taps[nic.port_id] = await plug.open_tap(nic.port_id)
        ours.callback(os.close, taps[nic.port_id])
    volumes, secrets = await _volumes(wanted, home, keys, ours)
    return Descriptors(monitor, serial, taps, saved, agent, volumes, secrets)


async def _volumes(
    wanted: Wanted, home: Home, keys: VolumeKeys | None, ours: contextlib.ExitStack
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The file of each volume that is one, and what opens each that is closed."""
    files: dict[str, int] = {}
    secrets: dict[str, dict[str, int]] = {}
    slots = blocks.slots(wanted)
    for volume in wanted.volumes:
        found = await opened(volume, blocks.Chain(slots[volume.key]), home, keys, ours)
        if found.file is not None:
            files[volume.key] = found.file
        secrets[volume.key] = {}
        for what, secret in found.secrets.items():
            secrets[volume.key][what] = secret_file(secret)
            ours.callback(os.close, secrets[volume.key][what])
    return files, secrets
