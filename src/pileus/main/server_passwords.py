"""Passwords for config drives, for a host from afar: by its channel to the controller.

A host gets a password only while its document for that very server names it.
"""

from collections.abc import Mapping

import msgspec

from pileus.compute.agent import KIND
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.dial import Dialler
from pileus.main.host_needs import NotYours
from pileus.ports.given_passwords import GivenPasswords

PASSWORD = "/v1/servers/{id}/password/{reference}"
FETCH_S = 30.0


class PasswordTold(msgspec.Struct, frozen=True):
    """What a server was given."""

    password: str


class PasswordRoutes:
    """Serves passwords to the hosts whose documents name them."""

    def __init__(self, hosts: Hosts, passwords: GivenPasswords) -> None:
        self._hosts = hosts
        self._passwords = passwords

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {("GET", PASSWORD): Route(self.tell)}

    async def tell(self, asked: Asked) -> Told:
        """The password of a server of the asking host."""
        wish = await self._hosts.wanted(asked.host, KIND, asked.path["id"])
        if wish is None or wish.gone or wish.body.get("password") != asked.path["reference"]:
            raise NotYours(host=asked.host)
        return Told(PasswordTold(await self._passwords.fetch(wish.id, asked.path["reference"])))


class FarPasswords:
    """Passwords by the channel; keeps pileus.ports.given_passwords.GivenPasswords."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler

    async def fetch(self, server_id: str, reference: str) -> str:
        """The password of that reference."""
        path = PASSWORD.format(id=server_id, reference=reference)
        return (await self._dialler.get(PasswordTold, path, deadline_s=FETCH_S)).password
