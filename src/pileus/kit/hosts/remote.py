"""The exchange from afar: an agent's calls are questions to a controller. The other end is `gate`."""

import asyncio

from pileus.kit.hosts.dial import DEADLINE_S, Dialler
from pileus.kit.hosts.exchange import Batch, Body, Report

WANTED = "/v1/wanted"
REPORTS = "/v1/reports"
FACTS = "/v1/facts"


class RemoteExchange:
    """Joins the agent of this machine to a controller elsewhere; the certificate says whose calls these are."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self.heard = asyncio.Event()  # set once a controller has said what is wanted

    async def register(self, host: str, facts: Body) -> None:
        """The host is known, with what it has and can."""
        await self._dialler.ask("PUT", FACTS, facts)

    async def wanted(self, host: str, after: int, timeout_s: float) -> Batch:
        """Return what changed after the cursor, waiting for it for a while; everything when `after` is 0."""
        path = f"{WANTED}?after={after}&timeout={timeout_s:g}"
        # A controller that does not answer soon after the time it was given is cut off, and is to be asked anew.
        batch = await self._dialler.get(Batch, path, deadline_s=timeout_s + DEADLINE_S / 4)
        self.heard.set()
        return batch

    async def report(self, host: str, report: Report) -> None:
        """The controllers know what the host has."""
        await self._dialler.ask("POST", REPORTS, report)
