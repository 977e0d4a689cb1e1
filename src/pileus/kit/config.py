"""Configuration: typed structs filled from defaults, one TOML file, the environment and the command line, in this order.

Every value remembers where it came from. A key that nobody declared, or a value of the wrong type, is refused with the
file's name, the line and what would be right.
"""

import os
import re
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
        raise _explained(bad, file, origins) from bad
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
    except OSError as bad:
        raise BadConfig(file=file, line="", why=f"it cannot be read: {bad.strerror}") from bad


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


def _explained(bad: msgspec.ValidationError, file: Path | None, origins: Mapping[str, str]) -> BadConfig:
    """What is wrong, with which option, and where that was said."""
    why, _, at = str(bad).partition(" - at `$")
    name = _named(at.strip("`."), origins)
    if "unknown field" in why:
        name = ".".join(part for part in (name, why.split("`")[1]) if part)
        why = f"there is no option '{name}'"
    elif name:
        why = f"option '{name}': {why}"
    else:
        name = _OPTION.sub(r"\1", why)  # a rule about several options names the one to change
    said = next((name[: len(key)] for key in origins if name == key or name.startswith((f"{key}.", f"{key}["))), name)
    origin = origins.get(said) or next((where for key, where in origins.items() if key.startswith(f"{name}.")), "")
    if file is None or (origin and origin != str(file)):
        return BadConfig(file=origin or "options", line="", why=why)
    return BadConfig(file=file, line=_line(file, said), why=why)


def _named(path: str, origins: Mapping[str, str]) -> str:
    """The option a path of msgspec's is about; it says `[...]` where a thing has a name of the operator's."""
    if "[...]" not in path:
        return path
    likely = re.compile(re.escape(path).replace(re.escape("[...]"), r"\.[^.]+"))
    found = [name for name in origins if likely.fullmatch(name)]
    return found[0] if len(found) == 1 else path.replace("[...]", ".*")


_OPTION = re.compile(r"^option '([^']*)'.*", re.DOTALL)


def _line(file: Path, option: str) -> str:
    """`:7` where the seventh line of a file is where an option stands; nothing where it cannot be told."""
    table = ""
    for number, text in enumerate(file.read_text().splitlines() if file.exists() else (), 1):
        header = re.match(r"\s*\[+([^\]]*)\]+", text)
        if header:
            table = "".join(header[1].split()).replace('"', "") + "."
        key = text.partition("=")[0].strip().replace('"', "")
        if f"{table}{key}" == option or (header and table == f"{option}."):
            return f":{number}"
    return ""
