"""From rows to values: one decoder per statement, made once.

A row becomes a struct by position, and only the columns whose stored form differs from the field's type pass through
a converter. A struct that does not fit the columns is refused when the statement is first used, with the names.
"""

import datetime as dt
import enum
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from operator import itemgetter

import msgspec
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from pileus.kit.db.types import Json

Row = tuple[object, ...]
Convert = Callable[[object], object]
Column = tuple[str, TypeEngine[object]]

_SCALARS = (str, int, float, bytes)


def _bare(wanted: object) -> object:
    """The type without `| None`, `Annotated` and the like."""
    if typing.get_origin(wanted) is typing.Annotated:
        return _bare(typing.get_args(wanted)[0])
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        rest = [arm for arm in typing.get_args(wanted) if arm is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else wanted
    return wanted


def _moment(value: object) -> object:
    return dt.datetime.fromisoformat(value) if isinstance(value, str) else value


def _json(wanted: object) -> Convert:
    decode = msgspec.json.Decoder(typing.cast(type[object], wanted)).decode
    return typing.cast(Convert, decode)


def converter(stored: TypeEngine[object], wanted: object) -> Convert | None:
    """What turns a stored value that is not NULL into the wanted type; None when it is that already."""
    if isinstance(stored, Json):
        return _json(wanted)
    bare = _bare(wanted)
    origin = typing.get_origin(bare) or bare
    if origin is dt.datetime:
        return _moment
    if origin is bool or isinstance(stored, sa.Boolean):
        return bool
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return {member.value: member for member in origin}.__getitem__
    if isinstance(origin, type) and issubclass(origin, (list, tuple, dict, set, frozenset, msgspec.Struct)):
        return _json(bare)
    if isinstance(origin, type) and issubclass(origin, _SCALARS) and origin not in _SCALARS:
        return origin
    return None


def row_decoder(columns: Sequence[Column], wanted: object) -> Callable[[Row], object]:
    """What turns a row with these columns into a struct, a tuple or a single value."""
    bare = _bare(wanted)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return _struct_decoder(columns, bare)
    if typing.get_origin(bare) is tuple:
        return _tuple_decoder(columns, typing.get_args(bare))
    if len(columns) != 1:
        raise TypeError(f"{wanted} takes one column, not {[name for name, _ in columns]}")
    convert = converter(columns[0][1], wanted)
    if convert is None:
        return itemgetter(0)
    return lambda row: None if row[0] is None else convert(row[0])


def _tuple_decoder(columns: Sequence[Column], arms: Sequence[object]) -> Callable[[Row], object]:
    if len(arms) != len(columns):
        raise TypeError(f"{len(arms)} types for the columns {[name for name, _ in columns]}")
    converts = _converts([converter(stored, arm) for (_, stored), arm in zip(columns, arms, strict=True)])
    # Drivers have row types of their own.
    return (lambda row: tuple(_converted(row, converts))) if converts else tuple


def _converts(all_of_them: Sequence[Convert | None]) -> tuple[tuple[int, Convert], ...]:
    return tuple((index, convert) for index, convert in enumerate(all_of_them) if convert is not None)


def _converted(row: Sequence[object], converts: Sequence[tuple[int, Convert]]) -> list[object]:
    values = list(row)
    for index, convert in converts:
        if values[index] is not None:
            values[index] = convert(values[index])
    return values


def _struct_decoder(columns: Sequence[Column], struct: type[msgspec.Struct]) -> Callable[[Row], object]:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    names = [name for name, _ in columns]
    surplus = [name for name in names if name not in fields]
    missing = [field.name for field in fields.values() if field.required and field.name not in names]
    if surplus or missing or len(set(names)) != len(names):
        raise TypeError(f"{struct.__name__} does not fit the columns: not fields {surplus}, not selected {missing}")
    make = typing.cast(Callable[..., object], struct)
    # By position only when the columns are the struct's first fields and the struct takes them so.
    takes = [arg.name for arg in inspect.signature(struct).parameters.values() if arg.kind is not arg.KEYWORD_ONLY]
    if set(takes[: len(names)]) != set(names):
        return _by_name(columns, fields, make)
    order = [names.index(name) for name in takes[: len(names)]]
    converts = _converts([converter(columns[at][1], fields[names[at]].type) for at in order])
    if order == list(range(len(order))):
        return (lambda row: make(*_converted(row, converts))) if converts else (lambda row: make(*row))
    reorder = itemgetter(*order)
    return lambda row: make(*_converted(reorder(row), converts))


def _by_name(
    columns: Sequence[Column], fields: typing.Mapping[str, msgspec.structs.FieldInfo], make: Callable[..., object]
) -> Callable[[Row], object]:
    names = [name for name, _ in columns]
    converts = _converts([converter(stored, fields[name].type) for name, stored in columns])
    return lambda row: make(**dict(zip(names, _converted(row, converts), strict=True)))
