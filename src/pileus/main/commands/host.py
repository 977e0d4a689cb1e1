"""`pileus host token | list | drain | remove`: which machines are hosts of this cloud."""

import argparse
import asyncio
import datetime as dt
import re
import time
from pathlib import Path

import msgspec

from pileus.kit.errors import Invalid, Unavailable
from pileus.kit.hosts.dial import Address, Dialler, Refused, Unreachable
from pileus.main.commands.options import add_state, chosen
from pileus.main.gate import SOCKET, NewToken, TokenMade
from pileus.main.roster import Drain, Emptied, Leaver, Listed
from pileus.main.state import State

LOOK_S = 1.0
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class NotRunning(Unavailable):
    """The cloud in {state} does not run; start it with `pileus up --state {state}`."""


class BadTtl(Invalid):
    """'{given}' is no time to live; say for example 30m, 2h or 7d."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    token = verbs.add_parser("token", help="make a token that one machine may join with, once")
    token.add_argument("--ttl", default="1h", help="how long it is good: 30m, 2h, 7d (1h)")
    token.add_argument("--listen", default="", metavar="HOST:PORT", help="where hosts reach this controller")
    token.set_defaults(verb=_token)
    listing = verbs.add_parser("list", help="all hosts and how they fare")
    listing.set_defaults(verb=_list)
    drain = verbs.add_parser("drain", help="take the servers of a host to others, and keep new ones away")
    drain.add_argument("name")
    drain.add_argument("--off", action="store_true", help="let new servers come again")
    drain.add_argument("--keep", action="store_true", help="only keep new servers away; those on it stay")
    drain.add_argument("--live-only", action="store_true", help="stop no server that runs in order to move it")
    drain.add_argument(
        "--wait", action="store_true", help="return when the host is empty, or nothing more can leave (3)"
    )
    drain.add_argument("--reason", default="drained", help="shown to users with admin rights")
    drain.set_defaults(verb=_drain)
    remove = verbs.add_parser("remove", help="the host is one no more; it must have no servers")
    remove.add_argument("name")
    remove.set_defaults(verb=_remove)
    for verb in (token, listing, drain, remove):  # it may stand behind the verb as well
        verb.add_argument("--state", default=argparse.SUPPRESS, type=Path, metavar="DIR", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    state, _ = chosen(args)
    if state.pid() is None:
        raise NotRunning(state=state.path)
    return int(args.verb(state, args) or 0)


def _token(state: State, args: argparse.Namespace) -> None:
    made = msgspec.json.decode(
        _ask(state, "POST", "/tokens", NewToken(_seconds(args.ttl), args.listen)), type=TokenMade
    )
    print(f"Good once, until {made.expires.astimezone():%Y-%m-%d %H:%M}. On the machine that shall be a host:\n")
    print(f"    pileus join {made.url} --token {made.token}")


def _list(state: State, args: argparse.Namespace) -> None:
    hosts = msgspec.json.decode(_ask(state, "GET", "/hosts"), type=list[Listed])
    print(f"{'HOST':<24} {'STATE':<6} {'SERVERS':>7}  {'HEARD':<20} CERTIFICATE UNTIL")
    for host in hosts:
        state_of = "up" if host.up else "down"
        heard, expires = _moment(host.last_heard), _moment(host.expires)
        drained = "  (drained)" if host.drained else ""
        print(f"{host.name:<24} {state_of:<6} {host.servers:>7}  {heard:<20} {expires}{drained}".rstrip())


def _drain(state: State, args: argparse.Namespace) -> int:
    wanted = Drain(on=not args.off, reason=args.reason, moves=not args.keep, live_only=args.live_only)
    host = msgspec.json.decode(_ask(state, "POST", f"/hosts/{args.name}/drain", wanted), type=Listed)
    if args.off:
        print(f"New servers may come to {host.name}.")
        return 0
    print(f"No new servers come to {host.name}; {host.servers} are still on it.")
    if args.keep:
        return 0
    if not args.wait:
        print(f"They leave by and by: `pileus host drain {host.name} --wait` tells how each fares.")
        return 0
    return _watch(state, host.name)


def _watch(state: State, name: str) -> int:
    """0 once the host is empty, 3 when nothing more can leave it just now; what becomes of each server is printed."""
    told: dict[str, str] = {}
    while True:
        found = msgspec.json.decode(_ask(state, "GET", f"/hosts/{name}/drain"), type=Emptied)
        for server in found.servers:
            said = _fate(server)
            if told.get(server.server) != said:
                told[server.server] = said
                print(f"{server.name} ({server.server}) {said}", flush=True)
        moving = sum(server.state == "moving" for server in found.servers)
        stays = sum(server.state == "stays" for server in found.servers)
        if not moving and found.left <= stays:
            break
        time.sleep(LOOK_S)
    if found.kept:
        print(
            f"{found.kept} that have left keep their former disks on {name} until their owners confirm that they moved."
        )
    print(f"{found.left} server(s) cannot leave {name} now." if found.left else f"{name} has no servers.")
    return 3 if found.left or found.kept else 0


def _fate(server: Leaver) -> str:
    how = {"live": "while it runs", "cold": "standing still"}.get(server.way, "")
    if server.state == "moving":
        return f"leaves, {how}"
    if server.state == "moved":
        return f"is on {server.to}, moved {how}" if server.to else "is gone"
    return "is tried again" if server.state == "waits" else f"stays: {server.why}"


def _remove(state: State, args: argparse.Namespace) -> None:
    _ask(state, "DELETE", f"/hosts/{args.name}")
    print(f"{args.name} is no host any more. On the machine itself, `pileus destroy` removes what is left.")


def _ask(state: State, method: str, path: str, body: object = None) -> bytes:
    async def ask() -> bytes:
        dialler = Dialler(Address(unix=state / "run" / SOCKET))
        try:
            return await dialler.ask(method, path, body, deadline_s=60)
        finally:
            await dialler.close()

    try:
        return asyncio.run(ask())
    except Unreachable as failed:
        raise NotRunning(state=state.path) from failed
    except Refused as refused:
        raise Invalid(str(refused.facts["why"])) from refused


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        raise BadTtl(given=text)
    return float(int(found[1]) * UNITS[found[2]])


def _moment(at: dt.datetime | None) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at is not None else "-"
