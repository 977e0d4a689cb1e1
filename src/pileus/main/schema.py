"""Bringing the database up to date, in a process of its own: what that takes of memory goes when it is done."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from pileus.kit.db.migrate import migrate, outdated
from pileus.kit.run import run
from pileus.main.state import State

DEADLINE_S = 3600.0


async def ensure_schema(state: State, services: Sequence[str]) -> None:
    """The tables of these services are as this release wants them; raises ProgramFailed with what went wrong."""
    if outdated(state.database, _places(services)):
        argv = [sys.executable, "-m", "pileus.main.schema", str(state.database), *services]
        await run(argv, env={"PYTHONPATH": ":".join(path for path in sys.path if path)}, deadline_s=DEADLINE_S)


def _places(services: Sequence[str]) -> dict[str, str | Path]:
    return {name: f"pileus.{name}.migrations" for name in services}


if __name__ == "__main__":
    asyncio.run(migrate(Path(sys.argv[1]), _places(sys.argv[2:])))
