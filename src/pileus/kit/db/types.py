"""Column types: how a Python value lies in a table, on either engine.

PostgreSQL is told to be as SQLite is: strings of any length compared byte by byte, whole numbers of 64 bits.

Every type accepts what models hold (enums, structs, tuples, aware datetimes) and stores something that sorts and
compares as the value does. Reading back is guided by the struct a statement is decoded to, see `decode.py`.
"""

import datetime as dt
import enum
from collections.abc import Callable
from typing import cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

Encode = Callable[[object], object]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def metadata() -> sa.MetaData:
    """A service's own collection of tables, whose indices and constraints all get a predictable name."""
    return sa.MetaData(naming_convention=NAMING)


def _plain(value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value


def _or_none(encode: Encode) -> Encode:
    return lambda value: None if value is None else encode(value)


def _string(dialect: Dialect, on_sqlite: TypeEngine[str]) -> TypeEngine[str]:
    # In any other collation the order of a list would depend on how the operator made the database.
    return dialect.type_descriptor(sa.String(collation="C") if dialect.name == "postgresql" else on_sqlite)


class Id(TypeDecorator[str]):
    """An identifier: a short opaque string."""

    impl = sa.String(64)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _string(dialect, self.impl_instance)


class Name(TypeDecorator[str]):
    """A name, a state or another short string; an enum member is stored as its value."""

    impl = sa.String(255)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _string(dialect, self.impl_instance)

    def bind_processor(self, dialect: Dialect) -> Encode:
        return _plain


class Text(TypeDecorator[str]):
    """A string of any length; an enum member is stored as its value."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return dialect.type_descriptor(sa.Text(collation="C") if dialect.name == "postgresql" else sa.Text())

    def bind_processor(self, dialect: Dialect) -> Encode:
        return _plain


class Integer(TypeDecorator[int]):
    """A whole number; an enum member is stored as its value."""

    impl = sa.Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        return dialect.type_descriptor(sa.Integer() if dialect.name == "sqlite" else sa.BigInteger())

    def bind_processor(self, dialect: Dialect) -> Encode:
        return _plain


class BigInteger(TypeDecorator[int]):
    """A whole number of up to 64 bits; as a lone primary key it counts up by itself."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        # SQLite counts up only what is declared exactly INTEGER, and any INTEGER there has 64 bits.
        return dialect.type_descriptor(sa.Integer() if dialect.name == "sqlite" else sa.BigInteger())


class Float(TypeDecorator[float]):
    """A floating-point number."""

    impl = sa.Double
    cache_ok = True


class Boolean(TypeDecorator[bool]):
    """True or false."""

    impl = sa.Boolean
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Encode | None:
        return cast(Encode, super().bind_processor(dialect)) if dialect.name == "sqlite" else _or_none(bool)


def _aware(value: object) -> dt.datetime:
    if not isinstance(value, dt.datetime) or value.tzinfo is None:
        raise TypeError(f"a moment must be an aware datetime, not {value!r}")
    return value


def _moment_text(value: object) -> str:
    # Always UTC and always six digits, so that the text sorts as the time does.
    return _aware(value).astimezone(dt.UTC).isoformat(timespec="microseconds")[:26] + "Z"


class Moment(TypeDecorator[dt.datetime]):
    """A point in time, to the microsecond; given and returned as an aware datetime."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[dt.datetime]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(27))  # type: ignore[arg-type]
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def bind_processor(self, dialect: Dialect) -> Encode:
        return _or_none(_moment_text if dialect.name == "sqlite" else _aware)


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


class Json(TypeDecorator[object]):
    """Any value msgspec can encode, kept as JSON text; None is NULL."""

    impl = sa.Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Encode:
        return _or_none(_json_text)
