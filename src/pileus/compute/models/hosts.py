"""Hosts as places for servers."""

import datetime as dt
from collections.abc import Mapping

import msgspec


class HostFacts(msgspec.Struct, frozen=True):
    """What a host says of itself that matters for servers."""

    cpus: int = 0
    ram_mib: int = 0
    disk_gib: int = 0
    disk_free_gib: int = 0
    arch: str = "x86_64"
    hypervisor: str = "unknown"
    hypervisor_version: str = "0"
    accel: str = "none"
    abilities: tuple[str, ...] = ()  # what hosts of an earlier release lack
    keeps_images: bool = False  # fetches images ahead of servers
    booted_at: int | None = None  # seconds since the epoch


class ComputeHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host that runs servers: what it says, what an admin said of it, and what is claimed of it."""

    name: str
    number: int = 0  # its place among the hosts by name, which stood for it before 2.53
    facts: HostFacts
    zone: str
    up: bool
    last_heard: dt.datetime
    disabled: bool = False
    reason: str | None = None
    forced_down: bool = False
    used: Mapping[str, int] = {}


def uptime_text(facts: HostFacts, now: dt.datetime) -> str | None:
    """How long the host is up, in the words of the uptime program; None if it does not tell."""
    if facts.booted_at is None:
        return None
    minutes = max(0, int(now.timestamp()) - facts.booted_at) // 60
    days, rest = divmod(minutes, 24 * 60)
    told = f"{days} day{'' if days == 1 else 's'}, " if days else ""
    return f" {now:%H:%M:%S} up {told}{rest // 60:2}:{rest % 60:02}"


def version_number(text: str) -> int:
    """A version such as 7.2.17 as the one number clients expect: 7002017."""
    parts = [int(part) if part.isdigit() else 0 for part in [*text.split("."), "0", "0"][:3]]
    return parts[0] * 1_000_000 + parts[1] * 1000 + parts[2]
