"""`pileus status`: what runs, where it is reached, and what it takes."""

import argparse

from pileus import __version__
from pileus.main.commands.options import add_state, chosen
from pileus.main.launch import answers
from pileus.main.processes import Process, daemons_of, process, servers_of

NOT_RUNNING = 3  # what init scripts answer for a service that is down


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)


def run(args: argparse.Namespace) -> int:
    """Print a line for each process; 0 when the cloud answers."""
    state, configured = chosen(args)
    pid = state.pid()
    healthy = pid is not None and answers(configured.options)
    print(f"Pileus {__version__} in {state.path}")
    if pid is None:
        print("  the cloud is down; what is listed below goes on without it")
    else:
        _line("cloud", process(pid), configured.options.url if healthy else "does not answer")
    for name, daemon in daemons_of(state):
        _line(name, daemon, "")
    for server, found in servers_of(state):
        _line("server", found, server)
    return 0 if healthy else NOT_RUNNING


def _line(what: str, found: Process | None, more: str) -> None:
    if found is None:
        print(f"  {what:<18} not running")
        return
    print(f"  {what:<18} pid {found.pid:<8} {found.resident_mib:>5} MiB  {found.cpu_s:>7.1f} s CPU  {more}".rstrip())
