#!/usr/bin/env python3
"""Words: no empty names (util, manager, base ...), and one word for one thing (docs/glossary.md).

Names of modules, classes, functions and arguments are looked at; those that other programs see are not: the fields of
wires, and what is named in exceptions.toml.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import house

EMPTY = {"util", "utils", "helper", "helpers", "manager", "base", "common", "misc", "data", "info", "impl"}
SYNONYMS = {"instance": "server", "instances": "servers", "vm": "server", "vms": "servers", "tenant": "project",
            "tenants": "projects", "hypervisors": "hosts", "vif": "port", "bdm": "disk"}  # fmt: skip
WIRE_ROOMS = {"api", "tests", "tools"}


def words(name: str) -> set[str]:
    """`PortBindingInfo` and `port_binding_info` are made of port, binding and info."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().split("_"))


def named(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Every name given in a file, and whether an empty word would be wrong there (classes)."""
    for part in ast.walk(tree):
        match part:
            case ast.ClassDef(name=name):
                yield name, True
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name, False
            case _:
                pass


def complaints_about(path: Path, source: str) -> Iterator[tuple[str, str]]:
    """Which names of a file break the rule, and why."""
    empty_stem = words(path.stem) & EMPTY
    if empty_stem:
        yield path.stem, f"the module's name says nothing: {' '.join(empty_stem)}"
    if WIRE_ROOMS & set(path.parts):
        return
    for name, is_class in named(ast.parse(source)):
        if is_class and words(name) & EMPTY:
            yield name, f"the class's name says nothing: {' '.join(words(name) & EMPTY)}"
        for synonym in sorted(words(name) & SYNONYMS.keys()):
            yield name, f"{synonym} is called {SYNONYMS[synonym]} here"


def complaints() -> Iterator[str]:
    """What is named wrongly, and which exceptions are not needed any more."""
    allowed = set(house.exceptions("words"))
    used = set()
    for path in house.committed("*.py"):
        for name, why in complaints_about(path, (house.ROOT / path).read_text()):
            key = f"{path}::{name}"
            used.add(key)
            if key not in allowed:
                yield f"{key}: {why}"
    for key in sorted(allowed - used):
        yield f"tools/exceptions.toml: {key} is not needed any more"


if __name__ == "__main__":
    sys.exit(house.verdict("words", sorted(set(complaints()))))
