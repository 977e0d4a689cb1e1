"""The difference between a database and a topology: complete, minimal, and empty once applied."""

import copy

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.network.builders import ANN, BOB, a_topology

from pileus.network.drivers.interface import Topology
from pileus.network.drivers.ovn.diff import difference
from pileus.network.drivers.ovn.rows import TABLES, render
from pileus.network.drivers.ovn.values import from_wire


def _empty():
    return {table: {} for table in TABLES}


def _applied(present, operations):
    """What a database holds after a transaction, as far as we read it."""
    after = copy.deepcopy(present)
    names = {op["uuid-name"]: f"uuid-of-{op['uuid-name']}-{id(op)}" for op in operations if op["op"] == "insert"}

    def resolve(value):
        if isinstance(value, list) and value and value[0] == "named-uuid":
            return ["uuid", names[value[1]]]
        return [resolve(item) for item in value] if isinstance(value, list) else value

    for op in operations:
        rows = after[op["table"]]
        row = {name: from_wire(resolve(value)) for name, value in op.get("row", {}).items()}
        if op["op"] == "insert":
            rows[names[op["uuid-name"]]] = row
        elif op["op"] == "update":
            rows[op["where"][0][2][1]] |= row
        else:
            del rows[op["where"][0][2][1]]
    return after


def _part(things):
    return st.lists(st.sampled_from(things), unique_by=lambda thing: thing.id).map(tuple) if things else st.just(())


@st.composite
def topologies(draw) -> Topology:
    """Any part of a topology may be missing, as while things are made and removed; names may differ."""
    full = a_topology()
    some = {
        field: draw(_part(getattr(full, field)))
        for field in ("networks", "subnets", "ports", "routers", "floating_ips", "security_groups")
    }
    ports = tuple(
        msgspec.structs.replace(port, admin_up=draw(st.booleans()), port_security=draw(st.booleans()))
        for port in some["ports"]
    )
    return Topology(**{**some, "ports": ports}, gateway_hosts=draw(st.sampled_from([(), ("host-a",), ("b", "host-a")])))


@settings(deadline=None, max_examples=60)
@given(topologies(), topologies())
def test_difference_is_empty_once_applied(before: Topology, after: Topology) -> None:
    present = _applied(_empty(), difference(_empty(), render(before)).operations)
    assert difference(present, render(before)).changes.none

    found = difference(present, render(after))
    present = _applied(present, found.operations)

    assert difference(present, render(after)).changes.none
    assert len(found.operations) == found.changes.inserted + found.changes.updated + found.changes.deleted


def test_changes_only_the_column_that_differs() -> None:
    present = _applied(_empty(), difference(_empty(), render(a_topology())).operations)
    ports = tuple(
        msgspec.structs.replace(port, admin_up=False) if port.id == BOB else port for port in a_topology().ports
    )
    found = difference(present, render(a_topology(ports=ports)))
    assert (f"change enabled of Logical_Switch_Port {BOB}",) == found.changes.lines
    assert [{"enabled": False}] == [op["row"] for op in found.operations]


def test_leaves_rows_without_our_mark_alone() -> None:
    present = _empty()
    present["Logical_Switch"]["somebody's"] = {"name": from_wire("theirs"), "external_ids": from_wire(["map", []])}
    assert difference(present, []).changes.none


def test_removes_a_row_that_is_there_twice() -> None:
    present = _applied(_empty(), difference(_empty(), render(a_topology())).operations)
    uuid, row = next(
        (uuid, row) for uuid, row in present["Logical_Switch_Port"].items() if row["name"] == frozenset((ANN,))
    )
    present["Logical_Switch_Port"][f"{uuid}-again"] = row
    found = difference(present, render(a_topology()))
    assert (0, 0, 1) == (found.changes.inserted, found.changes.updated, found.changes.deleted)
