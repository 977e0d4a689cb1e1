"""`pileus env`: what makes an OpenStack client a user of this cloud."""

import argparse

from pileus.main.commands.options import add_state, chosen
from pileus.main.credentials import USERS, exports


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    parser.add_argument("user", nargs="?", default="admin", choices=USERS, help="whose settings (admin)")


def run(args: argparse.Namespace) -> int:
    """Print `export OS_…` lines; use with eval."""
    state, configured = chosen(args)
    print(exports(state, configured.options, args.user), end="")
    return 0
