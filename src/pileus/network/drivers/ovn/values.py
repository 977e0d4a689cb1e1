"""Rows and values of an OVSDB database, in Python and on the wire (RFC 7047 section 5.1).

A wanted `Row` names others by `Ref` (table and key), because a row not yet there has no UUID. For comparison every
value becomes a frozenset of atoms or a dict: the database itself writes a set of one as the bare atom.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from pileus.network.drivers.ovn.jsonrpc import Json

MARK = "pileus"


class Ref(NamedTuple):
    """Another wanted row."""

    table: str
    key: str


class Uuid(NamedTuple):
    """A row that is in the database."""

    text: str


class Named(NamedTuple):
    """A row this very transaction inserts."""

    name: str


Atom = str | int | float | bool | Ref | Uuid | Named
Value = Atom | tuple[Atom, ...] | Mapping[str, str] | Mapping[str, int]
Plain = frozenset[Atom] | dict[Atom, Atom]


class Row(msgspec.Struct, frozen=True):
    """A row that should be there. `key` is ours, unique in its table, and kept in external_ids under MARK."""

    table: str
    key: str
    columns: dict[str, Value]

    @property
    def ref(self) -> Ref:
        """How other rows name this one."""
        return Ref(self.table, self.key)


def row(table: str, key: str, columns: Mapping[str, Value], **external_ids: str) -> Row:
    """A row with our mark in its external_ids."""
    return Row(table, key, {**columns, "external_ids": {MARK: key, **external_ids}})


def plain(value: Value, resolve: Callable[[Ref], Atom]) -> Plain:
    """A wanted value as it is compared and sent."""
    if isinstance(value, Mapping):
        return dict(value.items())
    if isinstance(value, tuple) and not isinstance(value, Ref | Uuid | Named):
        return frozenset(_resolved(atom, resolve) for atom in value)
    return frozenset((_resolved(value, resolve),))


def _resolved(atom: Atom, resolve: Callable[[Ref], Atom]) -> Atom:
    return resolve(atom) if isinstance(atom, Ref) else atom


def from_wire(value: Json) -> Plain:
    """A value the database sent."""
    if isinstance(value, list):
        kind, body = value
        if kind == "set":
            return frozenset(_atom(item) for item in body)
        if kind == "map":
            return {_atom(key): _atom(item) for key, item in body}
    return frozenset((_atom(value),))


def _atom(value: Json) -> Atom:
    if isinstance(value, list):
        return Uuid(value[1])
    atom: Atom = value
    return atom


def to_wire(value: Plain) -> Json:
    """A value as the database reads it; sets and maps are sorted so that the same wish is the same text."""
    if isinstance(value, dict):
        return ["map", sorted([_wire_atom(key), _wire_atom(item)] for key, item in value.items())]
    atoms = [_wire_atom(atom) for atom in value]
    return atoms[0] if len(atoms) == 1 else ["set", sorted(atoms, key=str)]


def _wire_atom(atom: Atom) -> Json:
    match atom:
        case Uuid(text):
            return ["uuid", text]
        case Named(name):
            return ["named-uuid", name]
        case _:
            return atom
