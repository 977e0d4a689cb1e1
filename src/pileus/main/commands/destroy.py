"""`pileus destroy`: nothing of this cloud is left on the machine."""

import argparse
import asyncio
import shutil
import sys

from pileus.main.commands.options import add_state, chosen
from pileus.main.launch import stop


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def run(args: argparse.Namespace) -> int:
    """Stop everything and remove the state directory."""
    from pileus.main.remains import remove_network, stop_servers, stop_ways

    state, configured = chosen(args)
    if not args.yes:
        print(f"This removes every server, disk, image and user in {state.path}. Say --yes to do it.", file=sys.stderr)
        return 2
    stop(state)
    stop_servers(state)
    asyncio.run(stop_ways(state))
    asyncio.run(remove_network(state, configured.options))
    shutil.rmtree(state.path)
    print(f"Removed {state.path}.")
    return 0
