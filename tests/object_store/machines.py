"""Several machines of one cluster in one process: each with devices of its own, talking over loopback and mutual TLS."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.object_store.world import Service, Tokens

from pileus.kit.clock import Clock
from pileus.main import object_certificates as certificates
from pileus.main.host_certificates import key_of
from pileus.main.state import State
from pileus.object_store import manifest
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.storage.keeper import Offered
from pileus.object_store.storage.published import Reached


class Machines(Service):
    """The first controller, which is asked as any Service is, and hosts that gave it their disks."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.state = State(folder / "first")
        self.hosts: dict[str, ObjectStoreApp] = {}
        super().__init__(folder, tls=certificates.ClientTls(self.state), **options)

    async def open(self, address: str = "127.0.0.1") -> Reached:
        """The first controller answers the others."""
        certificates.ensure_controller(self.state)
        port = await self.app.channel.listen(address, 0, certificates.server_tls(self.state))
        reached = Reached(address, port)
        assert self.app.keeper is not None
        self.app.keeper.place("", reached)
        return reached

    async def join(self, name: str, first: Reached, disks: int = 1) -> ObjectStoreApp:
        """The host's disks are in the rings, and it answers."""
        state = State(self.folder / name)
        request = certificates.request(state, name)
        certificates.keep(state, certificates.grant(self.state, request, name))
        devices = tuple(str(self.folder / name / f"disk{at}") for at in range(disks))
        app = elsewhere(self.clock, state, first, host=name, devices=devices)
        self.hosts[name] = app
        port = await app.channel.listen("127.0.0.1", 0, certificates.server_tls(state))
        reached = Reached("127.0.0.1", port, sha256(key_of(request)).hexdigest())
        assert self.app.keeper is not None
        self.app.keeper.offer(name, [Offered(device, 1.0) for device in devices], reached)
        await self.know()
        return app

    @staticmethod
    def over(machines: Service, app: ObjectStoreApp) -> Service:
        """Another machine's API, to be asked as a Service; whoever made it closes it."""
        asking = Service.__new__(Service)
        asking.folder, asking.clock, asking.app = machines.folder, machines.clock, app
        asking.api = manifest.api(app)
        return asking

    async def know(self) -> None:
        """Every host knows the newest rings."""
        for app in self.hosts.values():
            app.atlas.take(self.app.atlas.cluster)
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Nothing is open anywhere."""
        for app in self.hosts.values():
            await app.close()
        await super().close()


def elsewhere(
    clock: Clock, state: State, first: Reached, *, host: str | None, devices: tuple[str, ...] = (), **options: Any
) -> ObjectStoreApp:
    """Object storage on another machine."""
    return manifest.build_elsewhere(
        people=Tokens(),
        clock=clock,
        state=state / "objects",
        config=ObjectStoreConfig(devices=devices, disk_threads=4, **options),
        host=host,
        seed=first,
        tls=certificates.ClientTls(state),
    )
