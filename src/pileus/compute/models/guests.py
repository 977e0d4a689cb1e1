"""What a guest may know of itself, in the two languages guests speak: OpenStack's and EC2's. Pure renderings."""

import base64
import hashlib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pileus.compute.models.servers import Server
from pileus.compute.models.volumes import ServerVolume, device_of
from pileus.ports.network import Address, PortFacts, SubnetFacts

# The dates by which guests name revisions of the documents; here all of them hold the newest.
OPENSTACK_DATES = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22",
                   "2018-08-27", "2020-10-14")  # fmt: skip
CONTENT = "content"  # below /openstack: the files a server was given
EC2_DATES = ("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
             "2009-04-04")  # fmt: skip


class Guest(msgspec.Struct, frozen=True):
    """All that is known of a guest that asks."""

    server: Server
    ports: Sequence[PortFacts]
    zone: str
    volumes: Sequence[ServerVolume] = ()
    subnets: Mapping[str, SubnetFacts] = {}

    @property
    def keys(self) -> dict[str, str]:
        """Public keys for SSH, by name; certificates are told of only in OpenStack's language."""
        key = self.server.key
        return {key.name: key.public_key} if key is not None and key.type == "ssh" else {}

    @property
    def user_data(self) -> bytes | None:
        """What the user gave for the guest to read."""
        text = self.server.user_data
        return None if text is None else base64.b64decode("".join(text.split()))

    def address(self, version: int, kind: str) -> str:
        """The first address of a kind, empty if there is none."""
        for port in self.ports:
            for address in port.addresses:
                if address.version == version and address.kind == kind:
                    return address.address
        return ""


def meta_data(guest: Guest) -> dict[str, Any]:
    """openstack/latest/meta_data.json."""
    server = guest.server
    document: dict[str, Any] = {
        "uuid": server.id,
        "name": server.name,
        "hostname": server.hostname,
        "availability_zone": guest.zone,
        "launch_index": server.launch_index,
        "project_id": server.project_id,
        "meta": server.metadata,
        "devices": _devices(guest),
        # Something to seed a guest's randomness with; it need not be secret, only its own.
        "random_seed": base64.b64encode(hashlib.sha512(server.id.encode()).digest()).decode(),
    }
    if guest.server.files:
        document["files"] = [
            {"path": file.path, "content_path": f"/{CONTENT}/{name}"}
            for file, name in zip(guest.server.files, contents(guest), strict=True)
        ]
    key = server.key
    if key is not None:
        document["public_keys"] = {key.name: key.public_key}
        document["keys"] = [{"name": key.name, "type": key.type, "data": key.public_key}]
    return document


def _devices(guest: Guest) -> list[dict[str, Any]]:
    """What of the guest's hardware has a tag. Where a card is on its bus only its host knows; its MAC tells it apart, and a
    disk its serial number."""
    tags = guest.server.card_tags
    disks = [
        {
            "type": "disk",
            "bus": "none",
            "address": "none",
            "serial": volume.serial,
            "path": volume.device,
            "tags": [volume.tag],
        }
        for volume in guest.volumes
        if volume.tag is not None
    ]
    cards = [
        {"type": "nic", "bus": "none", "address": "none", "mac": port.mac, "tags": [tags[port.id]]}
        for port in guest.ports
        if port.id in tags
    ]
    return [*cards, *disks]


def contents(guest: Guest) -> dict[str, bytes]:
    """The files a server was given, by the names under which guests read them."""
    return {f"{number:04}": base64.b64decode(file.contents) for number, file in enumerate(guest.server.files)}


def network_data(guest: Guest) -> dict[str, Any]:
    """openstack/latest/network_data.json."""
    links, networks = [], []
    servers = dict.fromkeys(server for subnet in guest.subnets.values() for server in subnet.servers)
    for number, port in enumerate(guest.ports):
        link = f"tap{port.id[:11]}"
        links.append({"id": link, "vif_id": port.id, "type": "ovs", "mtu": port.mtu, "ethernet_mac_address": port.mac})
        for address in port.addresses:
            if address.kind == "fixed":
                subnet = guest.subnets.get(address.subnet_id or "")
                known = {"id": f"network{number}", "link": link, "network_id": port.network_id}
                networks.append({**known, **_configured(address, subnet)})
    return {"links": links, "networks": networks, "services": _names(servers)}


