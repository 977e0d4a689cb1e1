"""The part of a joined host that keeps objects: its disks, served to the other machines, and the workers that look after them."""

import asyncio
import ssl
from pathlib import Path

import msgspec

from pileus.kit.auth import Caller
from pileus.kit.bus import LocalBus
from pileus.kit.clock import Clock
from pileus.kit.errors import Problem, Unauthorized
from pileus.kit.flow.standing import Reconcilers
from pileus.kit.hosts.dial import Dialler
from pileus.kit.observe.log import log_of
from pileus.main import object_certificates as certificates
from pileus.main.joining import Membership
from pileus.main.object_hosts import JOIN, PORT, Admitted, Offers, split
from pileus.main.settings import Settings
from pileus.main.state import State
from pileus.object_store import manifest
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.storage.published import FILE, FIRST, Atlas, Reached

log = log_of(__name__)

AGAIN_S = 5.0
OFFER_EVERY_S = 43_200.0  # renews the certificate as well


class Nobody:
    """On a host no API is served, so nobody comes with a token."""

    async def caller(self, token: str) -> Caller:
        """Nobody is known here."""
        raise Unauthorized


class JoinedObjects:
    """This host's disks in object storage. Without `devices` in its configuration there are none."""

    def __init__(self, state: State, settings: Settings, member: Membership, asks: Dialler, clock: Clock) -> None:
        self._state = state
        self._config = settings.object_store
        self._member = member
        self._asks = asks
        self._clock = clock
        self._app: ObjectStoreApp | None = None
        self._reconcilers: Reconcilers | None = None
        self._tls: ssl.SSLContext | None = None

    async def work(self) -> None:
        """Never returns; the disks are served, with what is known of the cluster if it cannot be asked."""
        if not self._config.devices:
            return
        admitted = await self._offer_until_known()
        await self._serve(admitted)
        while True:
            await asyncio.sleep(AGAIN_S if admitted is None else OFFER_EVERY_S)
            admitted = await self._offer()

    async def close(self) -> None:
        """Nothing is open; what is on the disks stays."""
        if self._reconcilers is not None:
            await self._reconcilers.stop()
        if self._app is not None:
            await self._app.close()

    async def _offer_until_known(self) -> Admitted | None:
        while True:
            admitted = await self._offer()
            if admitted is not None or Path(self._known).exists():
                return admitted
            await asyncio.sleep(AGAIN_S)

    @property
    def _known(self) -> Path:
        return self._state / "objects" / FILE

    @property
    def _where(self) -> tuple[str, int]:
        return split(self._config.listen or f"{self._member.address}:{PORT}")

    async def _offer(self) -> Admitted | None:
        """What the first controller answers to the offer of our disks; None when it cannot be asked now."""
        address, port = self._where
        request = certificates.request(self._state, self._member.host)
        offers = Offers(request, address, port, tuple(manifest.offered(self._config)))
        try:
            answer = await self._asks.ask("POST", JOIN, offers)
        except Problem as failed:
            log.warning("disks cannot be offered to object storage now", why=failed.message)
            return None
        admitted = msgspec.json.decode(answer, type=Admitted)
        certificates.keep(self._state, admitted.granted)
        if self._app is not None:
            self._app.atlas.take(admitted.cluster)
        if self._tls is not None:
            own = certificates.own(self._state)
            self._tls.load_cert_chain(own.certificate, own.key)
        return admitted

    async def _serve(self, admitted: Admitted | None) -> None:
        state = self._state / "objects"
        kept = Atlas.kept(state / FILE)
        cluster = admitted.cluster if admitted is not None else kept.cluster if kept is not None else None
        assert cluster is not None
        tls = certificates.ClientTls(self._state)
        self._app = app = manifest.build_elsewhere(
            people=Nobody(),
            clock=self._clock,
            state=state,
            config=self._config,
            host=self._member.host,
            seed=cluster.hosts.get(FIRST, Reached("", 0)),
            tls=tls,
        )
        app.atlas.take(cluster)
        address, port = self._where
        self._tls = certificates.server_tls(self._state)
        await app.channel.listen(address, port, self._tls)
        self._reconcilers = Reconcilers(manifest.standing(app), LocalBus(), self._clock)
        await self._reconcilers.start()
        log.info("disks are served", address=f"{address}:{port}", disks=len(self._config.devices))
