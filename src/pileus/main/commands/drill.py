"""`pileus drill`: a throw-away cloud is killed at every step of what users ask for, and has to come back each time."""

import argparse
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.main.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pileus.main.client import Client
    from pileus.main.drill import Injected
    from pileus.main.drill_scene import Scene
    from pileus.main.drill_verbs import Chapter, Verb

REST_S = {"fake": 60.0, "qemu": 300.0}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--verbs", default=None, metavar="A,B", help="faults in these alone: boot, stop, resize, 'router create' ..."
    )
    parser.add_argument(
        "--part", choices=("servers", "volumes"), default="servers",
        help="what the faults are in: servers and networks, or volumes, whose servers have no network",
    )  # fmt: skip
    parser.add_argument("--real", action="store_true", help="with QEMU and OVN instead of the fakes; needs root")
    parser.add_argument(
        "--inside",
        action="store_true",
        help="with --real: only within the drivers of QEMU and OVN, where fakes have no place",
    )
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="all of it so often")
    parser.add_argument("--at-most", type=int, default=None, metavar="N", help="so many faults a round, evenly chosen")


def run(args: argparse.Namespace) -> int:
    """Print a line for each fault; 0 when the cloud survived them all."""
    from pileus.kit.flow import failpoint
    from pileus.main.drill import faults_file

    # Whoever ends a drill wants its cloud gone, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    path = Path(tempfile.mkdtemp(prefix="pl-", dir="/tmp"))
    path.chmod(0o755)  # a server runs as a user of its own and has to get at its disk
    compute = "qemu" if args.real else "fake"
    network = "ovn" if args.real and args.part == "servers" else "fake"
    (path / "config.toml").write_text("[volume_backends.file]\n[volume_backends.other]\n")
    address = f"127.0.0.1:{_free_port()}"
    failpoint.arm("")  # the cloud's, not ours
    os.environ[failpoint.VARIABLE] = f"@{faults_file(State(path))}"
    try:
        _pileus(path, "up", "--listen", address, "--compute", compute, "--network", network)
        return _drill(State(path), args)
    finally:
        _pileus(path, "destroy", "--yes")
        shutil.rmtree(path, ignore_errors=True)


def _drill(state: State, args: argparse.Namespace) -> int:
    from pileus.main.client import Client
    from pileus.main.drill import Drill, turns
    from pileus.main.drill_scene import Scene
    from pileus.main.drill_verbs import verbs
    from pileus.main.seed import IMAGE
    from pileus.main.settings import settings_of

    settings = settings_of(state, {}).options
    password = state.credentials().passwords["admin"]

    def log_in() -> Client:
        return Client(f"{settings.url}/identity/v3", "admin", password, "admin")

    volumes = args.part == "volumes"
    made_of = _boots_with(log_in(), network=not volumes)
    guest = log_in().by_name("image", "/v2/images", "images", IMAGE)  # fakes have none, and need none
    images = {"drill": str(made_of["imageRef"]), "guest": str((guest or {"id": made_of["imageRef"]})["id"])}
    scene = Scene(log_in, made_of, images, settings.external.name)
    if volumes:
        _with_volumes(scene, state if args.real else None)
    drill = Drill(state, settings, scene, rest_s=REST_S["qemu" if args.real else "fake"])
    drill.witnessed()
    found = _chapters(args.part)
    played = turns(found, _faults(args, verbs(found))) * args.rounds
    return _tell(drill.play(played))


def _chapters(part: str) -> "tuple[Chapter, ...]":
    from pileus.main.drill_verbs import chapters
    from pileus.main.drill_volumes import volume_chapters

    return volume_chapters() if part == "volumes" else chapters()


def _faults(args: argparse.Namespace, verbs: "tuple[Verb, ...]") -> dict[str, list[str]]:
    """Where each verb's cloud shall die."""
    from pileus.main.drill_verbs import faults

    only = args.verbs.split(",") if args.verbs else None
    every = [
        (verb.name, fault) for verb in verbs if only is None or verb.name in only
        for fault in (verb.real if args.inside else faults(verb, real=args.real))
    ]  # fmt: skip
    if args.at_most is not None and args.at_most < len(every):
        every = [every[number * len(every) // args.at_most] for number in range(args.at_most)]
    chosen: dict[str, list[str]] = {}
    for name, fault in every:
        chosen.setdefault(name, []).append(fault)
    return chosen


def _tell(played: "Iterator[Injected]") -> int:
    done: list[Injected] = []
    wrong = 0
    for one in played:
        wrong += bool(one.broken)
        if one.fault is not None:
            done.append(one)
            how = "killed" if one.died else "not reached"
            print(f"{one.verb:<24} {one.fault:<66} {how:<12} at rest after {one.at_rest_after_s:5.1f} s", flush=True)
        for broken in one.broken:
            print(f"    {one.verb}: {broken}", flush=True)
    print("---")
    for verb in dict.fromkeys(one.verb for one in done):
        killed = [one for one in done if one.verb == verb and one.died]
        print(f"{verb:<24} {len(killed):>3} faults, {sum(not one.broken for one in killed):>3} survived")
    died = [one for one in done if one.died]
    print(
        f"---\n{len(died)} faults injected, {sum(not one.broken for one in died)} survived;"
        f" {len(done) - len(died)} places not reached."
    )
    return 1 if wrong or not died else 0


def _boots_with(admin: "Client", *, network: bool) -> dict[str, object]:
    """What servers of the drill are made of: a guest of one sector, which runs at once and hears its power button."""
    from pileus.guest.sector import boot_sector

    image = _image(admin, "drill", boot_sector())
    if not network:
        return {"flavorRef": "1", "imageRef": image, "networks": "none"}
    made = admin.post("network", "/v2.0/networks", {"network": {"name": "drill"}})["network"]["id"]
    subnet = {"network_id": made, "ip_version": 4, "cidr": "10.66.0.0/20"}
    admin.post("network", "/v2.0/subnets", {"subnet": subnet})
    return {"flavorRef": "1", "imageRef": image, "networks": [{"uuid": made}]}


def _image(admin: "Client", name: str, content: bytes) -> str:
    made = admin.post("image", "/v2/images", {"name": name, "disk_format": "raw", "container_format": "bare"})
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        admin.upload("image", f"/v2/images/{made['id']}/file", Path(file.name))
    return str(made["id"])


def _with_volumes(scene: "Scene", state: State | None) -> None:
    """There is a volume type for each back end, and noise to make volumes of; files of them only where `state` is given."""
    from pileus.main.drill_files import NOISE, VolumeFolders
    from pileus.main.drill_volumes import HERE, THERE

    for name, backend in ((HERE, "file"), (THERE, "other")):
        about = {"name": name, "extra_specs": {"volume_backend_name": backend}}
        scene.client.post("block-storage", "/types", {"volume_type": about})
    noise = os.urandom(NOISE)
    scene.images = {**scene.images, "noise": _image(scene.client, "noise", noise)}
    if state is not None:
        folder = state / "volumes"
        roots = (folder, folder / "backends" / "other")
        scene.folders = VolumeFolders(roots, hashlib.sha256(noise).hexdigest())


def _pileus(path: Path, command: str, *arguments: str) -> None:
    argv = [sys.executable, "-m", "pileus.main.cli", command, "--state", str(path), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
