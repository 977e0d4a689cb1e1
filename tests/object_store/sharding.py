"""The sharder as a program, which dies at a named place: python -m tests.object_store.sharding FOLDER"""

import asyncio
import sys
from pathlib import Path

from tests.object_store.world import Service

from pileus.object_store.workers.sharder import Sharder


async def passes(folder: Path) -> None:
    """Some passes of the sharder, a few rows at a time."""
    service = Service(folder)
    service.clock.move(60)
    for _ in range(6):
        await Sharder(service.app.server.devices, service.app.cluster, batch=4).run()
    await service.close()


if __name__ == "__main__":
    asyncio.run(passes(Path(sys.argv[1])))
