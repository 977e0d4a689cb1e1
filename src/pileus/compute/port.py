"""What compute promises the rest of the cloud: answers for guests that ask about themselves, and what users of volumes have to do."""

from collections.abc import Mapping

import msgspec

from pileus.compute.app import Compute
from pileus.compute.commands.volumes import take_volume_along, volume_extended
from pileus.compute.errors import NoSuchThing
from pileus.compute.models.guests import (
    CONTENT,
    EC2_DATES,
    OPENSTACK_DATES,
    Guest,
    contents,
    ec2_tree,
    listing,
    meta_data,
    network_data,
)
from pileus.compute.store.passwords import password_find
from pileus.compute.store.servers import server_find, server_take_password
from pileus.compute.store.volumes import volume_find, volume_list
from pileus.ports.metadata import Answer
from pileus.ports.servers import Taken

JSON = "application/json"
OCTETS = "application/octet-stream"
MISSING = Answer(404, body=b"404 Not Found\n")
LATEST = "latest"
MOST_PASSWORD = 255  # bytes


class Holders:
    """Implements pileus.ports.servers.VolumeHolders."""

    def __init__(self, app: Compute) -> None:
        self._app = app

    async def attachment_of(self, server_id: str, volume_id: str) -> str | None:
        """The attachment by which the server has the volume; None when it has it not."""
        found = await volume_find(self._app, server_id, volume_id)
        return None if found is None else found.attachment_id

    async def extended(self, server_id: str, volume_id: str) -> None:
        """The server's host is told how large the volume is now, and so is the guest."""
        server = await server_find(self._app, server_id)
        if server is not None:
            await volume_extended(self._app, server, volume_id)

    async def take_along(self, server_id: str, volume_id: str, edition: int) -> Taken:
        """The server has, or is getting, the volume where it is on its way to."""
        server = await server_find(self._app, server_id)
        if server is None:
            return Taken(failed="the server is gone")
        return await take_volume_along(self._app, server, volume_id, edition)

    async def let_be(self, server_id: str, volume_id: str) -> bool:
        """Whether the server is not, or no more, about to have the volume elsewhere."""
        volume = await volume_find(self._app, server_id, volume_id)
        if volume is None or volume.successor is None:
            return True
        op = await self._app.engine.open(f"server:{server_id}")
        if op is not None and op.flow == "server.swap_volume":
            await self._app.engine.turn_back(op.id, "The volume stays where it is.")
        return False

    async def host_of(self, server_id: str, project_id: str) -> str | None:
        """The host of that project's server."""
        server = await server_find(self._app, server_id)
        return server.host if server is not None and server.project_id == project_id else None

    async def has(self, server_id: str, volume_id: str) -> int | None:
        """Which edition of the volume the server has."""
        volume = await volume_find(self._app, server_id, volume_id)
        return None if volume is None else volume.edition


class PasswordsOfServers:
    """Implements pileus.ports.given_passwords.GivenPasswords."""

    def __init__(self, app: Compute) -> None:
        self._app = app

    async def fetch(self, server_id: str, reference: str) -> str:
        """The password of that reference; raises NoSuchThing when another took its place, or its key is gone."""
        for rescue in (False, True):
            given = await password_find(self._app, server_id, rescue=rescue)
            opened = self._app.vault.open(given.sealed) if given is not None and given.reference == reference else None
            if opened is not None:
                return opened.decode()
        raise NoSuchThing(what="Password of server", id=server_id)


