"""`pileus down`: the cloud's process ends; servers, disks and networks go on."""

import argparse
import asyncio

from pileus.main.commands.options import add_state, chosen
from pileus.main.launch import stop


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    parser.add_argument("--servers", action="store_true", help="stop the servers and the network's daemons too")


def run(args: argparse.Namespace) -> int:
    """Stop the cloud."""
    state, configured = chosen(args)
    print("Stopped." if stop(state) else "It was not running.")
    if args.servers:
        from pileus.main.remains import remove_network, stop_servers, stop_ways

        stopped = stop_servers(state)
        asyncio.run(stop_ways(state))
        asyncio.run(remove_network(state, configured.options))
        print(f"Stopped {stopped} server(s) and the network's daemons.")
    return 0
