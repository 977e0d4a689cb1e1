"""The controller's routes for hosts from afar: the exchange, with the caller's certificate in place of a host's name."""

from collections.abc import Mapping

from pileus.kit.errors import Invalid
from pileus.kit.hosts.channel import Asked, Route, Told
from pileus.kit.hosts.exchange import Body, Exchange, Report
from pileus.kit.hosts.remote import FACTS, REPORTS, WANTED

LONGEST_S = 30.0


class BadNumber(Invalid):
    """`{name}` is not a number: '{given}'."""


class ExchangeRoutes:
    """Hands what hosts ask to the exchange of this process; each host can only ask for itself."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """What the channel is to serve."""
        return {
            ("PUT", FACTS): Route(self.register),
            ("GET", WANTED): Route(self.wanted),
            ("POST", REPORTS): Route(self.report),
        }

    async def register(self, asked: Asked) -> Told:
        """The host that asks is known, with what it has and can."""
        await self._exchange.register(asked.host, asked.decoded(Body))
        return Told({})

    async def wanted(self, asked: Asked) -> Told:
        """What changed for the host that asks."""
        after, timeout_s = int(number(asked, "after")), number(asked, "timeout")
        return Told(await self._exchange.wanted(asked.host, after, max(0.0, min(timeout_s, LONGEST_S))))

    async def report(self, asked: Asked) -> Told:
        """What the host that asks has is known."""
        await self._exchange.report(asked.host, asked.decoded(Report))
        return Told({})


def number(asked: Asked, name: str) -> float:
    """A number of the query, 0 if it is not there; raises BadNumber."""
    given = asked.query.get(name, "0")
    try:
        return float(given)
    except ValueError:
        raise BadNumber(name=name, given=given) from None
