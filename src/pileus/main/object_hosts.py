"""How hosts that joined give disks to object storage: the first controller lets them in, and tells everybody where they are.

host: POST /v1/objects/join (certificate request, where it answers, its disks)  ->  certificate, authority, the cluster
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from pileus.kit.errors import Conflict, Unavailable
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.observe.log import log_of
from pileus.main import object_certificates as certificates
from pileus.main.host_certificates import key_of
from pileus.main.object_certificates import Granted
from pileus.main.state import State
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.storage.keeper import Offered
from pileus.object_store.storage.published import FIRST, Published, Reached

log = log_of(__name__)

JOIN = "/v1/objects/join"
PORT = 5003  # of joined hosts, unless they say another


class KeepsObjects(Conflict):
    """Host {host} has {count} disk(s) in the rings of object storage; take them out first: `pileus ring remove DEVICE`."""


class NotServed(Unavailable):
    """This controller does not keep object storage's rings; ask the first one."""


class Offers(msgspec.Struct, frozen=True):
    """What a host gives: its disks, and where it answers. The request is PEM, for its certificate on this channel."""

    request: str
    address: str
    port: int
    devices: tuple[Offered, ...]


class Admitted(msgspec.Struct, frozen=True):
    """What a host that gives disks gets."""

    granted: Granted
    cluster: Published


class ObjectHosts:
    """The first controller's side; on others, and without object storage, there is nobody to let in."""

    def __init__(self, state: State, app: ObjectStoreApp | None, listen: str) -> None:
        self._state = state
        self._app = app if app is not None and app.keeper is not None else None
        self._listen = listen
        self._gate: tuple[str, int] | None = None
        self._tls: Any = None

    async def gate_opened(self, address: str, port: int) -> None:
        """Hosts reach this controller there: its own disks are reached next to it, unless the configuration says where."""
        self._gate = (address, port)
        if self._app is not None and (self._app.atlas.where(FIRST) is not None or self._listen):
            await self._open(self._app)

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the gate serves to hosts."""
        return {("POST", JOIN): Route(self.join)}

    async def join(self, asked: Asked) -> Told:
        """The host's disks are in the rings."""
        app = self._app
        if app is None or app.keeper is None:
            raise NotServed
        await self._open(app)
        offers = asked.decoded(Offers)
        granted = certificates.grant(self._state, offers.request, asked.host)
        key = sha256(key_of(offers.request)).hexdigest()
        if app.keeper.offer(asked.host, offers.devices, Reached(offers.address, offers.port, key)):
            log.info("a host gives disks to object storage", host=asked.host, disks=len(offers.devices))
        return Told(Admitted(granted, app.atlas.cluster))

    def require_free(self, host: str) -> None:
        """The host keeps no objects; else raises KeepsObjects."""
        count = self._app.keeper.holds(host) if self._app is not None and self._app.keeper is not None else 0
        if count:
            raise KeepsObjects(host=host, count=count)

    async def forget(self, host: str) -> None:
        """The host is of object storage's cluster no more."""
        if self._app is not None and self._app.keeper is not None:
            self._app.keeper.expel(host)

    async def _open(self, app: ObjectStoreApp) -> None:
        """This controller's own disks are reached by the others."""
        assert app.keeper is not None
        if self._tls is not None:
            if certificates.is_due(self._state):
                found = certificates.ensure_controller(self._state)
                self._tls.load_cert_chain(found.certificate, found.key)
            return
        address, port = self._where()
        certificates.ensure_controller(self._state)
        tls = certificates.server_tls(self._state)
        await app.channel.listen(address, port, tls)
        self._tls = tls
        app.keeper.place(FIRST, Reached(address, port))
        log.info("this machine's disks are reached by others", address=f"{address}:{port}")

    def _where(self) -> tuple[str, int]:
        if self._listen:
            return split(self._listen)
        assert self._gate is not None
        return self._gate[0], self._gate[1] + 2


def split(given: str) -> tuple[str, int]:
    """Address and port of `HOST:PORT`."""
    address, _, port = given.rpartition(":")
    return address.strip("[]"), int(port)


def seed_of(given: str) -> Reached:
    """The first controller's disks, as the configuration says where they are."""
    return Reached(*split(given))
