"""`pileus up`: the cloud runs and every API answers; the first time, it is made.

options -> packages -> guest image -> start -> furnish -> (demo)
"""

import argparse
import os
import sys
import time
from pathlib import Path

from pileus.kit.errors import Conflict, Invalid, Problem
from pileus.main.certificates import authority_of
from pileus.main.client import Client, until
from pileus.main.commands.options import add_settings, add_state, given_settings, state_of
from pileus.main.credentials import ensure_credentials
from pileus.main.launch import CannotListen, ensure_free, start, wait
from pileus.main.settings import Settings, remember, settings_of
from pileus.main.state import State, guest_cache

HOST_DEADLINE_S = 60.0


class NoHost(Problem):
    """The cloud answers, but in {seconds:g} s no host came to run servers; its log says why: {log}"""


class RunsOtherwise(Conflict):
    """The cloud runs already (process {pid}), with other values of: {changed}. Nothing was changed; they are taken when it
    starts, so run `pileus down --state {state}` first: servers run on meanwhile."""


class NeedsGuest(Invalid):
    """The demonstration waits for a guest to answer; with --compute fake or --network fake there is none."""


class NeedsRoot(Problem):
    """QEMU and OVN with real networks need root; run `sudo ./pileus up`, or try the fakes without:
    pileus up --compute fake --network fake"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    add_settings(parser)
    parser.add_argument("--demo", action="store_true", help="make a server with a floating IP and wait for its answer")
    parser.add_argument("--foreground", action="store_true", help="do not return; log to the terminal")


def run(args: argparse.Namespace) -> int:
    """Bring the cloud up."""
    began = time.monotonic()
    state = state_of(args)
    given = given_settings(args)
    if _is_real(_checked(state, given, args)):
        _packages()
    state.create()
    with state.coming_up(_say):
        # Another `pileus up` may have been here since.
        settings = _checked(state, given, args)
        running = state.pid()
        settings = remember(state, settings, given)
        ensure_credentials(state, settings)
        image = _guest() if settings.compute_driver == "qemu" else None
        pid = running or _start(state, settings, args)
        admin = _client(state, settings, "admin")
        _furnish(state, settings, admin, image)
        _await_host(state, settings, admin)
        took = f"up in {time.monotonic() - began:.1f} s" if running is None else "it ran already"
        _tell(state, settings, args, f"process {pid}, {took}")
        if args.demo:
            _demo(state, settings, args)
    return wait(pid) if args.foreground and running is None else 0


def _checked(state: State, given: dict[str, object], args: argparse.Namespace) -> Settings:
    """The cloud may come up with these options, or runs with them; raises Problem."""
    settings = settings_of(state, given).options
    pid = state.pid()
    if pid is not None:
        _unchanged(state, given, pid)
    if args.demo and (settings.compute_driver, settings.network_driver) != ("qemu", "ovn"):
        raise NeedsGuest
    if _is_real(settings) and os.geteuid() != 0:
        raise NeedsRoot
    if pid is None:
        try:
            ensure_free(settings)
        except CannotListen:
            if state.pid() is None:  # else it is this cloud that listens there, since just now
                raise
    return settings


def _is_real(settings: Settings) -> bool:
    return settings.compute_driver == "qemu" or settings.network_driver == "ovn"


def _start(state: State, settings: Settings, args: argparse.Namespace) -> int:
    _say("starting")
    return start(state, settings, foreground=args.foreground)


def _tell(state: State, settings: Settings, args: argparse.Namespace, how: str) -> None:
    print(f"The cloud runs at {settings.url} ({how}).")
    print(f"  state        {state.path}")
    print(f'  credentials  eval "$(./pileus env admin{_state_option(args)})"   or {state / "clouds.yaml"}')


def _unchanged(state: State, given: dict[str, object], pid: int) -> None:
    """What is asked for is how the cloud runs; raises RunsOtherwise."""
    is_so = {one.name: one.value for one in settings_of(state, {}).settings}
    wanted = {one.name: one.value for one in settings_of(state, given).settings}
    changed = sorted(name for name in is_so.keys() | wanted.keys() if is_so.get(name) != wanted.get(name))
    if changed:
        raise RunsOtherwise(pid=pid, changed=", ".join(changed), state=state.path)


def _packages() -> None:
    from pileus.main import packages

    packages.ensure(packages.CLOUD)


def _guest() -> Path | None:
    import asyncio

    from pileus.guest import ensure

    guest = asyncio.run(ensure(guest_cache(), _say))
    return guest.image


def _furnish(state: State, settings: Settings, admin: Client, image: Path | None) -> None:
    from pileus.main.seed import furnish

    furnish(state, settings, admin, image, _say)


def _await_host(state: State, settings: Settings, admin: Client) -> None:
    """Servers can be made: a host is at work."""
    if "compute" not in settings.services:
        return
    for services in until(lambda: admin.get("compute", "/os-services")["services"], HOST_DEADLINE_S, 0.1):
        if any(one["binary"] == "nova-compute" and one["state"] == "up" for one in services):
            return
    raise NoHost(seconds=HOST_DEADLINE_S, log=state.log)


def _client(state: State, settings: Settings, user: str) -> Client:
    password = state.credentials().passwords[user]
    return Client(f"{settings.url}/identity/v3", user, password, user, authority_of(state, settings))


def _demo(state: State, settings: Settings, args: argparse.Namespace) -> None:
    from pileus.main.demo import CONSOLE_LINES, demonstrate

    shown = demonstrate(state, settings, _client(state, settings, "demo"), _say)
    address = shown["address"]
    print(f"\nThe server '{shown['server']['name']}' answers at {address}. The end of its console:\n")
    for line in shown["console"].splitlines()[-CONSOLE_LINES:]:
        print(f"    {line}")
    if shown.get("disk"):
        print(f"\nThe guest sees the volume 'demo' as its disk /dev/{shown['disk']}.")
    print("\nTry next:")
    print(f"    ssh -i {shown['key']} -o StrictHostKeyChecking=no pileus@{address}")
    print(f"    curl http://{address}/")
    print(f'    eval "$(./pileus env demo{_state_option(args)})"; openstack server list')


def _state_option(args: argparse.Namespace) -> str:
    return f" --state {args.state}" if args.state else ""


def _say(line: str) -> None:
    """Tell what is being done, a line each."""
    print(f"  {line} ...", file=sys.stderr, flush=True)
