"""The demonstration: a network, a router, a keypair, a server, a floating IP and a volume, made as a user would.

Every step finds what an earlier run left, so the demonstration can be repeated. It ends when the guest answers over its
floating IP and tells that it sees the volume.
"""

import http.client
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pileus.kit.errors import Problem
from pileus.main.client import Client, until
from pileus.main.seed import IMAGE
from pileus.main.settings import Settings
from pileus.main.state import State

Say = Callable[[str], None]
Json = dict[str, Any]

FLAVOR = "m1.nano"
ACTIVE_DEADLINE_S = 180.0
ANSWER_DEADLINE_S = 240.0
STORY_DEADLINE_S = 20.0
VOLUME_DEADLINE_S = 120.0
DISK_DEADLINE_S = 60.0
VOLUME_GIB = 1
SERIAL = 20  # as much of a volume's id as a disk shows
CONSOLE_LINES = 12
READY = "pileus-guest: ready"


class DemoFailed(Problem):
    """The demonstration failed while {step}: {why}

    {hint}"""


def demonstrate(state: State, settings: Settings, user: Client, say: Say) -> Json:
    """A guest answers over its floating IP and sees a volume; returns both, the address, console text and the key's file."""
    say("demo: keypair")
    key = _key(state)
    _keypair(user, key)
    say("demo: network, router and security group")
    network = _network(user)
    _router(user, settings.external.name, network["subnets"][0])
    group = _group(user)
    say("demo: server")
    server = _server(user, network["id"], group["name"])
    server = _active(user, server["id"], say)
    say("demo: floating IP")
    address = _floating(user, settings.external.name, server["id"])
    say(f"demo: waiting for the guest to answer at {address} (it boots; emulated, this takes some seconds)")
    greeting = _answer(user, server["id"], address)
    console = _booted(user, server["id"])
    shown = {"server": server, "address": address, "console": console, "key": str(key), "greeting": greeting}
    if "block_storage" in settings.services:
        say("demo: volume")
        volume = _volume(user)
        _attached(user, server["id"], volume)
        # A guest that greets is ours, and tells of its disks; another is not asked.
        shown |= {"volume": volume, "disk": _disk(address, volume) if greeting else ""}
    return shown


def _key(state: State) -> Path:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    path = state / "demo.key"
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        path.with_suffix(".pub").write_bytes(public + b" demo\n")
    return path


def _keypair(user: Client, key: Path) -> None:
    names = [item["keypair"]["name"] for item in user.get("compute", "/os-keypairs")["keypairs"]]
    if "demo" not in names:
        public = key.with_suffix(".pub").read_text().strip()
        user.post("compute", "/os-keypairs", {"keypair": {"name": "demo", "public_key": public, "type": "ssh"}})


def _network(user: Client) -> Json:
    network = user.by_name("network", "/v2.0/networks", "networks", "demo")
    if network is None:
        network = user.post("network", "/v2.0/networks", {"network": {"name": "demo"}})["network"]
    if not network["subnets"]:
        subnet = {"name": "demo", "network_id": network["id"], "ip_version": 4, "cidr": "10.77.0.0/24"}
        made = user.post("network", "/v2.0/subnets", {"subnet": subnet})["subnet"]
        network["subnets"] = [made["id"]]
    return network


def _router(user: Client, external: str, subnet: str) -> None:
    router = user.by_name("network", "/v2.0/routers", "routers", "demo")
    if router is None:
        outside = user.by_name("network", "/v2.0/networks", "networks", external)
        if outside is None:
            raise DemoFailed(step="making the router", why=f"there is no network '{external}'", hint="")
        about = {"name": "demo", "external_gateway_info": {"network_id": outside["id"]}}
        router = user.post("network", "/v2.0/routers", {"router": about})["router"]
    ports = user.get("network", "/v2.0/ports", device_id=router["id"], device_owner="network:router_interface")["ports"]
    if not ports:
        user.ask("PUT", "network", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})


