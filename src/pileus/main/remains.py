"""What outlives the cloud's process, and how it is taken away: servers and the network's daemons."""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from pileus.block_storage.drivers.nbd import Daemons
from pileus.main.processes import end, servers_of
from pileus.main.settings import Settings
from pileus.main.state import State

GROUPS = Path("/sys/fs/cgroup")
_EMPTY_S = 5.0


def stop_servers(state: State) -> int:
    """No server of this cloud runs; returns how many did. Their guests are not asked: this is a power cut for them."""
    running = servers_of(state)
    end([found.pid for _, found in running])
    remove_groups({id for id, _ in running} | {folder.name for folder in (state / "servers").iterdir()})
    return len(running)


async def stop_ways(state: State) -> None:
    """No volume of this machine is served, and none of another is reached: what is left of that is files."""
    for kind in ("links", "doors"):
        daemons = Daemons(state / "volumes" / kind)
        for id in daemons.known():
            await daemons.remove(id)


def remove_groups(servers: Iterable[str], root: Path = GROUPS) -> None:
    """The servers, which do not run, have no control groups.

    They are looked for everywhere: where they were made depends on the group that the cloud's process was in then.
    """
    ids = set(servers)
    for folder, inner, _ in os.walk(root):
        if Path(folder).name != "pileus":
            continue
        for id in ids & set(inner):
            _remove_when_empty(Path(folder, id))
        with contextlib.suppress(OSError):
            Path(folder).rmdir()  # unless another cloud's servers are in it
            inner.clear()


def _remove_when_empty(group: Path) -> None:
    """A process may have ended a moment before it leaves its group."""
    until = time.monotonic() + _EMPTY_S
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


async def remove_network(state: State, settings: Settings) -> None:
    """No daemon, namespace, link or rule of this cloud's network is left."""
    if settings.network_driver != "ovn":
        return
    from pileus.main.machine import ovn_host

    await ovn_host(state, settings, None).remove()
