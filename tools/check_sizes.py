#!/usr/bin/env python3
"""Sizes: no file above 600 lines, no function above 40, no class with more than 12 public methods.

A function is counted without its docstring and blank lines; migrations, which are generated, are not measured. Exceptions stand in exceptions.toml with their exact size.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import house

FILE_LINES = 600
FUNCTION_LINES = 40
PUBLIC_METHODS = 12
Function = ast.FunctionDef | ast.AsyncFunctionDef


def measured(path: Path, source: str) -> Iterator[tuple[str, int, int, str]]:
    """What has a size in this file: its name, its size, the limit, the unit."""
    lines = source.splitlines()
    yield str(path), len(lines), FILE_LINES, "lines"
    for part in ast.walk(ast.parse(source)):
        if isinstance(part, Function):
            yield f"{path}::{part.name}", function_lines(part, lines), FUNCTION_LINES, "lines"
        elif isinstance(part, ast.ClassDef):
            yield f"{path}::{part.name}", public_methods(part), PUBLIC_METHODS, "public methods"


def function_lines(function: Function, lines: list[str]) -> int:
    """How many lines a reader has to read: neither the docstring nor blank ones."""
    first = function.body[0]
    told = 0
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        told = sum(1 for line in lines[first.lineno - 1 : first.end_lineno] if line.strip())
    return sum(1 for line in lines[function.lineno - 1 : function.end_lineno] if line.strip()) - told


def public_methods(kind: ast.ClassDef) -> int:
    """How many methods a user of the class has to know."""
    return sum(1 for part in kind.body if isinstance(part, Function) and not part.name.startswith("_"))


def complaints() -> Iterator[str]:
    """What is too large, and which exceptions are too generous."""
    allowed = {name: int(str(size)) for name, size in house.exceptions("sizes").items()}
    largest: dict[str, int] = {}
    for path in house.committed("*.py"):
        if path.parent.name == "migrations":  # generated from the tables
            continue
        for name, size, limit, unit in measured(path, (house.ROOT / path).read_text()):
            largest[name] = max(size, largest.get(name, 0))
            if size > max(limit, allowed.get(name, 0)):
                yield f"{name}: {size} {unit}, the limit is {limit}"
    for name, size in allowed.items():
        if largest.get(name, 0) < size:
            yield f"tools/exceptions.toml: {name} is {largest.get(name, 0)} now; lower or remove the exception ({size})"


if __name__ == "__main__":
    sys.exit(house.verdict("sizes", list(complaints())))
