"""What runs on each host: makes servers as wanted, tells what is seen.

`ServerHandler` stands between kit/hosts' agent, which brings documents, and a hypervisor, which knows nothing of them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from pileus.compute.drivers.interface import Facts, Hypervisor, KeepsImages, Seen, Wanted
from pileus.kit.hosts.exchange import Body

KIND = "server"


class ServerHandler:
    """kit/hosts' Handler of documents of the kind `server`."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor

    def wake(self, look_again: Callable[[str, str], None]) -> None:
        """From now on `look_again(kind, id)` is called when a server changed by itself; `Agent.look_again` fits."""
        self._hypervisor.on_change(lambda id: look_again(KIND, id))

    async def observe(self) -> Mapping[str, Body]:
        """Every server on this host, wanted or not; those that run are adopted."""
        return {id: msgspec.to_builtins(seen) for id, seen in (await self._hypervisor.observe()).items()}

    async def ensure(self, id: str, body: Body, generation: int) -> Seen:
        """The server is, or is becoming, as the document says."""
        # A document may come from a newer controller: fields unknown here are left aside.
        await self._hypervisor.ensure(msgspec.convert({**body, "id": id}, Wanted))
        return await self._hypervisor.look(id)

    async def ensure_gone(self, id: str) -> None:
        """Nothing of the server is left on this host."""
        await self._hypervisor.ensure_gone(id)

    async def facts(self) -> Body:
        """What this host has to offer, for its registration."""
        facts: Body = msgspec.to_builtins(await self._hypervisor.facts())
        keeps_images = isinstance(self._hypervisor, KeepsImages)
        return {**facts, "booted_at": booted_at(Path("/proc/stat").read_text()), "keeps_images": keeps_images}


def booted_at(stat: str) -> int | None:
    """When the kernel came up, in seconds since the epoch, as it tells in /proc/stat; None if it does not."""
    return next((int(line.split()[1]) for line in stat.splitlines() if line.startswith("btime ")), None)


def seen_of(body: Body) -> Seen:
    """What a host's report says; power ABSENT if it says nothing yet."""
    return msgspec.convert(body, Seen)


def wanted_body(server: Wanted) -> Body:
    """The document's body for a server."""
    body: Body = msgspec.to_builtins(server)
    return body


__all__ = ["KIND", "Facts", "ServerHandler", "seen_of", "wanted_body"]
