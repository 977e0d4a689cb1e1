"""The command line: finds the command's module, and only that one is imported.

Start-up time counts (help answers in under 150 ms), so nothing heavy is imported here. A command is a module in
`pileus.main.commands` with `configure(parser)` and `run(args) -> int`; one without a module is not listed.
"""

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from pileus import __version__
from pileus.kit.errors import Problem

COMMANDS = {
    "up": "create the cloud if there is none, start it, and say where it is",
    "down": "stop the cloud; its servers keep running",
    "status": "what runs, and where",
    "destroy": "stop everything and remove all that this cloud has stored",
    "join": "make this machine a host of a cloud elsewhere",
    "host": "hosts of this cloud: make tokens to join with, list, drain, remove",
    "ring": "disks of object storage: show, weight, remove, rebalance, dispersion, background workers",
    "env": "print the settings an OpenStack client needs",
    "identity": "users, keys and mappings: who may do what, unlock, rotate keys, try a mapping",
    "image": "build the small guest image, or fetch a well-known cloud image",
    "trace": "the story of one request",
    "doctor": "find what is not as it should be, and mend it",
    "drill": "kill a throw-away cloud at every step of a server's life, and see it come back",
    "bench": "measure what API operations cost on this machine",
    "config": "show every option, its value, and where the value comes from",
    "test": "run the house rules and the tests",
}
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command the arguments name; return the exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(chosen=next((arg for arg in args if not arg.startswith("-")), None))
    try:
        wanted = parser.parse_args(args)
        return int(wanted.run(wanted))
    except Problem as problem:
        print(f"pileus: {problem.message}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who reads has enough (`| head`); nothing else may be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except KeyboardInterrupt:
        print("pileus: stopped", file=sys.stderr)
        return INTERRUPTED


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pileus", description="An OpenStack cloud in one process.")
    parser.add_argument("--version", action="version", version=f"pileus {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name, summary in COMMANDS.items():
        module = f"pileus.main.commands.{name}"
        if importlib.util.find_spec(module) is None:
            continue
        command = commands.add_parser(name, help=summary, description=_sentence(summary))
        if name == chosen:
            _configure(command, importlib.import_module(module))
    return parser


def _configure(parser: argparse.ArgumentParser, module: ModuleType) -> None:
    module.configure(parser)
    parser.set_defaults(run=module.run)


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


if __name__ == "__main__":
    sys.exit(main())
