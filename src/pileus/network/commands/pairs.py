"""Allowed address pairs: which other addresses a port's guest may use."""

import ipaddress
from collections.abc import Sequence

from pileus.network.errors import (
    AddressPairAndPortSecurityRequired,
    AddressPairsExhausted,
    DuplicateAddressPairInRequest,
    InvalidInput,
)
from pileus.network.models.resources import AddressPair

MAX_PAIRS = 10


def check_pairs(pairs: Sequence[AddressPair], *, secure: bool) -> None:
    """Raises unless these pairs may be allowed on a port."""
    if not pairs:
        return
    if not secure:
        raise AddressPairAndPortSecurityRequired
    if len(pairs) > MAX_PAIRS:
        raise AddressPairsExhausted(limit=MAX_PAIRS)
    seen = set()
    for pair in pairs:
        try:
            ipaddress.ip_network(pair.address)
        except ValueError:
            raise InvalidInput(why=f"'{pair.address}' is not an IP address or subnet") from None
        if pair in seen:
            raise DuplicateAddressPairInRequest(mac=pair.mac, address=pair.address)
        seen.add(pair)
