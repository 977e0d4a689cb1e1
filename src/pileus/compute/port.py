"""What compute promises the rest of the cloud: answers for guests that ask about themselves."""

from collections.abc import Mapping

import msgspec

from pileus.compute.app import Compute
from pileus.compute.models.guests import (
    EC2_DATES,
    OPENSTACK_DATES,
    Guest,
    ec2_tree,
    listing,
    meta_data,
    network_data,
)
from pileus.compute.store.servers import server_find
from pileus.ports.metadata import Answer

JSON = "application/json"
OCTETS = "application/octet-stream"
MISSING = Answer(404, body=b"404 Not Found\n")
LATEST = "latest"


class GuestAnswers:
    """Implements pileus.ports.metadata.MetadataAnswers."""

    def __init__(self, app: Compute) -> None:
        self._app = app

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str]
    ) -> Answer:
        """The answer for the guest that has the address on the network; what it asks besides reading is refused."""
        if method not in {"GET", "HEAD"}:
            return Answer(405, body=b"405 Method Not Allowed\n")
        guest = await self._guest(network_id, source_ip)
        if guest is None:
            return MISSING
        parts = [part for part in path.partition("?")[0].split("/") if part]
        if parts[:1] == ["openstack"]:
            return openstack(guest, parts[1:])
        return ec2(guest, parts)

    async def _guest(self, network_id: str, source_ip: str) -> Guest | None:
        id = await self._app.networks.server_at(network_id, source_ip)
        server = await server_find(self._app, id) if id is not None else None
        if server is None:
            return None
        ports = (await self._app.networks.ports_of([server.id])).get(server.id, ())
        return Guest(server, ports, self._app.config.zone)


def openstack(guest: Guest, parts: list[str]) -> Answer:
    """What is below /openstack."""
    if not parts:
        return _text("\n".join([*OPENSTACK_DATES, LATEST]))
    if parts[0] not in {*OPENSTACK_DATES, LATEST}:
        return MISSING
    user_data = guest.user_data
    match parts[1:]:
        case []:
            names = ["meta_data.json", "vendor_data.json", "network_data.json", "vendor_data2.json"]
            return _text("\n".join([*names, "user_data"] if user_data is not None else names))
        case ["meta_data.json"]:
            return Answer(200, JSON, msgspec.json.encode(meta_data(guest)))
        case ["network_data.json"]:
            return Answer(200, JSON, msgspec.json.encode(network_data(guest)))
        case ["vendor_data.json" | "vendor_data2.json"]:
            return Answer(200, JSON, b"{}")
        case ["user_data"] if user_data is not None:
            return Answer(200, OCTETS, user_data)
        case _:
            return MISSING


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
