"""`pileus trace REQUEST_ID`: the story of one request."""

import argparse
import asyncio

from pileus.main.commands.options import add_state, chosen
from pileus.main.opened import opened


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    parser.add_argument("request", metavar="REQUEST_ID", help="what an answer said in X-Openstack-Request-Id")


def run(args: argparse.Namespace) -> int:
    """Print the story, a line for each thing that happened."""
    state, configured = chosen(args)

    async def tell() -> list[str]:
        from pileus.main.trace import story, told

        async with opened(state, configured.options) as db:
            return told(await story(db, state.log, args.request))

    print("\n".join(asyncio.run(tell())))
    return 0
