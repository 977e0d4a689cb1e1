"""Migrations on PostgreSQL: the same files, all or nothing, and one program at a time."""

import asyncio
from pathlib import Path
from typing import Any, Protocol

import pytest

from pileus.kit.db import BrokenMigration, Database, DatabaseUnavailable, command, migrate
from pileus.kit.db.upgrade import autogenerate

from .test_migrate import NOTHING, first_tables, second_tables

pytestmark = pytest.mark.postgres


class Sql(Protocol):
    def __call__(self, text: str) -> list[tuple[str, ...]]: ...


@pytest.fixture
def sql(postgres: str, postgres_server: Any) -> Sql:
    """Look at the test's database as a stranger does."""
    return lambda text: postgres_server.sql(text, postgres)


def columns(sql: Sql, table: str) -> list[str]:
    found = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
    return [row[0] for row in sql(found)]


async def test_runs_what_is_pending_and_keeps_the_rows(tmp_path: Path, postgres: str, sql: Sql) -> None:
    folder = tmp_path / "compute"
    autogenerate("compute", first_tables(), folder, "first")
    assert await migrate(postgres, {"compute": folder, "kit": NOTHING}) == ["compute"]
    assert await migrate(postgres, {"compute": folder, "kit": NOTHING}) == []
    db = await Database.open(postgres)
    await db.run(command(first_tables().tables["servers"].insert()), id="1", name="one")
    await db.close()
    autogenerate("compute", second_tables(), folder, "more")
    assert await migrate(postgres, {"compute": folder, "kit": NOTHING}) == ["compute"]
    assert columns(sql, "servers") == ["id", "name", "born", "on", "tags"]
    assert columns(sql, "disks") == ["id", "server_id"]
    assert sql("SELECT id, name FROM servers") == [("1", "one")]


async def test_a_migration_may_read_and_write_rows(tmp_path: Path, postgres: str, sql: Sql) -> None:
    folder = tmp_path / "compute"
    written = autogenerate("compute", first_tables(), folder, "first")
    assert written is not None
    written.write_text(
        written.read_text()
        + """
    servers = sa.table("servers", sa.column("id", sa.String()), sa.column("name", sa.String()))
    op.bulk_insert(servers, [{"id": "1", "name": "one"}, {"id": "2", "name": "two"}])
    for id, name in op.get_bind().execute(sa.select(servers.c.id, servers.c.name)).all():
        op.get_bind().execute(servers.update().where(servers.c.id == id).values(name=name.upper()))
    op.execute("DELETE FROM servers WHERE id = '2'")
"""
    )
    await migrate(postgres, {"compute": folder, "kit": NOTHING})
    assert sql("SELECT id, name FROM servers") == [("1", "ONE")]


async def test_of_three_programs_at_once_one_migrates(tmp_path: Path, postgres: str) -> None:
    folder = tmp_path / "compute"
    autogenerate("compute", first_tables(), folder, "first")
    moved = await asyncio.gather(*(migrate(postgres, {"compute": folder}) for _ in range(3)))
    assert sorted(moved) == [[], [], ["compute", "kit"]]


async def test_a_failing_migration_leaves_nothing_behind(tmp_path: Path, postgres: str, sql: Sql) -> None:
    folder = tmp_path / "compute"
    written = autogenerate("compute", first_tables(), folder, "first")
    assert written is not None
    sound = written.read_text()
    written.write_text(sound + "    raise RuntimeError('half way')\n")
    with pytest.raises(RuntimeError, match="half way"):
        await migrate(postgres, {"compute": folder, "kit": NOTHING})
    assert columns(sql, "servers") == []
    written.write_text(sound)
    assert await migrate(postgres, {"compute": folder, "kit": NOTHING}) == ["compute"]


async def test_refuses_a_database_from_a_later_version(tmp_path: Path, postgres: str, sql: Sql) -> None:
    folder = tmp_path / "compute"
    autogenerate("compute", first_tables(), folder, "first")
    await migrate(postgres, {"compute": folder, "kit": NOTHING})
    sql("UPDATE alembic_version SET version_num = 'compute_0009'")
    with pytest.raises(BrokenMigration, match="newer than"):
        await migrate(postgres, {"compute": folder, "kit": NOTHING})


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path, postgres_server: Any) -> None:
    with pytest.raises(DatabaseUnavailable, match="nowhere"):
        await migrate(postgres_server.address("nowhere"), {})
    with pytest.raises(DatabaseUnavailable):
        await Database.open(f"postgresql://pileus@/nowhere?host={tmp_path}")
