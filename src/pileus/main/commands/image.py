"""`pileus image build`: the small guest that tests and tries boot from, made from the distribution's packages."""

import argparse
import asyncio
from pathlib import Path

from pileus.main.state import guest_cache


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="make the guest image, unless it is there already")
    build.add_argument("--output", type=Path, default=None, metavar="FILE", help="also write the disk image here")
    build.add_argument("--force", action="store_true", help="make it anew even if it is there")


def run(args: argparse.Namespace) -> int:
    """Make the image and say where it is."""
    from pileus.guest import build, make

    cache = guest_cache()
    if args.output is None:
        guest = asyncio.run(make(cache, print, anew=args.force))
        print(f"image:  {guest.image}")
    else:
        guest = asyncio.run(build(args.output, cache, print, anew=args.force))
        print(f"image:  {args.output}")
    print(f"kernel: {guest.kernel} ({guest.version})")
    print(f"initrd: {guest.initrd}")
    return 0
