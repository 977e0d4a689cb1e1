"""A real PostgreSQL for tests: started when first asked for, as an unprivileged user in a folder of its own.

Nothing of it outlives the test run: the kernel stops the server when the run dies, however it dies. It listens on a unix
socket only and never syncs, so that a fresh database costs a few hundredths of a second.
"""

import atexit
import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from pileus.kit.db import Database
from pileus.kit.db.migrate import create_all

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
START_S = 30.0
UNSAFE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
MODEST = (
    "shared_buffers=64MB",
    "max_connections=200",
    "autovacuum=off",
    "listen_addresses=",
    "unix_socket_permissions=0777",
)

TABLES = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
USES = 100  # of one database, which nobody vacuums
# A third of what another copy costs. Nobody else is connected then, and numbers begin at 1 again.
EMPTY = """
DO $$
DECLARE
    one text;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;  -- in any order, whatever refers to what
    FOR one IN SELECT oid::regclass FROM pg_class
      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 LOOP
        EXECUTE 'DELETE FROM ' || one;
    END LOOP;
    FOR one IN SELECT format('%I', sequencename) FROM pg_sequences WHERE last_value IS NOT NULL LOOP
        EXECUTE 'ALTER SEQUENCE ' || one || ' RESTART';
    END LOOP;
END $$
"""


def is_installed() -> bool:
    """Whether this machine has PostgreSQL's programs."""
    return (PROGRAMS / "postgres").exists()