class GuestAnswers:
    """Implements pileus.ports.metadata.MetadataAnswers."""

    def __init__(self, app: Compute) -> None:
        self._app = app

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """The answer for the guest that has the address on the network; it may read, and post its password once."""
        guest = await self._guest(network_id, source_ip)
        if guest is None:
            return MISSING
        parts = [part for part in path.partition("?")[0].split("/") if part]
        if method == "POST" and _names_password(parts):
            return await self._take_password(guest, body)
        if method not in {"GET", "HEAD"}:
            return Answer(405, body=b"405 Method Not Allowed\n")
        if parts[:1] == ["openstack"]:
            return openstack(guest, parts[1:])
        return ec2(guest, parts)

    async def _take_password(self, guest: Guest, password: bytes) -> Answer:
        if len(password) > MOST_PASSWORD:
            return Answer(400, body=b"400 Bad Request\n")
        text = password.decode(errors="replace")
        if not await server_take_password(self._app, guest.server.id, text):
            return Answer(409, body=b"409 Conflict: the password is set already\n")
        return Answer(200)

    async def _guest(self, network_id: str, source_ip: str) -> Guest | None:
        id = await self._app.networks.server_at(network_id, source_ip)
        server = await server_find(self._app, id) if id is not None else None
        if server is None:
            return None
        ports = (await self._app.networks.ports_of([server.id])).get(server.id, ())
        volumes = await volume_list(self._app, server.id)
        subnets = await self._app.networks.subnets_of(ports)
        return Guest(server, ports, self._app.config.zone, volumes, subnets)


def _names_password(parts: list[str]) -> bool:
    return parts[:1] == ["openstack"] and parts[1:2] != [OPENSTACK_DATES[0]] and parts[2:] == ["password"]


def openstack(guest: Guest, parts: list[str]) -> Answer:
    """What is below /openstack."""
    if not parts:
        return _text("\n".join([*OPENSTACK_DATES, LATEST]))
    if parts[0] == CONTENT:
        return _content(guest, parts[1:])
    if parts[0] not in {*OPENSTACK_DATES, LATEST} or len(parts) > 2:
        return MISSING
    return _documents(guest, *parts[1:])


def _documents(guest: Guest, name: str = "") -> Answer:
    user_data = guest.user_data
    match name:
        case "":
            names = ["meta_data.json", "vendor_data.json", "network_data.json", "vendor_data2.json", "password"]
            return _text("\n".join([*names, "user_data"] if user_data is not None else names))
        case "meta_data.json":
            return Answer(200, JSON, msgspec.json.encode(meta_data(guest)))
        case "network_data.json":
            return Answer(200, JSON, msgspec.json.encode(network_data(guest)))
        case "vendor_data.json" | "vendor_data2.json":
            return Answer(200, JSON, b"{}")
        case "user_data" if user_data is not None:
            return Answer(200, OCTETS, user_data)
        case "password":
            return _text(guest.server.password or "")
        case _:
            return MISSING


def _content(guest: Guest, parts: list[str]) -> Answer:
    files = contents(guest)
    return Answer(200, OCTETS, files[parts[0]]) if len(parts) == 1 and parts[0] in files else MISSING


def ec2(guest: Guest, parts: list[str]) -> Answer:
    """What is at the root, as EC2 has it."""
    if not parts:
        return _text("\n".join([*EC2_DATES, LATEST]))
    if parts[0] not in {*EC2_DATES, LATEST}:
        return MISSING
    user_data = guest.user_data
    match parts[1:]:
        case []:
            return _text("meta-data/\nuser-data" if user_data is not None else "meta-data/")
        case ["user-data"] if user_data is not None:
            return Answer(200, OCTETS, user_data)
        case ["meta-data", *rest]:
            return _branch(guest, rest)
        case _:
            return MISSING


def _branch(guest: Guest, path: list[str]) -> Answer:
    found = ec2_tree(guest)
    for part in path:
        # Guests ask for public-keys/0=name too, since that is how the list shows them.
        value = found.get(part.partition("=")[0]) if path[0] == "public-keys" else found.get(part)
        if value is None:
            return MISSING
        if isinstance(value, str):
            return _text(value) if part == path[-1] else MISSING
        found = value
    return _text(listing(guest, found, keys=path == ["public-keys"]))


def _text(text: str) -> Answer:
    return Answer(200, body=text.encode())
