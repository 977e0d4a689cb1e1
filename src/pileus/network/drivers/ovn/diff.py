"""The difference between the rows that are there and the rows that are wanted, as operations of one transaction.

Only rows that carry our mark are ours; all others are left alone. Of our rows, only the columns we render are compared,
since OVN writes some columns (`up`, tunnel keys) itself. After the operations are applied the difference is empty.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pileus.network.drivers.interface import Changes
from pileus.network.drivers.ovn.jsonrpc import Json
from pileus.network.drivers.ovn.ovsdb import Columns
from pileus.network.drivers.ovn.values import MARK, Atom, Named, Plain, Ref, Row, Uuid, plain, to_wire

Present = Mapping[str, Mapping[str, Columns]]


class Difference(msgspec.Struct, frozen=True):
    """Operations that make the database as wanted, and what they come to."""

    operations: tuple[Json, ...]
    changes: Changes


def difference(present: Present, wanted: Iterable[Row]) -> Difference:
    """What to do so that our rows in `present` (by table and UUID) are exactly `wanted`."""
    rows = {row.ref: row for row in wanted}
    ours, surplus = _ours(present)
    names = {ref: Named(f"row{number}") for number, ref in enumerate(ref for ref in rows if ref not in ours)}

    def resolve(ref: Ref) -> Atom:
        return Uuid(ours[ref]) if ref in ours else names[ref]

    inserts: list[Json] = []
    updates: list[Json] = []
    lines: list[str] = []
    for ref, row in rows.items():
        columns = {name: plain(value, resolve) for name, value in row.columns.items()}
        if ref in names:
            inserts.append(_insert(ref, names[ref], columns))
            lines.append(f"add {ref.table} {ref.key}")
            continue
        there = present[ref.table][ours[ref]]
        changed = {name: value for name, value in columns.items() if not _same(there.get(name), value)}
        if changed:
            updates.append(_update(ref.table, ours[ref], changed))
            lines.append(f"change {', '.join(sorted(changed))} of {ref.table} {ref.key}")
    gone = [(ref, uuid) for ref, uuid in ours.items() if ref not in rows] + surplus
    lines.extend(f"remove {ref.table} {ref.key}" for ref, _ in gone)
    deletes = [_delete(ref.table, uuid) for ref, uuid in gone]
    return Difference((*inserts, *updates, *deletes), Changes(len(inserts), len(updates), len(deletes), tuple(lines)))


def _ours(present: Present) -> tuple[dict[Ref, str], list[tuple[Ref, str]]]:
    """Our rows by key, and those that carry a key another row has already."""
    ours: dict[Ref, str] = {}
    surplus: list[tuple[Ref, str]] = []
    for table, rows in present.items():
        for uuid in sorted(rows):
            marks = rows[uuid].get("external_ids")
            key = marks.get(MARK) if isinstance(marks, dict) else None
            if key is None:
                continue
            ref = Ref(table, str(key))
            if ref in ours:
                surplus.append((ref, uuid))
            else:
                ours[ref] = uuid
    return ours, surplus


def _same(there: Plain | None, wanted: Plain) -> bool:
    if there is None:
        return False
    if not there and not wanted:
        return True  # The empty set and the empty map look alike.
    return there == wanted


def _row(columns: Mapping[str, Plain]) -> dict[str, Json]:
    return {name: to_wire(value) for name, value in columns.items()}


def _insert(ref: Ref, name: Named, columns: Mapping[str, Plain]) -> Json:
    return {"op": "insert", "table": ref.table, "uuid-name": name.name, "row": _row(columns)}


def _update(table: str, uuid: str, columns: Mapping[str, Plain]) -> Json:
    return {"op": "update", "table": table, "where": _is(uuid), "row": _row(columns)}


def _delete(table: str, uuid: str) -> Json:
    return {"op": "delete", "table": table, "where": _is(uuid)}


def _is(uuid: str) -> Sequence[Json]:
    return [["_uuid", "==", ["uuid", uuid]]]
