"""A host that gives a disk to object storage, as a program: it serves the disk and its workers run all the time.

python -m tests.object_store.storage_host '{"folder": ..., "name": ..., "address": ..., "port": ..., "devices": [...], "first": [...]}'
"""

import asyncio
import signal
import sys
import traceback
from pathlib import Path

import msgspec
from tests.object_store.machines import elsewhere

from pileus.kit.clock import SystemClock
from pileus.main import object_certificates as certificates
from pileus.main.state import State
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.storage.published import Reached


class Given(msgspec.Struct):
    """What the host is told."""

    folder: str
    name: str
    address: str
    port: int
    devices: tuple[str, ...]
    first: tuple[str, int]
    every_s: float = 1.0


async def serve(given: Given) -> None:
    """Until it is told to stop, or killed."""
    state = State(Path(given.folder))
    seed = Reached(*given.first)
    app = elsewhere(SystemClock(), state, seed, host=given.name, devices=given.devices)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await app.channel.listen(given.address, given.port, certificates.server_tls(state))
    print("ready", flush=True)
    work = asyncio.create_task(toil(app, given.every_s))
    await told.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await app.close()


async def toil(app: ObjectStoreApp, every_s: float) -> None:
    """All workers, one after the other, for ever."""
    workers = app.workers
    runs = (
        workers.follower, workers.updater, workers.replicator, workers.reconstructor, workers.ledgers, workers.auditor,
        workers.teller, workers.sharder, workers.relinker,
    )  # fmt: skip
    while True:
        for worker in runs:
            try:
                await worker.run()
            except Exception:  # noqa: BLE001  as where reconcilers run them: the next pass is the retry
                traceback.print_exc()
        await asyncio.sleep(every_s)


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.argv[1], type=Given)))
