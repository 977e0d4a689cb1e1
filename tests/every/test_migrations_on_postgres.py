"""Every service's migrations make on PostgreSQL the tables it declares, and no others."""

import asyncio
import importlib
from pathlib import Path

import pytest

import pileus
from pileus.kit import tables
from pileus.kit.db import migrate
from pileus.kit.db.bridge import Door, engine
from pileus.kit.db.pool import connect
from pileus.kit.db.upgrade import difference

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SERVICES = sorted(
    folder.parent.name for folder in Path(pileus.__file__).parent.glob("*/migrations") if folder.parent.name != "kit"
)


async def test_the_tables_are_as_declared(postgres: str) -> None:
    await migrate(postgres, {name: f"pileus.{name}.migrations" for name in SERVICES})
    declared = [tables.metadata, *(importlib.import_module(f"pileus.{name}.manifest").METADATA for name in SERVICES)]
    connection = await connect(postgres)
    door = Door(asyncio.get_running_loop(), connection)

    def compare() -> str | None:
        with engine(door).connect() as opened:
            return difference(opened, declared)

    try:
        assert await asyncio.to_thread(compare) is None
    finally:
        await connection.close()
