"""Bring a database's tables up to date: each service's numbered migrations, run by Alembic as one branch each.

Whether anything is to be done is told by file names and one row per service, so Alembic (a third of a second, 39 MB)
is imported only by the start that needs it. All that is pending runs in one transaction: all of it or nothing.
"""

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from importlib import resources
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from pileus.kit.db.database import Database, is_postgres, sqlite_path
from pileus.kit.db.errors import BrokenMigration
from pileus.kit.db.statements import Command

VERSION_FILE = re.compile(r"(\d{4})_\w+\.py")
KIT = "kit"


def revision(service: str, number: int) -> str:
    """The name of a service's migration in the table of versions."""
    return f"{service}_{number:04d}"


def versions(directory: Path) -> list[tuple[int, Path]]:
    """A service's migrations in order; raises ValueError where the numbers have a gap or a double."""
    found = sorted(
        (int(match[1]), path) for path in directory.glob("*.py") if (match := VERSION_FILE.fullmatch(path.name))
    )
    if [number for number, _ in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations in {directory} must be numbered 0001, 0002 … without gap or double")
    return found


def directory_of(place: str | Path) -> Path:
    """The folder of migrations a package name or path stands for."""
    if isinstance(place, Path) or "/" in place:
        return Path(place)
    return Path(str(resources.files(place)))


def pending(applied: Collection[str], directories: Mapping[str, Path]) -> dict[str, int]:
    """For each service that is behind, the number of its newest migration; raises BrokenMigration if it is ahead."""
    newest = {service: len(versions(directory)) for service, directory in directories.items()}
    for name in applied:
        service, _, number = name.rpartition("_")
        if service in newest and int(number) > newest[service]:
            raise BrokenMigration(why=f"its {service} tables are of version {number}, newer than this program")
    return {service: last for service, last in newest.items() if last and revision(service, last) not in applied}


def _applied(path: Path) -> set[str]:
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return set()
        return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}


def outdated(path: Path, places: Mapping[str, str | Path]) -> bool:
    """Whether an SQLite database wants `migrate`; raises BrokenMigration if it is newer than this program."""
    return bool(pending(_applied(path), _directories(places)))


def _directories(places: Mapping[str, str | Path]) -> dict[str, Path]:
    """The folders of migrations, the kit's own included."""
    directories = {service: directory_of(place) for service, place in places.items()}
    kit = Path(__file__).parent.parent / "migrations"
    if kit.is_dir():
        directories.setdefault(KIT, kit)
    return directories


async def migrate(address: str | Path, places: Mapping[str, str | Path]) -> list[str]:
    """Run what is pending for the services named and the kit; returns the names of the services that moved.

    On PostgreSQL several programs may call this at once: one does the work, the others find it done.
    """
    directories = _directories(places)
    if is_postgres(address):
        return await _migrate_postgres(str(address), directories)
    path = sqlite_path(address)
    behind = pending(_applied(path), directories)
    if behind:
        from pileus.kit.db import upgrade

        await asyncio.to_thread(upgrade.upgrade_sqlite, path, directories)
    return sorted(behind)


async def _migrate_postgres(address: str, directories: Mapping[str, Path]) -> list[str]:
    from pileus.kit.db import pool, postgres

    connection = await pool.connect(address, answer_s=None)
    with contextlib.ExitStack() as ending:
        ending.callback(connection.terminate)  # undoes what was not committed
        with postgres.translating(connection):
            # Others migrate before us: wait for them however long it takes, and keep all writers away meanwhile.
            await connection.execute(
                "BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
            )
            await connection.execute(f"SELECT pg_advisory_xact_lock({postgres.WRITERS_LOCK})")
            known = await connection.fetch("SELECT to_regclass('alembic_version') IS NOT NULL")
            rows = await connection.fetch("SELECT version_num FROM alembic_version") if known[0][0] else []
        behind = pending({str(row[0]) for row in rows}, directories)
        if behind:
            from pileus.kit.db import bridge, upgrade

            door = bridge.Door(asyncio.get_running_loop(), connection)
            await asyncio.to_thread(upgrade.upgrade_postgres, door, directories)
        with postgres.translating(connection):
            await connection.execute("COMMIT")
        ending.pop_all()
    await connection.close()
    return sorted(behind)


_ddl: dict[tuple[int, str], tuple[sa.MetaData, list[Command]]] = {}


async def create_all(db: Database, *metadatas: sa.MetaData) -> None:
    """Create the tables as they are declared now, without migrations; for tests."""
    async with db.transaction():
        for tables in metadatas:
            for statement in _ddl_of(db, tables):
                await db.run(statement)


def _ddl_of(db: Database, tables: sa.MetaData) -> list[Command]:
    dialect = db.engine.dialect
    known = _ddl.get((id(tables), dialect.name))
    if known is None:
        texts = []
        for table in tables.sorted_tables:
            texts.append(str(CreateTable(table).compile(dialect=dialect)))
            texts.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
        # Kept as they are compiled: most tests begin by making the same hundred tables and indexes.
        known = _ddl[id(tables), dialect.name] = (tables, [Command(sa.text(text)) for text in texts])
    return known[1]
