"""`pileus bench`: what API operations cost on this machine, with fakes for hypervisor and network."""

import argparse
import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pileus.main.bench import Measured

LINE = "{:<36} {:>7} {:>11} {:>9} {:>9}  {:<14} {:>12}"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--crowd", action="store_true", help="a thousand hosts and five thousand servers (minutes)")
    parser.add_argument("--strict", action="store_true", help="end with 1 when a target is missed")


def run(args: argparse.Namespace) -> int:
    """Print a line for each kind of operation."""
    import msgspec

    from pileus.main import bench, crowd

    measure = crowd.measure if args.crowd else bench.measure

    def say_json(one: "Measured") -> None:
        told = {**msgspec.to_builtins(one), "rate": one.rate, "cpu_ms": one.cpu_ms, "met": one.met}
        print(msgspec.json.encode(told).decode(), flush=True)

    if not args.json:
        print(LINE.format("operation", "count", "a second", "ms", "CPU ms", "target", "upstream CPU"))
    done = asyncio.run(measure(say_json if args.json else _say))
    return 1 if args.strict and not all(one.met for one in done) else 0


def _say(one: "Measured") -> None:
    target = f">= {one.target:,.0f}/s" if one.target else f"<= {one.most_ms:g} ms" if one.most_ms else ""
    told = f"{target} {'ok' if one.met else 'MISSED'}" if target else ""
    ratio = f"{one.upstream_ms / one.cpu_ms:,.0f} times" if one.upstream_ms else ""
    each_ms = 1000 * one.wall_s / one.count
    print(
        LINE.format(one.name, one.count, f"{one.rate:,.0f}", f"{each_ms:.3f}", f"{one.cpu_ms:.3f}", told, ratio),
        flush=True,
    )
