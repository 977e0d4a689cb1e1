"""Object storage that dies at a named place: run as a program, it does one request and is killed by its own failpoint.

python -m tests.object_store.dying FOLDER METHOD PATH BODY
"""

import asyncio
import sys
from pathlib import Path

from tests.object_store.world import Service


async def once(folder: Path, method: str, path: str, body: bytes) -> None:
    """One request, whose status is printed if it is ever answered."""
    service = Service(folder)
    service.clock.move(60)
    query = "multipart-manifest=put" if body.startswith(b"[") else ""
    said = await service.ask(method, path, body, query=query)
    print(said.status, flush=True)
    await service.close()


if __name__ == "__main__":
    asyncio.run(once(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4].encode()))