def _configured(address: Address, subnet: SubnetFacts | None) -> dict[str, Any]:
    """How a guest comes by an address: it is answered when it asks, makes it itself, or is told all of it here."""
    family = f"ipv{address.version}"
    if subnet is None or (subnet.dhcp and subnet.mode is None):
        return {"type": f"{family}_dhcp"}
    routes = [("::/0" if address.version == 6 else "0.0.0.0/0", subnet.gateway)] if subnet.gateway else []
    return {
        "type": f"{family}_{subnet.mode}" if subnet.mode is not None else family,
        "ip_address": address.address,
        "netmask": str(ipaddress.ip_network(subnet.cidr).netmask),
        "routes": [_route(destination, hop) for destination, hop in (*routes, *subnet.routes)],
        "services": _names(subnet.servers),
    }


def _route(destination: str, hop: str) -> dict[str, str]:
    block = ipaddress.ip_network(destination)
    return {"network": str(block.network_address), "netmask": str(block.netmask), "gateway": hop}


def _names(servers: Iterable[str]) -> list[dict[str, str]]:
    return [{"type": "dns", "address": server} for server in servers]


def drive_files(guest: Guest) -> dict[str, bytes]:
    """What a config drive holds, by path: what the metadata service answers."""
    documents = {
        "meta_data.json": msgspec.json.encode(meta_data(guest)),
        "network_data.json": msgspec.json.encode(network_data(guest)),
        "vendor_data.json": b"{}",
        "vendor_data2.json": b"{}",
    }
    if guest.user_data is not None:
        documents["user_data"] = guest.user_data
    dates = (*OPENSTACK_DATES, "latest")
    found = {f"openstack/{date}/{name}": content for date in dates for name, content in documents.items()}
    return found | {f"openstack/{CONTENT}/{name}": content for name, content in contents(guest).items()}


def ec2_tree(guest: Guest) -> dict[str, Any]:
    """What is below latest/meta-data, as a tree: leaves are text."""
    server = guest.server
    number = int(server.id.replace("-", "")[:8], 16)
    floating = guest.address(4, "floating")
    groups = list(dict.fromkeys(name for port in guest.ports for name in port.security_groups))
    tree: dict[str, Any] = {
        "ami-id": f"ami-{server.image.id[:8]}" if server.image else "",
        "ami-launch-index": str(server.launch_index),
        "ami-manifest-path": "FIXME",
        "block-device-mapping": {"ami": server.root_device, "root": f"/dev/{server.root_device}", **_own_disks(guest)},
        "hostname": server.hostname,
        "instance-action": "none",
        "instance-id": f"i-{number:08x}",
        "instance-type": server.flavor.name,
        "local-hostname": server.hostname,
        "local-ipv4": guest.address(4, "fixed"),
        "placement": {"availability-zone": guest.zone},
        "public-hostname": server.hostname,
        "public-ipv4": floating,
        "reservation-id": server.reservation_id,
        "security-groups": "\n".join(groups),
    }
    if guest.keys:
        tree["public-keys"] = {str(at): {"openssh-key": data} for at, data in enumerate(guest.keys.values())}
    return tree


def _own_disks(guest: Guest) -> dict[str, str]:
    """What guests of old were told of the disks of their own: `ephemeral0` and so on, and `swap`."""
    found: dict[str, str] = {}
    for place, disk in enumerate(guest.server.further_disks, 1):
        found["swap" if disk.is_swap else f"ephemeral{len(found)}"] = device_of(place).removeprefix("/dev/")
    return found


def listing(guest: Guest, tree: Mapping[str, Any], *, keys: bool = False) -> str:
    """The names below a branch, one a line; branches end with a slash."""
    if keys:
        return "\n".join(f"{at}={name}" for at, name in enumerate(guest.keys))
    return "\n".join(f"{name}/" if isinstance(value, dict) else name for name, value in tree.items())
