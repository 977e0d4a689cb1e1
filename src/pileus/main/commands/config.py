"""`pileus config`: every option, its value, and where the value comes from."""

import argparse

from pileus.main.commands.options import add_state, chosen


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)


def run(args: argparse.Namespace) -> int:
    """Print the options as TOML would say them, with their origin behind."""
    _, configured = chosen(args)
    lines = [(f"{setting.name} = {_toml(setting.value)}", setting.origin) for setting in configured.settings]
    width = max(len(line) for line, _ in lines)
    for line, origin in lines:
        print(f"{line:<{width}}  # {origin}")
    return 0


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return str(value) if isinstance(value, (int, float)) else f'"{value}"'
