"""Partitions being doubled by a program that dies at a named place: python -m tests.object_store.doubling FOLDER"""

import asyncio
import sys
from pathlib import Path

from tests.object_store.world import Service


async def steps(folder: Path) -> None:
    """All steps, one after the other."""
    service = Service(folder, part_power=2)
    service.clock.move(3600)
    assert service.app.keeper is not None
    service.app.keeper.double(0)
    for _ in range(4):
        await service.app.workers.relinker.run()
        await service.app.workers.follower.run()
    await service.close()


if __name__ == "__main__":
    asyncio.run(steps(Path(sys.argv[1])))
