"""Hosts that are being emptied: what becomes of each server on them."""

import datetime as dt
import enum

import msgspec

from pileus.compute.models.servers import ServerState

LIVE = frozenset({ServerState.ACTIVE, ServerState.PAUSED})
COLD = frozenset({ServerState.ACTIVE, ServerState.STOPPED})
# What has to be done, by whom the server belongs to, before one in that state can move.
HINDERS = {
    ServerState.BUILDING: "it is being made",
    ServerState.SUSPENDED: "it is suspended: resume it",
    ServerState.RESCUED: "it is being rescued: unrescue it",
    ServerState.RESIZED: "it was resized or moved: confirm or revert that",
    ServerState.SHELVED: "it is shelved: unshelve it, or offload it",
    ServerState.ERROR: "it is in error: mend or delete it",
}


class Way(enum.StrEnum):
    """How a server leaves."""

    LIVE = "live"  # it runs meanwhile
    COLD = "cold"  # it stands still meanwhile
    NONE = "none"


class Left(enum.StrEnum):
    """How far a server has got."""

    MOVING = "moving"
    MOVED = "moved"
    STAYS = "stays"  # for now: it is tried again
    WAITS = "waits"  # it stayed, and is to be tried again now


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """A host that is being emptied. `live_only`: no server that runs is stopped for that."""

    host: str
    live_only: bool = False
    since: dt.datetime


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was on such a host. `operation` moves it, or did last; `why` it stays."""

    host: str
    server_id: str
    name: str
    way: Way = Way.NONE
    operation: str | None = None
    state: Left
    why: str | None = None
    updated_at: dt.datetime


def ways(state: ServerState, last: Way, *, live_only: bool) -> tuple[Way, ...]:
    """How a server in that state may leave, best first; a way that has just failed comes last."""
    found = [Way.LIVE] if state in LIVE else []
    if state in COLD and not (live_only and state in LIVE):
        found.append(Way.COLD)
    return tuple(sorted(found, key=lambda way: way is last))
