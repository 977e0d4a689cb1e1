"""Object storage that dies at a named place: run as a program, it does one request and is killed by its own failpoint.

python -m tests.object_store.dying FOLDER METHOD PATH BODY [KIND]
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from tests.object_store.world import Service

KINDS = {"one copy": 0, "3 copies": 3, "4+2": 6}  # and on how many disks


def disks(folder: Path, kind: str) -> dict[str, Any]:
    """The options of a service that keeps objects so."""
    if not KINDS[kind]:
        return {}
    devices = tuple(str(folder / f"disk{at}") for at in range(KINDS[kind]))
    policy = "coded 4+2" if kind == "4+2" else "whole"
    return {"devices": devices, "replicas": 3.0, "part_power": 2, "policies": (policy,)}


async def once(folder: Path, method: str, path: str, body: bytes, kind: str) -> None:
    """One request, whose status is printed if it is ever answered."""
    service = Service(folder, **disks(folder, kind))
    service.clock.move(60)
    query = "multipart-manifest=put" if body.startswith(b"[") else ""
    said = await service.ask(method, path, body, query=query)
    print(said.status, flush=True)
    await service.close()


if __name__ == "__main__":
    asyncio.run(once(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4].encode(), sys.argv[5]))
