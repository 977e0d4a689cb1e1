"""A client of an OVSDB database (RFC 7047) that keeps a copy of some tables in memory.

It connects over a unix socket, monitors the tables it was given, and connects again when the server went away; while
it is away, `transact` fails at once. The server sends the changes of a transaction before its answer, so the copy
holds what was written by the time `transact` returns.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pileus.kit.flow.failpoint import failpoint
from pileus.kit.timely import timely
from pileus.network.drivers.interface import DriverError
from pileus.network.drivers.ovn.jsonrpc import Connection, Json, RpcFailed
from pileus.network.drivers.ovn.values import Plain, from_wire

log = logging.getLogger(__name__)

Columns = Mapping[str, Plain]
Changed = Callable[[str, str, Columns | None], None]

_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)


class Ovsdb:
    """One database on one server; `tables` says which columns of which tables are copied."""

    def __init__(
        self, path: Path, database: str, tables: Mapping[str, Sequence[str]], changed: Changed | None = None
    ) -> None:
        self._path = path
        self._database = database
        self._tables = tables
        self._changed = changed
        self._rows: dict[str, dict[str, Columns]] = {table: {} for table in tables}
        self._connection: Connection | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, deadline_s: float = 10.0) -> None:
        """The copy is complete; raises DriverError if the server does not answer in time."""
        if self._task is None:
            self._task = asyncio.create_task(self._stay_connected(), name=f"ovsdb {self._database}")
        await self.wait_ready(deadline_s)

    async def wait_ready(self, deadline_s: float = 10.0) -> None:
        """The copy is complete and the connection stands."""
        try:
            await timely(self._ready.wait(), deadline_s)
        except TimeoutError:
            raise DriverError(f"database {self._database}", f"no answer within {deadline_s:g} s") from None

    async def catch_up(self) -> None:
        """The copy holds what anybody had committed before this was called: the server sends changes before answers."""
        await self.wait_ready()
        try:
            if self._connection is not None:
                await self._connection.call("echo", [])
        except RpcFailed as failed:
            raise DriverError(f"database {self._database}", str(failed)) from failed

    async def stop(self) -> None:
        """No connection and no task is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def rows(self, table: str) -> Mapping[str, Columns]:
        """The copy of a table, by UUID."""
        return self._rows[table]

    async def transact(self, operations: Sequence[Json]) -> list[Json]:
        """All operations happened, or none; raises DriverError with the server's words."""
        if self._connection is None or not self._ready.is_set():
            raise DriverError(f"database {self._database}", "not connected")
        failpoint("ovn.transact", "before")
        try:
            results: list[Json] = await self._connection.call("transact", [self._database, *operations])
        except RpcFailed as failed:
            raise DriverError(f"database {self._database}", str(failed)) from failed
        failpoint("ovn.transact", "after")
        for number, result in enumerate(results):
            if isinstance(result, dict) and result.get("error"):
                about = f" ({operations[number]})" if number < len(operations) else ""
                raise DriverError(
                    f"database {self._database}", f"{result['error']}: {result.get('details', '')}{about}"
                )
        return results

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            try:
                self._connection = await Connection.open(self._path, self._notified)
                await self._monitor(self._connection)
                failures = 0
                self._ready.set()
                await self._connection.closed.wait()
                log.warning("database connection lost", extra={"database": self._database})
            except (OSError, RpcFailed) as failed:
                if failures == len(_RETRY_S):
                    log.warning("database not reachable", extra={"database": self._database, "why": str(failed)})
                failures += 1
            except Exception:
                # Whatever the server said (a row of a table we did not ask for, say): the copy is taken anew.
                log.exception("database cannot be followed", extra={"database": self._database})
                failures += 1
            finally:
                self._ready.clear()
                if self._connection is not None:
                    await self._connection.close()
                    self._connection = None
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])

    async def _monitor(self, connection: Connection) -> None:
        wishes = {table: [{"columns": list(columns)}] for table, columns in self._tables.items()}
        everything = await connection.call("monitor", [self._database, None, wishes])
        before, self._rows = self._rows, {table: {} for table in self._tables}
        for table, rows in before.items():
            for uuid in rows.keys() - everything.get(table, {}).keys():
                self._tell(table, uuid, None)
        self._take(everything)

    def _notified(self, method: str, params: list[Json]) -> None:
        if method == "update":
            self._take(params[1])

    def _take(self, updates: Json) -> None:
        for table, rows in updates.items():
            for uuid, change in rows.items():
                new = change.get("new")
                if new is None:
                    self._rows[table].pop(uuid, None)
                    self._tell(table, uuid, None)
                else:
                    columns = {name: from_wire(value) for name, value in new.items()}
                    self._rows[table][uuid] = columns
                    self._tell(table, uuid, columns)

    def _tell(self, table: str, uuid: str, columns: Columns | None) -> None:
        if self._changed is not None:
            self._changed(table, uuid, columns)
