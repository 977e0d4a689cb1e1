"""The `openstack` command, many times in one process: what takes time is importing it.

Each command runs through the function the `openstack` program calls, with its own arguments, its own login and its own
output, in a process (`shell_program`) of whichever Python the client is installed for.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

PROGRAM = Path(__file__).with_name("shell_program.py")
# Commands of these verbs print a table that can be had as JSON.
PRINTING = {"list", "show", "create", "set-and-show", "allocate", "stats", "issue"}


class Said(msgspec.Struct, frozen=True):
    """How one command ended and what it printed."""

    code: int
    out: str
    text: str

    @property
    def complaint(self) -> str:
        return self.text.strip()


class OpenStackShell:
    """A process that runs commands for one user."""

    def __init__(self, environment: Mapping[str, str], home: Path, python: str = sys.executable) -> None:
        # Its home is elsewhere: a clouds.yaml of the person who runs the tests is none of its business.
        self._process = subprocess.Popen(
            [python, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**environment, "HOME": str(home), "PYTHONWARNINGS": "ignore"},
        )

    def run(self, argv: Sequence[str]) -> Said:
        """Run one command to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(as_json(argv)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the openstack client died of {list(argv)}"
        return msgspec.json.decode(line, type=Said)

    def close(self) -> None:
        """The process has ended."""
        self._process.communicate()


def as_json(argv: Sequence[str]) -> list[str]:
    """The arguments, with `-f json` where the command knows it."""
    verbs = [word for word in argv if word in PRINTING]
    return [*argv, "-f", "json"] if verbs and "-f" not in argv and "log" not in argv else list(argv)
