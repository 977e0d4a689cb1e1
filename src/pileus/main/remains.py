"""What outlives the cloud's process, and how it is taken away: servers and the network's daemons."""

from pileus.main.processes import end, servers_of
from pileus.main.settings import Settings
from pileus.main.state import State


def stop_servers(state: State) -> int:
    """No server of this cloud runs; returns how many did. Their guests are not asked: this is a power cut for them."""
    running = servers_of(state)
    end([found.pid for _, found in running])
    return len(running)


async def remove_network(state: State, settings: Settings) -> None:
    """No daemon, namespace, link or rule of this cloud's network is left."""
    if settings.network_driver != "ovn":
        return
    from pileus.main.machine import ovn_host

    await ovn_host(state, settings, None).remove()
