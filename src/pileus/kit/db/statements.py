"""Statements: module constants that are compiled to text once per dialect and then only bound and run.

`query(select(...), Struct)` reads, `command(insert(...))` writes. Building and compiling an expression costs ten times
what running it does, so nothing of SQLAlchemy is left on the path of a request but the text it made.
An insert or update without `.values()` is *open*: the names given when it is run decide which columns are set.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.schema import CallableColumnDefault, ScalarElementColumnDefault

from pileus.kit.db.decode import Row, row_decoder
from pileus.kit.db.types import Encode

T = TypeVar("T")
Expression = sa.SelectBase | UpdateBase | sa.TextClause
Params = Mapping[str, object]


class Prepared:
    """One statement in the words of one engine, and how to lay out its parameters."""

    __slots__ = ("_encoders", "_fills", "_known", "_names", "text")

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        expanding = {key for key, bind in compiled.binds.items() if bind.expanding}
        self.text = _one_text_for_any_length(compiled.string, expanding)
        self._names = tuple(compiled.positiontup or ())
        self._fills = _fills(compiled)
        self._known = frozenset(self._names)
        self._encoders = tuple(
            (at, encode)
            for at, name in enumerate(self._names)
            if (encode := _encoder(compiled.binds[name], dialect)) is not None
        )

    def bind(self, params: Params) -> list[object]:
        """The parameters as the driver takes them; raises TypeError on a name too few or too many."""
        try:
            values = [params[name] for name in self._names]
        except KeyError:
            values = [params[name] if name in params else self._fill(name) for name in self._names]
        for at, encode in self._encoders:
            values[at] = encode(values[at])
        if not params.keys() <= self._known:
            raise TypeError(f"unknown parameters {sorted(params.keys() - self._known)} for: {self.text}")
        return values

    def _fill(self, name: str) -> object:
        fill = self._fills.get(name)
        if fill is None:
            raise TypeError(f"parameter {name} is missing for: {self.text}")
        return fill()


def _one_text_for_any_length(text: str, expanding: Iterable[str]) -> str:
    """The text with every `IN (list)` reading its list from one JSON parameter, so that one text serves all lengths."""
    for name in expanding:
        text = text.replace(f"(__[POSTCOMPILE_{name}])", "(SELECT value FROM json_each(?))")
    return text


def _fills(compiled: SQLCompiler) -> dict[str, Callable[[], object]]:
    fills = {name: _always(bind.value) for name, bind in compiled.binds.items() if not bind.required}
    for column in compiled.insert_prefetch or ():
        fills[column.key] = _made_by(column.default)
    for column in compiled.update_prefetch or ():
        fills[column.key] = _made_by(column.onupdate)
    return fills


def _always(value: object) -> Callable[[], object]:
    return lambda: value


def _made_by(default: object) -> Callable[[], object]:
    if isinstance(default, ScalarElementColumnDefault):
        return _always(default.arg)
    if isinstance(default, CallableColumnDefault):
        return lambda: default.arg(None)  # type: ignore[arg-type]
    raise TypeError(f"a column default must be a value or a function, not {default!r}")


def _encoder(bind: sa.BindParameter[object], dialect: Dialect) -> Encode | None:
    encode: Encode | None = bind.type.dialect_impl(dialect).bind_processor(dialect)
    if not bind.expanding:
        return encode
    each = encode or (lambda value: value)
    return lambda values: _json_list([each(value) for value in values])  # type: ignore[attr-defined]


def _json_list(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()


def _is_open(expression: Expression) -> bool:
    if isinstance(expression, sa.Insert):
        return not (expression._values or expression._multi_values or expression.select is not None)  # noqa: SLF001
    if isinstance(expression, sa.Update):
        return not expression._values  # noqa: SLF001 - no public way to ask
    return False


class Command:
    """A statement that changes rows."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self.open = _is_open(expression)
        self._prepared: dict[tuple[str, frozenset[str]], Prepared] = {}

    def prepared(self, dialect: Dialect, params: Params) -> Prepared:
        """The statement in the dialect's words, compiled the first time it is asked for."""
        key = (dialect.name, frozenset(params) if self.open else _NONE)
        found = self._prepared.get(key)
        if found is None:
            found = self._prepared[key] = self._prepare(dialect, params)
        return found

    def _prepare(self, dialect: Dialect, params: Params) -> Prepared:
        return Prepared(self._compile(dialect, params), dialect)

    def _columns_set(self, params: Params) -> list[str]:
        table = self.expression.table  # type: ignore[union-attr]
        bound = {
            element.key for element in sa.sql.visitors.iterate(self.expression) if isinstance(element, sa.BindParameter)
        }
        return [column.key for column in table.c if column.key in params and column.key not in bound]

    def _compile(self, dialect: Dialect, params: Params) -> SQLCompiler:
        columns = self._columns_set(params) if self.open else None
        compiled = self.expression.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)
        return compiled

    def __repr__(self) -> str:
        return f"{type(self).__name__}({' '.join(str(self.expression).split())})"


_NONE: frozenset[str] = frozenset()


class Query(Command, Generic[T]):
    """A statement whose rows are values of one type."""

    def __init__(self, expression: Expression, wanted: type[T]) -> None:
        super().__init__(expression)
        self.wanted = wanted
        self.writes = isinstance(expression, UpdateBase)
        self._decoders: dict[str, Callable[[Row], T]] = {}

    def decoder(self, dialect: Dialect) -> Callable[[Row], T]:
        """What turns a row into the wanted type."""
        return self._decoders[dialect.name]

    def _prepare(self, dialect: Dialect, params: Params) -> Prepared:
        compiled = self._compile(dialect, params)
        columns = [(entry.keyname, entry.type) for entry in compiled._result_columns]  # noqa: SLF001 - as above
        self._decoders[dialect.name] = row_decoder(columns, self.wanted)  # type: ignore[assignment]
        return Prepared(compiled, dialect)


def query(expression: Expression, wanted: type[T]) -> Query[T]:
    """A statement whose rows are read as `wanted`: a struct by column names, `tuple[...]` or one plain type."""
    return Query(expression, wanted)


def scalar(expression: Expression, wanted: type[T]) -> Query[T]:
    """A statement of one column, read as plain values."""
    return Query(expression, wanted)


def command(expression: UpdateBase) -> Command:
    """A statement that inserts, updates or deletes."""
    return Command(expression)


def upsert(table: sa.Table, key: Sequence[str], update: Sequence[str] = ()) -> sa.Insert:
    """An open insert that, where a row with the same key exists, sets `update` from the new row, or does nothing."""
    # PostgreSQL's construct: SQLite's compiler understands it, the reverse is not so.
    insert = postgresql.insert(table)
    if not update:
        return insert.on_conflict_do_nothing(index_elements=key)
    return insert.on_conflict_do_update(index_elements=key, set_={name: insert.excluded[name] for name in update})
