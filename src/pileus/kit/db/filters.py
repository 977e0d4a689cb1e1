"""What a filter may ask of a column: equality and the forms beyond it.

A form is a clause with its values left out, so that one statement serves every request of the same shape. A plain
value means equality, None means NULL, a tuple means all of its parts.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import sqlalchemy as sa

Column = sa.ColumnElement[Any]
Clause = sa.ColumnElement[bool]
Test = Callable[[Column], Clause]
Rule = Column | Callable[[Test], Clause]
Filters = Mapping[str, object]


class Form(msgspec.Struct, frozen=True):
    """One question about a column."""

    def bound(self) -> Iterable[object]:
        """The value to bind, if there is one."""
        return ()

    def compare(self, column: Column, name: str) -> Clause:
        """The clause, its value bound by that name."""
        raise NotImplementedError


class IsNull(Form, frozen=True):
    """Without a value."""

    def compare(self, column: Column, name: str) -> Clause:
        return column.is_(None)


class In(Form, frozen=True):
    """One of these values."""

    values: Collection[object]

    def bound(self) -> Iterable[object]:
        return (list(self.values),)

    def compare(self, column: Column, name: str) -> Clause:
        return column.in_(sa.bindparam(name, expanding=True))


class Equal(Form, frozen=True):
    """This value; a plain value says the same."""

    value: object
    operator: ClassVar[Callable[[Any, Any], Any]] = operator.eq

    def bound(self) -> Iterable[object]:
        return (self.value,)

    def compare(self, column: Column, name: str) -> Clause:
        clause: Clause = type(self).operator(column, sa.bindparam(name))
        return clause


class Gt(Equal, frozen=True):
    """Greater than."""

    operator = operator.gt


class Ge(Equal, frozen=True):
    """Greater or equal."""

    operator = operator.ge


class Lt(Equal, frozen=True):
    """Less than."""

    operator = operator.lt


class Le(Equal, frozen=True):
    """Less or equal."""

    operator = operator.le


class Like(Form, frozen=True, kw_only=True):
    """Text that begins with, ends with or contains another; capitals do not matter."""

    prefix: str | None = None
    suffix: str | None = None
    contains: str | None = None

    def bound(self) -> Iterable[object]:
        if self.contains is not None:
            return (f"%{_escaped(self.contains)}%",)
        return (f"{_escaped(self.prefix or '')}%{_escaped(self.suffix or '')}",)

    def compare(self, column: Column, name: str) -> Clause:
        return column.ilike(sa.bindparam(name, type_=sa.String()), escape="\\")


class Matches(Form, frozen=True):
    """Text in which the regular expression is found."""

    pattern: str

    def bound(self) -> Iterable[object]:
        return (self.pattern,)

    def compare(self, column: Column, name: str) -> Clause:
        return column.regexp_match(sa.bindparam(name, type_=sa.String()))


class Not(msgspec.Struct, frozen=True):
    """Everything else than the form or value given, rows without a value included."""

    value: object


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _form(asked: object) -> Form:
    if isinstance(asked, Form):
        return asked
    return IsNull() if asked is None else Equal(asked)


def shape(asked: object) -> object:
    """What two questions share when one statement answers both."""
    if isinstance(asked, tuple):
        return tuple(shape(part) for part in asked)
    if isinstance(asked, Not):
        return (Not, shape(asked.value))
    return type(_form(asked))


def values(asked: object) -> Iterable[object]:
    """The values to bind, in the order in which `clauses` takes names for them."""
    if isinstance(asked, tuple):
        for part in asked:
            yield from values(part)
    elif isinstance(asked, Not):
        yield from values(asked.value)
    else:
        yield from _form(asked).bound()


def clauses(rule: Rule, asked: object, names: Iterable[str]) -> Sequence[Clause]:
    """The clauses that put the question to the rule's column."""
    if isinstance(asked, tuple):
        return [clause for part in asked for clause in clauses(rule, part, names)]
    if isinstance(asked, Not):
        inner = sa.and_(sa.true(), *clauses(rule, asked.value, names))
        return [sa.func.coalesce(inner, sa.false()).is_(sa.false())]
    form = _form(asked)
    # One name for each value, as `values` yields them; a form without a value takes none.
    name = next(iter(names)) if any(True for _ in form.bound()) else ""
    if isinstance(rule, sa.ColumnElement):
        return [form.compare(rule, name)]
    return [rule(lambda column: form.compare(column, name))]
