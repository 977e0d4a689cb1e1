"""A controller that beats, begins a transaction and freezes in the midst of its next statement: `frozen_writer ADDRESS`."""

import asyncio
import os
import signal
import sys

from pileus.kit.bus import LocalBus
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database
from pileus.kit.flow.leases import Leases


async def main(address: str) -> None:
    db = await Database.open(address)
    leases = Leases(db, LocalBus(), SystemClock(), "frozen")
    await leases.join()
    async with db.transaction():
        unit = next(iter(db._ambient.values())).unit
        # One step of the task: the statement's first half is on its way, and nobody will read the answer.
        half = asyncio.create_task(unit.fetch("SELECT 1 + $1::int", [1]))
        await asyncio.sleep(0)
        sys.stdout.write("freezes\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSTOP)
        await half


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
