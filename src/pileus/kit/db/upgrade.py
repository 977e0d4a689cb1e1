"""Alembic at work: imported only by a start that has migrations to run, and by the tool that writes them.

Each service is a branch of its own (`branch_labels`), its files are named by number and serve both engines; SQLite's
tables are rebuilt in batch mode. Alembic is driven from here; there is no env.py and no alembic.ini.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pileus.kit.db import types
from pileus.kit.db.errors import BrokenMigration
from pileus.kit.db.migrate import revision, versions

if TYPE_CHECKING:
    from pileus.kit.db.bridge import Door

OUR_TYPES = tuple(kind for kind in vars(types).values() if isinstance(kind, type) and kind.__module__ == types.__name__)


@contextmanager
def _connected(path: Path) -> Iterator[sa.Connection]:
    """A connection in one transaction that covers DDL too: the driver's own would commit before each CREATE."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "connect")
    def _by_hand(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def upgrade_sqlite(path: Path, directories: Mapping[str, Path]) -> None:
    """Run every pending migration of the services given, all of them or none; raises BrokenMigration."""
    with _connected(path) as connection:
        _upgrade(connection, directories)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise BrokenMigration(why=f"rows are left that refer to nothing: {[tuple(row) for row in broken[:5]]}")


def upgrade_postgres(door: "Door", directories: Mapping[str, Path]) -> None:
    """Run every pending migration in the transaction that the other side of the door has begun."""
    from pileus.kit.db.bridge import engine

    with engine(door).connect() as connection:
        _upgrade(connection, directories)


def _upgrade(connection: sa.Connection, directories: Mapping[str, Path]) -> None:
    places = [str(directory) for directory in directories.values() if versions(directory)]
    if not places:
        return
    script = ScriptDirectory(str(Path(__file__).parent), version_locations=places)

    ours = {found.revision for found in script.walk_revisions()}

    def steps(applied: Iterable[str], _context: MigrationContext) -> Any:
        # A service that is left out today keeps its tables and its version; Alembic would not know the name.
        known: Any = tuple(name for name in applied if name in ours)
        return script._upgrade_revs("heads", known)  # noqa: SLF001 - Alembic's own commands go this way too

    options = {"fn": steps, "transactional_ddl": True, "render_as_batch": True}
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()


def autogenerate(
    service: str, metadata: sa.MetaData | Sequence[sa.MetaData], directory: Path, name: str
) -> Path | None:
    """Write the migration that brings the service's last one to its tables as declared; None when nothing differs."""
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"{name!r} must be letters, digits and underscores")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "__init__.py").touch()
    done = versions(directory)
    with TemporaryDirectory(prefix="pileus-migrate-") as folder:
        path = Path(folder) / "db"
        upgrade_sqlite(path, {service: directory})
        with _connected(path) as connection:
            body = difference(connection, metadata)
    if body is None:
        return None
    number = len(done) + 1
    written = directory / f"{number:04d}_{name}.py"
    written.write_text(_file(service, number, name, body))
    return written


def difference(connection: sa.Connection, metadata: sa.MetaData | Sequence[sa.MetaData]) -> str | None:
    """The code that brings the tables that are there to those declared; None when nothing differs."""
    options = {
        "target_metadata": metadata,
        "render_as_batch": True,
        "render_item": _render,
        "sqlalchemy_module_prefix": "sa.",
        "alembic_module_prefix": "op.",
        "user_module_prefix": None,
        "compare_type": True,
    }
    context = MigrationContext.configure(connection, opts=options)
    operations = produce_migrations(context, metadata).upgrade_ops  # type: ignore[arg-type]  # a list will do too
    if operations is None or operations.is_empty():
        return None
    return render_python_code(operations, render_as_batch=True, render_item=_render, migration_context=context)


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    if kind == "type" and isinstance(item, OUR_TYPES):
        return f"db.{type(item).__name__}()"
    return False


def _file(service: str, number: int, name: str, body: str) -> str:
    previous = f'"{revision(service, number - 1)}"' if number > 1 else "None"
    labels = "None" if number > 1 else f'("{service}",)'
    lines = [line for line in body.splitlines() if not line.strip().startswith("# ###")]
    code = textwrap.indent(textwrap.dedent("\n".join(lines)).strip(), "    ")
    imports = ["import sqlalchemy as sa"] if "sa." in code else []
    imports.append("from alembic import op")
    if "db." in code:
        imports += ["", "from pileus.kit import db"]
    return "\n".join(
        [
            f'"""{name.replace("_", " ").capitalize()}."""',
            "",
            *imports,
            "",
            f'revision = "{revision(service, number)}"',
            f"down_revision = {previous}",
            f"branch_labels = {labels}",
            "depends_on = None",
            "",
            "",
            "def upgrade() -> None:",
            code,
            "",
        ]
    )
