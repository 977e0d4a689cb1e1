"""What PostgreSQL and its driver report, in the package's own words."""

import re

import asyncpg

from pileus.kit.db.errors import (
    BadText,
    CheckViolation,
    DatabaseBusy,
    DatabaseFull,
    DatabaseUnavailable,
    ForeignKeyViolation,
    UniqueViolation,
)

DRIVER_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_KEY = re.compile(r"\((.+?)\)=\(")
# 08 connection, 53 out of something, 57 shut down or cancelled, 58 system error; then: idle too long inside a
# transaction, a standby that only reads.
_AWAY = ("08", "53", "57", "58", "25P03", "25006")
_BUSY = ("55P03", "40001", "40P01")
_TEXT = ("22021", "22P05", "2201B")


def translated(failed: BaseException, *, closed: bool = False) -> BaseException:
    """The driver's error as one of ours; the error itself when it is a mistake in our own SQL."""
    if isinstance(failed, asyncpg.PostgresError):
        return _refused(failed)
    if isinstance(failed, (OSError, TimeoutError)):
        return DatabaseUnavailable(why=str(failed) or "it does not answer")
    if isinstance(failed, asyncpg.DataError):  # the driver's own: a value it cannot send as the column's type
        return CheckViolation(why=str(failed))
    if isinstance(failed, (asyncpg.InterfaceError, asyncpg.InternalClientError)) and closed:
        # What the driver says of its own states then is for nobody who asks the cloud for something.
        return DatabaseUnavailable(why="its connection broke")
    return failed


def _refused(failed: asyncpg.PostgresError) -> BaseException:
    state = failed.sqlstate or ""
    if state == "23505":
        return UniqueViolation(failed.table_name or "", _columns(failed.detail or ""))
    if state == "23503":
        return ForeignKeyViolation()
    if state.startswith(_TEXT):
        return BadText(why=str(failed))
    if state.startswith(("22", "23")):
        return CheckViolation(why=str(failed))
    if state in _BUSY:
        return DatabaseBusy(why=str(failed))
    if state == "53100":
        return DatabaseFull(why=str(failed))
    # Tables have changed under a prepared statement: the driver has already forgotten it.
    changed = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
    if state.startswith(_AWAY) or isinstance(failed, changed):
        return DatabaseUnavailable(why=str(failed))
    own: BaseException = failed
    return own


def _columns(detail: str) -> tuple[str, ...]:
    """The columns of `Key (project, name)=(p, same) already exists.`, in whatever language the server speaks."""
    found = _KEY.search(detail)
    return tuple(name.strip().strip('"') for name in found[1].split(",")) if found else ()


def is_lost(ours: BaseException) -> bool:
    """Whether the connection is gone, and another one may do."""
    return isinstance(ours, DatabaseUnavailable) and not isinstance(ours, (DatabaseBusy, DatabaseFull))
