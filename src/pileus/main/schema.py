"""Bringing the database up to date, in a process of its own: what that takes of memory goes when it is done."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pileus.kit.db.migrate import migrate, outdated
from pileus.kit.run import run

DEADLINE_S = 3600.0
ADDRESS = "PILEUS_SCHEMA_ADDRESS"


async def ensure_schema(address: str | Path, services: Sequence[str]) -> None:
    """The tables of these services are as this release wants them; raises ProgramFailed with what went wrong."""
    if isinstance(address, str) or outdated(address, _places(services)):
        argv = [sys.executable, "-m", "pileus.main.schema", *services]
        # The address may hold a password, which has no place among arguments.
        env = {"PYTHONPATH": ":".join(path for path in sys.path if path), ADDRESS: str(address)}
        await run(argv, env=env, deadline_s=DEADLINE_S)


def _places(services: Sequence[str]) -> dict[str, str | Path]:
    return {name: f"pileus.{name}.migrations" for name in services}


if __name__ == "__main__":
    asyncio.run(migrate(os.environ[ADDRESS], _places(sys.argv[1:])))
