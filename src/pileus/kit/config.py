"""Configuration: typed structs filled from defaults, one TOML file, the environment and the command line, in this order.

Every value remembers where it came from. A key that nobody declared, or a value of the wrong type, is refused with the
file's name, the line and what would be right.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from pileus.kit.errors import Invalid

Options = TypeVar("Options", bound=msgspec.Struct)


class BadConfig(Invalid):
    """{file}{line}: {why}."""


class Setting(msgspec.Struct, frozen=True):
    """One option: its dotted name, value, and where that came from."""

    name: str
    value: object
    origin: str


class Configured(msgspec.Struct, Generic[Options]):
    """The options and their origins."""

    options: Options
    settings: list[Setting]


def load(
    kind: type[Options], file: Path | None, given: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> Configured[Options]:
    """Read the options; `given` are dotted names from the command line. Environment: PILEUS_LISTEN, PILEUS_IDENTITY__X."""
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if file is not None and file.exists():
        _merge(merged, origins, _parsed(file), str(file))
    for name, text in (os.environ if environment is None else environment).items():
        if name.startswith("PILEUS_") and name.removeprefix("PILEUS_").lower().partition("__")[0] in _names(kind):
            dotted = name.removeprefix("PILEUS_").lower().replace("__", ".")
            _put(merged, dotted, text)
            origins[dotted] = f"environment variable {name}"
    for dotted, value in given.items():
        if value is not None:
            _put(merged, dotted, value)
            origins[dotted] = "command line"
    try:
        options = msgspec.convert(merged, kind, strict=False)
    except msgspec.ValidationError as bad:
        raise _explained(bad, file) from bad
    plain = msgspec.to_builtins(options)
    settings = [Setting(name, value, origins.get(name, "default")) for name, value in _flat(plain) if value != {}]
    return Configured(options, settings)


def read(file: Path) -> dict[str, Any]:
    """What a file says, by dotted names; raises BadConfig."""
    if not file.exists():
        raise BadConfig(file=file, line="", why="there is no such file")
    return dict(_flat(_parsed(file)))


def _names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
        raise BadConfig(file=file, line="", why=f"it is not TOML: {bad}") from bad


def _merge(into: dict[str, Any], origins: dict[str, str], table: Mapping[str, Any], origin: str) -> None:
    for name, value in _flat(table):
        _put(into, name, value)
        origins[name] = origin


def _flat(table: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        name = f"{above}{key}"
        # An empty table says something, too: that there is a thing of that name, which is as things usually are.
        found += _flat(value, f"{name}.") if isinstance(value, dict) and value else [(name, value)]
    return found


def _put(into: dict[str, Any], dotted: str, value: object) -> None:
    *path, last = dotted.split(".")
    for part in path:
        into = into.setdefault(part, {})
    into[last] = value or into.get(last, value) if isinstance(value, dict) else value


def _explained(bad: msgspec.ValidationError, file: Path | None) -> BadConfig:
    why, _, at = str(bad).partition(" - at `$.")
    name = at.rstrip("`")
    word = why.split("`")[1] if "unknown field" in why else name.rpartition(".")[2]
    line = ""
    if file is not None and file.exists():
        for number, text in enumerate(file.read_text().splitlines(), 1):
            if text.strip().startswith(word):
                line = f":{number}"
                break
    if "unknown field" in why:
        return BadConfig(
            file=file or "options", line=line, why=f"there is no option '{'.'.join(p for p in (name, word) if p)}'"
        )
    return BadConfig(file=file or "options", line=line, why=f"option '{name}': {why}")
