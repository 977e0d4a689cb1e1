"""`pileus drill`: a throw-away cloud is killed at every step of a server's life, and has to come back each time."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.main.state import State

if TYPE_CHECKING:
    from pileus.main.client import Client
    from pileus.main.drill import Drill, Injected, Verb

REST_S = {"fake": 60.0, "qemu": 120.0}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--verbs", default=None, metavar="A,B", help="only these of boot, stop, start, reboot, delete")
    parser.add_argument("--real", action="store_true", help="with QEMU and OVN instead of the fakes; needs root")


def run(args: argparse.Namespace) -> int:
    """Print a line for each fault; 0 when the cloud survived them all."""
    path = Path(tempfile.mkdtemp(prefix="pl-", dir="/tmp"))
    path.chmod(0o755)  # a server runs as a user of its own and has to get at its disk
    drivers = ("qemu", "ovn") if args.real else ("fake", "fake")
    address = f"127.0.0.1:{_free_port()}"
    try:
        _pileus(path, "up", "--listen", address, "--compute", drivers[0], "--network", drivers[1])
        return _drill(State(path), REST_S[drivers[0]], args.verbs.split(",") if args.verbs else None)
    finally:
        _pileus(path, "destroy", "--yes")
        shutil.rmtree(path, ignore_errors=True)


def _drill(state: State, rest_s: float, only: list[str] | None) -> int:
    from pileus.main.client import Client
    from pileus.main.drill import Drill, verbs
    from pileus.main.settings import settings_of

    settings = settings_of(state, {}).options
    password = state.credentials().passwords["admin"]

    def log_in() -> Client:
        return Client(f"{settings.url}/identity/v3", "admin", password, "admin")

    drill = Drill(state, settings, log_in, _boots_with(log_in(), real=rest_s > 60), rest_s=rest_s, say=print)
    drill.witnessed()
    chosen = [verb for verb in verbs() if only is None or verb.name in {*only, "boot", "delete"}]
    return _tell(drill, chosen)


def _tell(drill: "Drill", chosen: list["Verb"]) -> int:
    done: list[Injected] = []
    for one in drill.play(chosen):
        if one.fault != "none":
            done.append(one)
        how = "killed" if one.died else "not reached"
        if one.fault != "none" or one.broken:
            print(f"{one.verb:<12} {one.fault:<58} {how:<12} at rest after {one.at_rest_after_s:5.1f} s", flush=True)
        for broken in one.broken:
            print(f"    {broken}", flush=True)
    injected = sum(one.died for one in done)
    wrong = sum(bool(one.broken) for one in done)
    print(f"---\n{injected} faults injected, {injected - wrong} survived; {len(done) - injected} places not reached.")
    return 1 if wrong or not injected else 0


def _boots_with(admin: "Client", *, real: bool) -> dict[str, object]:
    """What servers of the drill are made of: the built-in guest, or a small file a fake does not look into."""
    from pileus.main.seed import IMAGE

    network = admin.post("network", "/v2.0/networks", {"network": {"name": "drill"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.66.0.0/20"}
    admin.post("network", "/v2.0/subnets", {"subnet": subnet})
    if real:
        image = admin.by_name("image", "/v2/images", "images", IMAGE)
    else:
        about = {"name": "drill", "disk_format": "raw", "container_format": "bare"}
        image = admin.post("image", "/v2/images", about)
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(4096))
            file.flush()
            admin.upload("image", f"/v2/images/{image['id']}/file", Path(file.name))
    assert image is not None
    return {"flavorRef": "1", "imageRef": image["id"], "networks": [{"uuid": network}]}


def _pileus(path: Path, command: str, *arguments: str) -> None:
    argv = [sys.executable, "-m", "pileus.main.cli", command, "--state", str(path), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
