"""The process behind `shell`: reads one JSON list of arguments a line and answers with one JSON object.

It needs nothing but the client: the oldest one comes with the distribution's own Python. `--wait` looks twice a second here: the
command's own five seconds are for clouds that are further away.
"""

import contextlib
import io
import json
import logging
import sys
import time
from typing import Any

from openstackclient.volume import client as volume

LOOK_S = 0.5
VOLUME_VERSIONS = dict(volume.API_VERSIONS) if isinstance(volume.API_VERSIONS, dict) else {}


def forget_logins() -> None:
    """No client of an earlier command is used again: it is of whoever ran that one."""
    from openstackclient.common.clientmanager import ClientManager
    from osc_lib.clientmanager import ClientCache

    # The old client strikes versions it cannot speak from its list each time it connects, and fails to find them twice.
    if VOLUME_VERSIONS:
        volume.API_VERSIONS.update(VOLUME_VERSIONS)
    for kind in ClientManager.__mro__:
        for kept in vars(kind).values():
            if isinstance(kept, ClientCache):
                kept._handle = None


class Nobody(io.StringIO):
    """Who is at a terminal and says nothing: what is read from standard input otherwise are commands to come."""

    def isatty(self) -> bool:
        return True


def perform(argv: list[str]) -> dict[str, Any]:
    """Run one command here and now."""
    from openstackclient import shell

    forget_logins()

    out, text = io.StringIO(), io.StringIO()
    sys.stdin = Nobody()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(text):
        try:
            code = shell.main(argv) or 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    for handler in logging.getLogger().handlers[:]:  # each command adds its own, all to streams that are gone
        logging.getLogger().removeHandler(handler)
    return {"code": code, "out": out.getvalue(), "text": out.getvalue() + text.getvalue()}


def hurry() -> None:
    """From now on nothing in this process sleeps longer than between two looks."""
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, LOOK_S))


if __name__ == "__main__":
    hurry()
    for asked in sys.__stdin__:  # type: ignore[union-attr]
        sys.__stdout__.write(json.dumps(perform(json.loads(asked))) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
