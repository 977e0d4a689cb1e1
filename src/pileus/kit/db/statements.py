"""Statements: module constants that are compiled to text once per dialect and then only bound and run.

`query(select(...), Struct)` reads, `command(insert(...))` writes. Building and compiling an expression costs ten times
what running it does, so nothing of SQLAlchemy is left on the path of a request but the text it made.
An insert or update without `.values()` is *open*: the names given when it is run decide which columns are set.
"""

import re
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

    __slots__ = ("_encoders", "_fills", "_known", "_names", "refusable", "text")

    def __init__(self, compiled: SQLCompiler, dialect: Dialect, *, refusable: bool) -> None:
        self.refusable = refusable
        self.text, self._names = _LAYOUTS[dialect.name](compiled)
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


# One text serves `IN` lists of all lengths: SQLite reads the list from one JSON parameter, PostgreSQL takes an array.


def _sqlite_layout(compiled: SQLCompiler) -> tuple[str, tuple[str, ...]]:
    text = compiled.string
    for name in _expanding(compiled):
        text = text.replace(f"(__[POSTCOMPILE_{name}])", "(SELECT value FROM json_each(?))")
    return text, tuple(compiled.positiontup or ())


def _postgresql_layout(compiled: SQLCompiler) -> tuple[str, tuple[str, ...]]:
    text, lists = compiled.string, _expanding(compiled)
    # The compiler has numbered all but the lists.
    names = [name for name in compiled.positiontup or () if name not in lists]
    for name in lists:
        names.append(name)
        for word, test in ((" NOT IN ", " != ALL "), (" IN ", " = ANY ")):
            text = text.replace(f"{word}(__[POSTCOMPILE_{name}])", f"{test}(${len(names)})")
    # `x IS value`, which SQLite knows, is told to PostgreSQL in its own words.
    text = _IS_NOT.sub(r" IS DISTINCT FROM \1", text)
    return _IS.sub(r" IS NOT DISTINCT FROM \1", text), tuple(names)


_IS_NOT, _IS = re.compile(r" IS NOT (\$|\()"), re.compile(r" IS (\$|\()")
_LAYOUTS = {"sqlite": _sqlite_layout, "postgresql": _postgresql_layout}


def _expanding(compiled: SQLCompiler) -> list[str]:
    return [key for key, bind in compiled.binds.items() if bind.expanding]


def _may_be_refused(expression: Expression, names: Iterable[str]) -> bool:
    """Whether a constraint may refuse the statement; an update that sets only plain columns is never refused."""
    if not isinstance(expression, sa.Update) or not isinstance(expression.table, sa.Table):
        return True
    table = expression.table
    keys = {column.key for column in table.primary_key} | {key.parent.key for key in table.foreign_keys}
    keys |= {
        column.key for made in table.constraints if isinstance(made, sa.UniqueConstraint) for column in made.columns
    }
    keys |= {column.key for index in table.indexes if index.unique for column in index.columns}
    # The condition of a partial unique index may be what changes: then any column may count.
    partial = any(index.unique and index.dialect_kwargs for index in table.indexes)
    return partial or not keys.isdisjoint(names)


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
    listed = _json_list if dialect.name == "sqlite" else _itself
    return lambda values: listed([each(value) for value in values])  # type: ignore[attr-defined]


def _json_list(values: Sequence[object]) -> object:
    return msgspec.json.encode(values).decode()


def _itself(values: Sequence[object]) -> object:
    return values


def _is_open(expression: Expression) -> bool:
    if isinstance(expression, sa.Insert):
        return not (expression._values or expression._multi_values or expression.select is not None)  # noqa: SLF001
    if isinstance(expression, sa.Update):
        return not expression._values  # noqa: SLF001 - no public way to ask
    return False


def _names_set(expression: Expression) -> list[str]:
    values = getattr(expression, "_values", None) or {}
    return [str(getattr(column, "key", column)) for column in values]


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
        return self._laid_out(self._compile(dialect, params), dialect, params)

    def _laid_out(self, compiled: SQLCompiler, dialect: Dialect, params: Params) -> Prepared:
        expression = self.expression
        named = self._columns_set(params) if self.open else _names_set(expression)
        return Prepared(compiled, dialect, refusable=_may_be_refused(expression, named))

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
        return self._laid_out(compiled, dialect, params)


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
