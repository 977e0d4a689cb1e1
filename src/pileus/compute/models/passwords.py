"""Passwords that servers are given when they are made, rebuilt, rescued or evacuated, on their way to the guest."""

import datetime as dt

import msgspec

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0


class GivenPassword(msgspec.Struct, frozen=True, kw_only=True):
    """A password for a guest's administrator, sealed. `for_rescue`: for the system a server is rescued with, not its own.

    `reference` names this password among those the server had, for its host to ask for. `try_at`: when the guest's agent is
    to be told next; None when it has been, or there is none.
    """

    server_id: str
    for_rescue: bool
    reference: str
    sealed: str
    try_at: dt.datetime | None
    tries: int = 0
    given_at: dt.datetime


def pause_s(tries: int) -> float:
    """How long to wait after so many times in vain."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries, 10)))
