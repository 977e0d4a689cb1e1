"""Which controller each host listens to, and where the others find that one; and other addresses of which a cloud has one.

A controller that hears a host writes that down, once; what it wrote means nothing after that controller's own row is gone
(`kit.flow.leases`). With one controller there is nothing to know, and nothing is written.
"""

import msgspec
import sqlalchemy as sa

from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.kit.tables import cloud_addresses, controllers, host_listeners


class Listener(msgspec.Struct, frozen=True):
    """A host, the controller it listens to, and the address at which that one answers others; empty where it does not."""

    host: str
    controller: str
    address: str


NOTE = command(upsert(host_listeners, ["host"], ["controller", "address"]))
OF_HOST = query(
    sa.select(*host_listeners.c)
    .join(controllers, controllers.c.name == host_listeners.c.controller)
    .where(host_listeners.c.host == sa.bindparam("of_host")),
    Listener,
)
SAY = command(upsert(cloud_addresses, ["name"], ["address"]))
SAID = scalar(sa.select(cloud_addresses.c.address).where(cloud_addresses.c.name == sa.bindparam("of_name")), str)


class Listeners:
    """Who listens to whom, as the controller of that name sees it."""

    def __init__(self, db: Database, controller: str) -> None:
        self._db = db
        self._controller = controller
        self.address = ""  # where other controllers reach this one

    async def heard(self, host: str) -> None:
        """The host listens to this controller."""
        now = Listener(host, self._controller, self.address)
        if await self._db.one(OF_HOST, of_host=host) != now:
            await self._db.run(NOTE, host=host, controller=now.controller, address=now.address)

    async def elsewhere(self, host: str) -> Listener | None:
        """The other controller that the host listens to; None if that is this one, or nobody knows."""
        found = await self._db.one(OF_HOST, of_host=host)
        return None if found is None or found.controller == self._controller else found

    async def say(self, name: str, address: str) -> None:
        """The cloud has this at that address."""
        await self._db.run(SAY, name=name, address=address)

    async def said(self, name: str) -> str:
        """Where the cloud has it; empty if nobody said so."""
        return await self._db.one(SAID, of_name=name) or ""
