"""The `openstack` command, many times in one process: what takes time is importing it.

Each command runs through the function the `openstack` program calls, with its own arguments, its own login and its own
output. Started as a program, this module reads one JSON list of arguments a line and answers with one JSON object. There,
`--wait` looks twice a second: the command's own five seconds are for clouds that are further away.
"""

import contextlib
import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

LOOK_S = 0.5
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

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        # Its home is elsewhere: a clouds.yaml of the person who runs the tests is none of its business.
        self._process = subprocess.Popen(
            [sys.executable, __file__],
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


def forget_logins() -> None:
    """No client of an earlier command is used again: it is of whoever ran that one."""
    from openstackclient.common.clientmanager import ClientManager
    from osc_lib.clientmanager import ClientCache

    for kind in ClientManager.__mro__:
        for kept in vars(kind).values():
            if isinstance(kept, ClientCache):
                kept._handle = None


def perform(argv: list[str]) -> Said:
    """Run one command here and now."""
    from openstackclient import shell

    forget_logins()

    out, text = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(text):
        try:
            code = shell.main(argv) or 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    for handler in logging.getLogger().handlers[:]:  # each command adds its own, all to streams that are gone
        logging.getLogger().removeHandler(handler)
    return Said(code, out.getvalue(), out.getvalue() + text.getvalue())


def hurry() -> None:
    """From now on nothing in this process sleeps longer than between two looks."""
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, LOOK_S))


if __name__ == "__main__":
    hurry()
    for asked in sys.stdin:
        sys.__stdout__.write(msgspec.json.encode(perform(json.loads(asked))).decode() + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