def _group(user: Client) -> Json:
    group = user.by_name("network", "/v2.0/security-groups", "security_groups", "demo")
    if group is None:
        about = {"name": "demo", "description": "SSH, HTTP and ping from everywhere"}
        group = user.post("network", "/v2.0/security-groups", {"security_group": about})["security_group"]
    known = {(rule["protocol"], rule["port_range_min"]) for rule in group["security_group_rules"]}
    for protocol, port in (("tcp", 22), ("tcp", 80), ("icmp", None)):
        if (protocol, port) not in known:
            rule = {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4", "protocol": protocol}
            if port:
                rule |= {"port_range_min": port, "port_range_max": port}
            user.post("network", "/v2.0/security-group-rules", {"security_group_rule": rule})
    return group


def _server(user: Client, network: str, group: str) -> Json:
    found = user.by_name("compute", "/servers/detail", "servers", "demo")
    if found is not None:
        return found
    image = user.by_name("image", "/v2/images", "images", IMAGE)
    flavor = user.by_name("compute", "/flavors", "flavors", FLAVOR)
    if image is None or flavor is None:
        missing = f"image '{IMAGE}'" if image is None else f"flavor '{FLAVOR}'"
        raise DemoFailed(step="creating the server", why=f"there is no {missing}", hint="It was deleted; make it anew.")
    about = {
        "name": "demo",
        "imageRef": image["id"],
        "flavorRef": flavor["id"],
        "key_name": "demo",
        "networks": [{"uuid": network}],
        "security_groups": [{"name": group}],
    }
    return dict(user.post("compute", "/servers", {"server": about})["server"])


def _active(user: Client, id: str, say: Say) -> Json:
    told = ""
    for server in until(lambda: user.get("compute", f"/servers/{id}")["server"], ACTIVE_DEADLINE_S):
        doing = f"{server['status']} {server['OS-EXT-STS:task_state'] or ''}".strip()
        if doing != told:
            told = doing
            say(f"demo: server is {doing}")
        if server["status"] == "ACTIVE":
            return dict(server)
        if server["status"] == "SHUTOFF" and not server["OS-EXT-STS:task_state"]:
            user.ask("POST", "compute", f"/servers/{id}/action", {"os-start": None})
        if server["status"] == "ERROR":
            why = server.get("fault", {}).get("message", "no reason given")
            hint = f"See the server's story with: openstack server event list {id}"
            raise DemoFailed(step="starting the server", why=why, hint=hint)
    hint = "See the log, and whether the machine is busy."
    raise DemoFailed(step="starting the server", why=f"it is still {told}", hint=hint)


def _floating(user: Client, external: str, server: str) -> str:
    port = user.get("network", "/v2.0/ports", device_id=server)["ports"][0]["id"]
    found = user.get("network", "/v2.0/floatingips", port_id=port)["floatingips"]
    if not found:
        outside = user.by_name("network", "/v2.0/networks", "networks", external)
        assert outside is not None
        about = {"floating_network_id": outside["id"], "port_id": port}
        found = [user.post("network", "/v2.0/floatingips", {"floatingip": about})["floatingip"]]
    return str(found[0]["floating_ip_address"])


def _answer(user: Client, server: str, address: str) -> str:
    end = time.monotonic() + ANSWER_DEADLINE_S
    why = "nothing answered"
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(address, 80, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode(errors="replace")
        except OSError as failed:
            why = str(failed)
        finally:
            connection.close()
        if ssh_answers(address):
            return ""
        time.sleep(0.5)
    tail = "\n    ".join(_console(user, server).splitlines()[-CONSOLE_LINES:])
    raise DemoFailed(step=f"waiting for {address}", why=why, hint=f"The end of the guest's console:\n    {tail}")


def ssh_answers(address: str) -> bool:
    """Whether an SSH server greets at the address."""
    try:
        with socket.create_connection((address, 22), timeout=3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _volume(user: Client) -> str:
    """The id of the volume, which is there."""
    found = user.by_name("block-storage", "/volumes", "volumes", "demo")
    if found is None:
        found = user.post("block-storage", "/volumes", {"volume": {"name": "demo", "size": VOLUME_GIB}})["volume"]
    return _settled(user, found["id"], "making the volume", ("available", "in-use"))


def _settled(user: Client, id: str, step: str, wanted: tuple[str, ...]) -> str:
    status = ""
    for volume in until(lambda: user.get("block-storage", f"/volumes/{id}")["volume"], VOLUME_DEADLINE_S):
        status = volume["status"]
        if status in wanted:
            return id
        if status.startswith("error"):
            break
    hint = "Block storage says why: openstack volume message list"
    raise DemoFailed(step=step, why=f"volume {id} is {status}", hint=hint)


def _attached(user: Client, server: str, volume: str) -> None:
    path = f"/servers/{server}/os-volume_attachments"
    if volume not in [each["volumeId"] for each in user.get("compute", path)["volumeAttachments"]]:
        user.post("compute", path, {"volumeAttachment": {"volumeId": volume}})
    _settled(user, volume, "attaching the volume", ("in-use",))


def _disk(address: str, volume: str) -> str:
    """What the guest calls the volume, which it knows by the beginning of its id."""
    for told in until(lambda: _told(address), DISK_DEADLINE_S):
        for line in told.splitlines():
            word, _, rest = line.partition(" ")
            name, _, serial = rest.partition(" ")
            if word == "serial" and serial == volume[:SERIAL]:
                return str(name)
    hint = f"Look at http://{address}/cgi-bin/echo"
    raise DemoFailed(step="attaching the volume", why=f"the guest does not see volume {volume}", hint=hint)


def _told(address: str) -> str:
    connection = http.client.HTTPConnection(address, 80, timeout=5)
    try:
        connection.request("GET", "/cgi-bin/echo")
        return connection.getresponse().read().decode(errors="replace")
    except OSError:
        return ""
    finally:
        connection.close()


def _booted(user: Client, server: str) -> str:
    """The end of the console, when the guest has told its whole story there, or after a while."""
    console = ""
    for console in until(lambda: _console(user, server), STORY_DEADLINE_S):
        if READY in console:
            break
    return console


def _console(user: Client, server: str) -> str:
    answer = user.post("compute", f"/servers/{server}/action", {"os-getConsoleOutput": {"length": CONSOLE_LINES}})
    return str(answer["output"])