class Server:
    """A running PostgreSQL with its data in a temporary folder."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="pg-", dir=None if durable or not Path("/dev/shm").is_dir() else "/dev/shm")
        )
        self._durable = durable
        self._names = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            if os.geteuid() == 0:
                os.chown(self.folder, _user().pw_uid, _user().pw_gid)
            self.folder.chmod(0o755)
            options = ["--auth=trust", "--username=pileus", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
            self._run("initdb", f"--pgdata={self.folder}/data", *options)
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """The server answers."""
        settings = [f"--{setting}" for setting in (*MODEST, *(() if self._durable else UNSAFE))]
        argv = [str(PROGRAMS / "postgres"), "-D", f"{self.folder}/data", "-k", str(self.folder), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                # The kernel tells the server to stop when the test run is gone.
                ["setpriv", "--pdeathsig=INT", *_as_user(), *argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)  # there is nothing to wait on but the socket

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """The server has ended: at once and cleanly (SIGINT), or as in a crash (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_S)
            self._process = None

    def close(self) -> None:
        """The server and its data are gone."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def address(self, name: str = "postgres") -> str:
        """Where a database of this server is found."""
        return f"postgresql://pileus@/{name}?host={self.folder}"

    def fresh(self, template: str = "template0") -> str:
        """Return the address of a new database, empty or a copy of another."""
        name = f"t{next(self._names)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.address(name)

    def drop(self, address: str) -> None:
        """The database is gone, whoever still uses it."""
        self.sql(f"DROP DATABASE IF EXISTS {_name(address)} WITH (FORCE)")

    def sql(self, text: str, address: str | None = None) -> list[tuple[str, ...]]:
        """Run one statement as a stranger would, and return its rows as text."""
        argv = ["-h", str(self.folder), "-U", "pileus", "-d", _name(address or self.address()), "-XAtqc", text]
        found = subprocess.run([str(PROGRAMS / "psql"), *argv], check=True, capture_output=True, text=True).stdout
        return [tuple(line.split("|")) for line in found.splitlines()]

    def held(self, address: str) -> str:
        """Who is connected, what each does, and what each holds or waits for; for what a failed test says."""
        sessions = "SELECT pid, state, wait_event, now() - state_change, query FROM pg_stat_activity WHERE datname = current_database()"
        locks = "SELECT pid, locktype, mode, granted FROM pg_locks WHERE locktype IN ('advisory', 'transactionid')"
        return "\n".join("|".join(row) for text in (sessions, locks) for row in self.sql(text, address))

    def _answers(self) -> bool:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as trying:
            try:
                trying.connect(str(self.folder / ".s.PGSQL.5432"))
            except OSError:
                return False
        ready = [str(PROGRAMS / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *args: str) -> None:
        argv = ["setpriv", *_as_user(), str(PROGRAMS / program), *args]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


def _name(address: str) -> str:
    return address.partition("@/")[2].partition("?")[0]


def _user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root, and there is no other user")


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    return [f"--reuid={_user().pw_uid}", f"--regid={_user().pw_gid}", "--clear-groups"]


_running: list[Server] = []
_opened: list[tuple[Database, str, tuple[sa.MetaData, ...]]] = []
_wanted: list[str] = []
_templates: dict[tuple[sa.MetaData, ...], str] = {}
_emptied: dict[tuple[sa.MetaData, ...], list[str]] = {}
_uses: dict[str, int] = {}


def prefer(database: str) -> None:
    """From now on `open_empty` opens databases of this kind: `sqlite` or `postgresql`."""
    _wanted[:] = [database]


async def open_empty() -> Database:
    """An empty database of the kind this run of the tests is for (`--database`), closed when the test has ended."""
    return await _open(server().fresh() if _wanted == ["postgresql"] else ":memory:", ())


async def open_with(*tables: sa.MetaData) -> Database:
    """Likewise, with these tables. PostgreSQL makes them once, copies the files, and empties the copies for other tests."""
    if _wanted != ["postgresql"]:
        db = await open_empty()
        await create_all(db, *tables)
        return db
    if tables not in _templates:
        address = server().fresh()
        template = await Database.open(address)
        await create_all(template, *tables)
        await template.close()
        _templates[tables] = _name(address)
    ready = _emptied.setdefault(tables, [])
    return await _open(ready.pop() if ready else server().fresh(_templates[tables]), tables)


async def _open(address: str, tables: tuple[sa.MetaData, ...]) -> Database:
    db = await Database.open(address)
    _opened.append((db, address, tables))
    return db


async def close_opened() -> None:
    """No database that `open_empty` or `open_with` has opened is open, and none holds a row."""
    while _opened:
        db, address, tables = _opened.pop()
        await db.close()
        if address == ":memory:":
            continue
        _uses[address] = _uses.get(address, 0) + 1
        if tables and _uses[address] < USES and await _empty(address, sum(len(each.tables) for each in tables)):
            _emptied[tables].append(address)
        else:
            server().drop(address)


async def _empty(address: str, tables: int) -> bool:
    """Whether the database is as it was copied; not if somebody made more tables."""
    connection = await asyncpg.connect(address)
    try:
        if await connection.fetchval(TABLES) != tables:
            return False
        await connection.execute(EMPTY)
        return True
    finally:
        await connection.close()


def server() -> Server:
    """The server that all tests of this process share."""
    if not _running:
        _running.append(Server())
        atexit.register(_running[0].close)
    return _running[0]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def fresh_database(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """The test runs once on either engine; each call returns the address of another empty database."""
    if request.param == "sqlite":
        yield lambda: ":memory:"
        return
    with _databases() as fresh:
        yield fresh


@pytest.fixture
def database(fresh_database: Callable[[], str]) -> str:
    """The address of an empty database; the test runs once on either engine."""
    return fresh_database()


@pytest.fixture
def postgres_server() -> Server:
    """The server itself, for tests that look at it from outside."""
    if not is_installed():
        pytest.skip("PostgreSQL is not installed")
    return server()


@pytest.fixture
def own_postgres_server() -> Iterator[Server]:
    """A server that the test may stop and start, and whose commits reach the disk."""
    if not is_installed():
        pytest.skip("PostgreSQL is not installed")
    own = Server(durable=True)
    yield own
    own.close()


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of an empty PostgreSQL database; such tests are marked `postgres`."""
    with _databases() as fresh:
        yield fresh()


@contextlib.contextmanager
def _databases() -> Iterator[Callable[[], str]]:
    if not is_installed():
        pytest.skip("PostgreSQL is not installed")
    made: list[str] = []

    def fresh() -> str:
        made.append(server().fresh())
        return made[-1]

    try:
        yield fresh
    finally:
        for address in made:
            server().drop(address)
