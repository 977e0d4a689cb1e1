"""Ports for the programs that tests start."""

import itertools
import os
import socket

# Below the ports that the kernel gives to outgoing connections: one of those can be taken between our look and its use.
FIRST, EACH = 12_000, 4_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Workers of one run have ports of their own; runs beside each other begin at different ones.
_mine = range(FIRST + _worker % 5 * EACH, FIRST + (_worker % 5 + 1) * EACH)
_untried = itertools.islice(itertools.cycle(_mine[::2]), os.getpid() % EACH, None)


def free_port() -> int:
    """A port nobody listens at, and that nobody else of this run is given."""
    for port in itertools.islice(_untried, EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port from {_mine.start} to {_mine.stop} is free")
