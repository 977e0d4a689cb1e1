"""What a new cloud is furnished with, once: flavors, the built-in image, metadata definitions, the external network.

It is done through the public APIs as the admin, and only at the first start: what a person deletes later stays deleted.
"""

import ipaddress
from collections.abc import Callable
from pathlib import Path

from pileus.main.client import Client
from pileus.main.settings import Settings
from pileus.main.state import State, write_whole

IMAGE = "pileus-guest"
# name, vcpus, RAM in MiB, disk in GiB
FLAVORS = (("m1.nano", 1, 128, 1), ("m1.tiny", 1, 512, 1), ("m1.small", 1, 2048, 20), ("m1.medium", 2, 4096, 40))
Say = Callable[[str], None]


def furnish(state: State, settings: Settings, admin: Client, image: Path | None, say: Say) -> None:
    """The cloud has what a person expects to find in it; each part is made only once."""
    done = state / "run" / "furnished"
    made = set(done.read_text().split()) if done.exists() else set()
    parts: dict[str, Callable[[], None]] = {}
    if "compute" in settings.services:
        parts["flavors"] = lambda: _flavors(admin)
    if "image" in settings.services and image is not None:
        parts["image"] = lambda: _image(admin, image)
    if "image" in settings.services:
        parts["metadefs"] = lambda: metadefs(admin)
    if "network" in settings.services:
        parts["external"] = lambda: _external(settings, admin)
    for name, make in parts.items():
        if name not in made:
            say(f"furnishing the cloud: {name}")
            make()
            made.add(name)
            write_whole(done, "\n".join(sorted(made)))


def _flavors(admin: Client) -> None:
    for number, (name, vcpus, ram, disk) in enumerate(FLAVORS, 1):
        if admin.by_name("compute", "/flavors", "flavors", name) is None:
            flavor = {"id": str(number), "name": name, "vcpus": vcpus, "ram": ram, "disk": disk}
            admin.post("compute", "/flavors", {"flavor": flavor})


def _image(admin: Client, image: Path) -> None:
    found = admin.by_name("image", "/v2/images", "images", IMAGE)
    if found is None:
        about = {"name": IMAGE, "disk_format": "qcow2", "container_format": "bare", "visibility": "public"}
        # Its own agent takes passwords, and keeps its disk still while that is copied.
        about |= {"hw_qemu_guest_agent": "yes"}
        found = admin.post("image", "/v2/images", about)
    if found["status"] == "queued":
        admin.upload("image", f"/v2/images/{found['id']}/file", image)


def metadefs(admin: Client) -> None:
    """The usual catalog of metadata definitions is there; namespaces that are there already are left alone."""
    from pileus.main.metadefs import catalog

    path = "/v2/metadefs/namespaces"
    known = {space["namespace"] for space in admin.get("image", path, limit="1000")["namespaces"]}
    for space in catalog():
        if space["namespace"] not in known:
            admin.post("image", path, space)


def _external(settings: Settings, admin: Client) -> None:
    external = settings.external
    network = admin.by_name("network", "/v2.0/networks", "networks", external.name)
    if network is None:
        about = {
            "name": external.name,
            "router:external": True,
            "provider:network_type": "flat",
            "provider:physical_network": external.physical_network,
        }
        network = admin.post("network", "/v2.0/networks", {"network": about})["network"]
    if not network["subnets"]:
        block = ipaddress.ip_network(external.cidr)
        subnet = {
            "name": f"{external.name}-subnet",
            "network_id": network["id"],
            "ip_version": 4,
            "cidr": external.cidr,
            "gateway_ip": str(block[1]),
            "enable_dhcp": False,
            "allocation_pools": [{"start": str(block[10]), "end": str(block[-6])}],
        }
        admin.post("network", "/v2.0/subnets", {"subnet": subnet})
