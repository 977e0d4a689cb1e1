"""`pileus ring`: the disks of object storage, their shares, how well copies are spread, and the workers that see to that."""

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pileus.kit.errors import Invalid
from pileus.kit.hosts.dial import Address, Dialler, Refused, Unreachable
from pileus.main.commands.host import NotRunning
from pileus.main.commands.options import add_state, chosen
from pileus.main.gate import SOCKET
from pileus.main.object_rings import Change, Division, Doubled, HostLines, HostPause, Name, ShownRing
from pileus.main.state import State
from pileus.object_store.models.shards import Shape

DEADLINE_S = 120.0
Verb = Callable[[State, argparse.Namespace], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    parser.set_defaults(verb=_show)
    verbs = parser.add_subparsers(metavar="VERB")
    show = verbs.add_parser("show", help="all rings and their devices (what is done without a verb)")
    weight = verbs.add_parser("weight", help="a device's share, beside those of others; 0: it gives up what it has")
    weight.add_argument("name")
    weight.add_argument("weight", type=float)
    move = verbs.add_parser("move", help="say in which zone or region a device is")
    move.add_argument("name")
    move.add_argument("--zone", type=int)
    move.add_argument("--region", type=int)
    remove = verbs.add_parser("remove", help="a device is gone, or shall go: others get what it had, at once")
    remove.add_argument("name")
    add = verbs.add_parser("add", help="a device that was removed may come back, when its host offers it next")
    add.add_argument("name")
    rebalance = verbs.add_parser("rebalance", help="move what may move now; that is done by itself every five minutes")
    dispersion = verbs.add_parser("dispersion", help="how many copies are where they belong")
    workers = verbs.add_parser("workers", help="what background workers do, on every machine")
    pause = verbs.add_parser("pause", help="workers rest after their pass, until they are resumed or restarted")
    resume = verbs.add_parser("resume", help="workers go on")
    for verb in (pause, resume):
        verb.add_argument("name", help="part of their names: copies, audit, expires ...")
        verb.add_argument("--host", help="on this machine only; '' is the first controller")
    does = {
        show: _show, weight: _weight, move: _move, remove: _remove, add: _add, rebalance: _rebalance,
        dispersion: _dispersion, workers: _workers, pause: _pause, resume: _resume, **_configure_sizes(verbs),
    }  # fmt: skip
    for verb, work in does.items():
        verb.set_defaults(verb=work)
        verb.add_argument("--state", default=argparse.SUPPRESS, type=Path, metavar="DIR", help=argparse.SUPPRESS)


def _configure_sizes(verbs: Any) -> dict[argparse.ArgumentParser, Verb]:
    """Declare what is done to what has become large."""
    double = verbs.add_parser(
        "double", help="twice as many partitions for the objects of a policy; files get new places"
    )
    double.add_argument("policy", type=int, help="its number, 0 for the first")
    shards = verbs.add_parser("shards", help="the shards of a large container")
    shard = verbs.add_parser("shard", help="divide a container into shards, at the next pass of the worker for that")
    shard.add_argument("--rows", type=_rows, default=500_000, help="objects a shard gets (500000)")
    for verb in (shard, shards):
        verb.add_argument("name", metavar="ACCOUNT/CONTAINER")
    return {double: _double, shards: _shards, shard: _shard}


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    state, _ = chosen(args)
    if state.pid() is None:
        raise NotRunning(state=state.path)
    args.verb(state, args)
    return 0


def _show(state: State, args: argparse.Namespace) -> None:
    _print(_ask(state, "GET", "/rings"))


def _weight(state: State, args: argparse.Namespace) -> None:
    _print(_ask(state, "POST", "/rings/change", Change(args.name, weight=args.weight)))


def _move(state: State, args: argparse.Namespace) -> None:
    _print(_ask(state, "POST", "/rings/change", Change(args.name, zone=args.zone, region=args.region)))


def _remove(state: State, args: argparse.Namespace) -> None:
    _print(_ask(state, "POST", "/rings/remove", Name(args.name)))


def _add(state: State, args: argparse.Namespace) -> None:
    _print(_ask(state, "POST", "/rings/add", Name(args.name)))


def _rebalance(state: State, args: argparse.Namespace) -> None:
    moved: dict[str, int] = msgspec.json.decode(_ask(state, "POST", "/rings/rebalance"))
    for name, count in moved.items():
        print(f"ring {name}: {count} copies of partitions belong elsewhere now")


def _dispersion(state: State, args: argparse.Namespace) -> None:
    found: list[dict[str, Any]] = msgspec.json.decode(_ask(state, "GET", "/rings/dispersion"))
    for one in found:
        print(
            f"policy {one['policy']}: {one['found']} of {one['wanted']} copies are where they belong "
            f"({one['percent']:.2f} %), looking at {one['partitions']} partitions"
            + (f"; {one['silent']} places did not answer" if one["silent"] else "")
        )


def _double(state: State, args: argparse.Namespace) -> None:
    _print(_ask(state, "POST", "/rings/double", Doubled(args.policy)))


def _rows(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000_000:
        raise argparse.ArgumentTypeError("say how many objects a shard shall have, 1 or more")
    return int(text)


def _shards(state: State, args: argparse.Namespace) -> None:
    _print_shards(args.name, _ask(state, "POST", "/shards", Division(args.name)))


def _shard(state: State, args: argparse.Namespace) -> None:
    _print_shards(args.name, _ask(state, "POST", "/shards", Division(args.name, args.rows)))


def _print_shards(name: str, answer: bytes) -> None:
    shape = msgspec.json.decode(answer, type=Shape)
    alive = [one for one in shape.shards if not one.deleted]
    how = (
        "is in shards"
        if shape.whole
        else f"is being divided, up to {shape.frontier!r}"
        if alive
        else "is in one ledger"
    )
    print(f"container {name} {how}")
    for one in alive:
        joining = f"; goes to {one.into}" if one.into else ""
        print(
            f"  {one.name:<64} {one.count:>10} objects {one.bytes:>15} bytes, from {one.lower!r} to {one.upper!r}{joining}"
        )


def _workers(state: State, args: argparse.Namespace) -> None:
    _print_workers(_ask(state, "GET", "/workers"))


def _pause(state: State, args: argparse.Namespace) -> None:
    _print_workers(_ask(state, "POST", "/workers", HostPause(args.name, paused=True, host=args.host)))


def _resume(state: State, args: argparse.Namespace) -> None:
    _print_workers(_ask(state, "POST", "/workers", HostPause(args.name, paused=False, host=args.host)))


def _print(answer: bytes) -> None:
    for ring in msgspec.json.decode(answer, type=list[ShownRing]):
        print(
            f"ring {ring.name}: {1 << ring.part_power} partitions, {ring.replicas:g} copies, version {ring.version}; "
            f"the worst device is {ring.worst_percent:.1f} % from its share; {ring.close} partitions have copies too close"
        )
        if ring.next_part_power:
            at = (
                "files are being linked to"
                if ring.next_part_power > ring.part_power
                else "old links are being removed since"
            )
            print(f"  partitions are being doubled: {at} {1 << ring.next_part_power} partitions")
        print(f"  {'DEVICE':<40} {'HOST':<16} {'REGION':>6} {'ZONE':>5} {'WEIGHT':>9} {'SHARE':>9} {'HAS':>7}")
        for one in ring.devices:
            host = one.host or "(controller)"
            print(
                f"  {one.name:<40} {host:<16} {one.region:>6} {one.zone:>5} {one.weight:>9g} {one.wanted:>9g} "
                f"{one.assigned:>7}"
            )
        for name in ring.removed:
            print(f"  {name:<40} removed")


def _print_workers(answer: bytes) -> None:
    print(f"{'MACHINE':<16} {'WORKER':<42} {'STATE':<8} {'PASSES':>7} {'LAST':<20} {'TOOK':>8}  DID")
    for machine in msgspec.json.decode(answer, type=list[HostLines]):
        host = machine.host or "(controller)"
        if machine.failure:
            print(f"{host:<16} {machine.failure}")
        for line in machine.lines:
            state = "paused" if line.paused else "at work" if line.running else "failed" if line.failure else "waits"
            last = f"{line.began.astimezone():%Y-%m-%d %H:%M:%S}" if line.began is not None else "-"
            did = line.failure or line.did
            if line.seen or line.done or line.failed:
                did = f"[{line.seen} seen, {line.done} done, {line.failed} not, {line.rate:g}/s] {did}"
            print(f"{host:<16} {line.name:<42} {state:<8} {line.passes:>7} {last:<20} {line.took_s:>6.1f} s  {did}")


def _ask(state: State, method: str, path: str, body: object = None) -> bytes:
    async def ask() -> bytes:
        dialler = Dialler(Address(unix=state / "run" / SOCKET))
        try:
            return await dialler.ask(method, path, body, deadline_s=DEADLINE_S)
        finally:
            await dialler.close()

    try:
        return asyncio.run(ask())
    except Unreachable as failed:
        raise NotRunning(state=state.path) from failed
    except Refused as refused:
        raise Invalid(str(refused.facts["why"])) from refused
