"""`pileus join URL --token T`: this machine is a host of the cloud there. Without arguments: it goes on being one."""

import argparse
import asyncio
import os
import socket

from pileus.kit.errors import Conflict, Invalid, Problem
from pileus.main.commands.options import add_state, state_of
from pileus.main.joining import JoinedAlready, Membership, join, membership
from pileus.main.launch import start_host
from pileus.main.settings import remember_only
from pileus.main.state import State


class NeedsRoot(Problem):
    """QEMU and OVN with real networks need root; run `sudo ./pileus join ...`."""


class NotJoined(Invalid):
    """{state} has not joined a cloud; give the URL and the token that `pileus host token` printed."""


class IsCloud(Conflict):
    """{state} holds a cloud of its own, whose machine is a host already; choose another directory with --state."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    parser.add_argument("url", nargs="?", default="", metavar="URL", help="where the cloud lets hosts in")
    parser.add_argument("--token", default="", help="what `pileus host token` printed; or in $PILEUS_JOIN_TOKEN")
    parser.add_argument("--name", default="", help="this host's name in the cloud (this machine's)")
    parser.add_argument(
        "--device", action="append", default=[], metavar="DIR", help="a disk for object storage; may be repeated"
    )
    parser.add_argument(
        "--listen", default="", metavar="HOST:PORT", help="where others reach those disks (--address, port 5003)"
    )
    parser.add_argument(
        "--zone", type=int, default=1, help="of those disks: what fails together, in object storage's rings"
    )
    parser.add_argument("--region", type=int, default=1, help="likewise, one level up")
    parser.add_argument("--address", default="", help="this machine's address for tunnels (the one the cloud sees)")


def run(args: argparse.Namespace) -> int:
    """Join, or start again."""
    state = state_of(args)
    member = membership(state)
    if member is None:
        member = _join(state, args)
    elif args.url and args.url != member.url:
        raise JoinedAlready(state=state.path, host=member.host, url=member.url)
    real = "qemu" in member.cloud.compute or member.cloud.network == "ovn"
    if real and os.geteuid() != 0:
        raise NeedsRoot
    if real:
        _ensure_programs()
    pid = state.pid() or start_host(state)
    print(f"This machine is host {member.host} of the cloud at {member.url} (process {pid}).")
    print(f"  state        {state.path}")
    return 0


def _join(state: State, args: argparse.Namespace) -> Membership:
    token = args.token or os.environ.get("PILEUS_JOIN_TOKEN", "")
    if not args.url or not token:
        raise NotJoined(state=state.path)
    if state.database.exists():
        raise IsCloud(state=state.path)
    state.create()
    host = args.name or socket.gethostname()
    member = asyncio.run(join(state, args.url, token, host, args.address))
    given: dict[str, object] = {
        "host_name": member.host,
        "compute_driver": member.cloud.compute,
        "network_driver": member.cloud.network,
    }
    if args.device:
        devices = [os.path.abspath(device) for device in args.device]
        given |= {"object_store.devices": devices, "object_store.zone": args.zone, "object_store.region": args.region}
    if args.listen:
        given["object_store.listen"] = args.listen
    remember_only(state, given)
    return member


def _ensure_programs() -> None:
    from pileus.main import packages

    packages.ensure(packages.CLOUD)
