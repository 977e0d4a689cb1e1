"""Migrations: what is pending runs once, all or nothing, and an up-to-date start never loads Alembic."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, MetaData, Table, UniqueConstraint

from pileus.kit.db import Boolean, BrokenMigration, Database, Id, Json, Moment, Name, command, metadata, migrate
from pileus.kit.db.upgrade import autogenerate

NOTHING = Path("/none")  # in place of the kit's own migrations


def first_tables() -> MetaData:
    tables = metadata()
    Table("servers", tables, Column("id", Id, primary_key=True), Column("name", Name, nullable=False, index=True))
    return tables


def second_tables() -> MetaData:
    tables = metadata()
    Table(
        "servers",
        tables,
        Column("id", Id, primary_key=True),
        Column("name", Name, index=True),
        Column("born", Moment),
        Column("on", Boolean),
        Column("tags", Json),
        UniqueConstraint("name", "born"),
    )
    Table("disks", tables, Column("id", Id, primary_key=True), Column("server_id", Id, ForeignKey("servers.id")))
    return tables


def columns(path: Path, table: str) -> list[str]:
    with sqlite3.connect(path) as connection:
        found = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    connection.close()
    return found


async def test_runs_what_is_pending_and_then_nothing(tmp_path: Path) -> None:
    folder, path = tmp_path / "compute", tmp_path / "db"
    assert autogenerate("compute", first_tables(), folder, "first") == folder / "0001_first.py"
    assert await migrate(path, {"compute": folder, "kit": NOTHING}) == ["compute"]
    assert await migrate(path, {"compute": folder, "kit": NOTHING}) == []
    assert columns(path, "servers") == ["id", "name"]


async def test_a_later_migration_keeps_the_rows(tmp_path: Path) -> None:
    folder, path = tmp_path / "compute", tmp_path / "db"
    autogenerate("compute", first_tables(), folder, "first")
    await migrate(path, {"compute": folder, "kit": NOTHING})
    db = await Database.open(path)
    await db.run(command(first_tables().tables["servers"].insert()), id="1", name="one")
    await db.close()
    assert autogenerate("compute", second_tables(), folder, "more") == folder / "0002_more.py"
    assert autogenerate("compute", second_tables(), folder, "nothing") is None
    assert await migrate(path, {"compute": folder, "kit": NOTHING}) == ["compute"]
    assert columns(path, "servers") == ["id", "name", "born", "on", "tags"]
    assert columns(path, "disks") == ["id", "server_id"]
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT id, name FROM servers").fetchall() == [("1", "one")]
    connection.close()


async def test_services_move_independently(tmp_path: Path) -> None:
    path = tmp_path / "db"
    one, other = tmp_path / "compute", tmp_path / "block_storage"
    disks = metadata()
    Table("volumes", disks, Column("id", Id, primary_key=True))
    autogenerate("compute", first_tables(), one, "first")
    assert await migrate(path, {"compute": one, "kit": NOTHING}) == ["compute"]
    autogenerate("block_storage", disks, other, "first")
    assert await migrate(path, {"compute": one, "block_storage": other, "kit": NOTHING}) == ["block_storage"]
    autogenerate("compute", second_tables(), one, "more")
    assert await migrate(path, {"compute": one, "kit": NOTHING}) == [
        "compute"
    ]  # block_storage is left out and not lost
    assert await migrate(path, {"compute": one, "block_storage": other, "kit": NOTHING}) == []


async def test_a_failing_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    folder, path = tmp_path / "compute", tmp_path / "db"
    written = autogenerate("compute", first_tables(), folder, "first")
    assert written is not None
    written.write_text(written.read_text() + "    raise RuntimeError('half way')\n")
    with pytest.raises(RuntimeError, match="half way"):
        await migrate(path, {"compute": folder, "kit": NOTHING})
    assert columns(path, "servers") == []


async def test_refuses_a_database_from_a_later_version(tmp_path: Path) -> None:
    folder, path = tmp_path / "compute", tmp_path / "db"
    autogenerate("compute", first_tables(), folder, "first")
    await migrate(path, {"compute": folder, "kit": NOTHING})
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'compute_0009'")
    connection.close()
    with pytest.raises(BrokenMigration, match="newer than"):
        await migrate(path, {"compute": folder, "kit": NOTHING})


async def test_refuses_a_gap_in_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "0002_second.py").touch()
    with pytest.raises(ValueError, match="without gap"):
        await migrate(tmp_path / "db", {"compute": tmp_path})


async def test_an_up_to_date_start_does_not_import_alembic(tmp_path: Path) -> None:
    folder, path = tmp_path / "compute", tmp_path / "db"
    autogenerate("compute", first_tables(), folder, "first")
    await migrate(path, {"compute": folder, "kit": NOTHING})
    program = (
        "import asyncio, sys; from pileus.kit.db import migrate\n"
        f"assert asyncio.run(migrate({str(path)!r}, {{'compute': {str(folder)!r}, 'kit': '/none'}})) == []\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(sys.path)})


async def test_the_kit_is_migrated_without_being_named(tmp_path: Path) -> None:
    assert "kit" in await migrate(tmp_path / "db", {})
    assert await migrate(tmp_path / "db", {}) == []
