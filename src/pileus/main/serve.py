"""The process that is the cloud: takes the state directory, serves, and lets go in good order.

lock -> log -> assemble -> listen -> (network, agent, flows) -> until told to stop
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from pileus.kit.errors import Problem
from pileus.kit.observe.log import log_of, set_up
from pileus.main.certificates import ensure_certificate
from pileus.main.settings import EVERYWHERE, Settings, settings_of
from pileus.main.state import State

log = log_of(__name__)


def main() -> int:
    """Serve the cloud in the state directory that the first argument names."""
    state = State(Path(sys.argv[1]))
    try:
        return serve(state, settings_of(state, {}).options, foreground="--foreground" in sys.argv[2:])
    except Problem as problem:
        print(f"pileus: {problem.message}", file=sys.stderr)
        return 1


def serve(state: State, settings: Settings, *, foreground: bool) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    state.create()
    with state.lock():
        set_up(level=settings.log_level, file=state.log, terminal=sys.stderr if foreground else None)
        try:
            asyncio.run(_serve(state, settings))
        except Exception as failed:
            log.broke("the cloud stops", failed)
            raise
    return 0


async def _serve(state: State, settings: Settings) -> None:
    from pileus.kit.http.server import LISTENERS, until_listening
    from pileus.main.assemble import assemble
    from pileus.main.memory import settle_memory

    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    cloud = await assemble(state, settings)
    settle_memory()
    host, port = settings.address
    listener = LISTENERS[settings.server](cloud.application, host, port, ensure_certificate(state, settings))
    serving = loop.create_task(listener.serve(), name="listener")
    await until_listening("127.0.0.1" if host in EVERYWHERE else host, port)
    log.info("the cloud answers", url=settings.url, state=str(state.path))
    started = loop.create_task(cloud.start(), name="start")
    stop = loop.create_task(told.wait(), name="told to stop")
    # A server takes the signals for itself while it starts; whoever is told first, both stop.
    await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    listener.stop()
    for task in (started, stop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await cloud.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    log.info("the cloud has stopped; servers and networks go on")


if __name__ == "__main__":
    sys.exit(main())
