"""Aggregates: hosts an admin put together, to say something of all of them; one with a zone makes an availability zone."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

SCOPE = "aggregate_instance_extra_specs:"


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """An aggregate: its row, and the hosts in it."""

    number: int = 0
    id: str
    name: str
    zone: str | None = None
    metadata: dict[str, str] = {}
    created_at: dt.datetime
    updated_at: dt.datetime | None = None
    hosts: tuple[str, ...] = ()


def zones_of(aggregates: Sequence[Aggregate]) -> dict[str, str]:
    """The zone of each host that is in one."""
    return {host: each.zone for each in aggregates if each.zone is not None for host in each.hosts}


def unfit_by_specs(aggregates: Sequence[Aggregate], specs: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
    """Why hosts do not have what a flavor asks of their aggregates: each key with one of its values."""
    asked = {key.removeprefix(SCOPE): value for key, value in specs.items() if key.startswith(SCOPE)}
    if not asked:
        return {}
    found = {}
    for host in hosts:
        said: dict[str, set[str]] = {}
        for each in aggregates:
            if host in each.hosts:
                for key, value in each.metadata.items():
                    said.setdefault(key, set()).update(part.strip() for part in value.split(","))
        lacking = [f"{key}={value}" for key, value in asked.items() if not _has(said.get(key, set()), value)]
        if lacking:
            found[host] = f"is in no aggregate with {', '.join(lacking)}"
    return found


def _has(values: set[str], asked: str) -> bool:
    # `<or> a <or> b` is how flavors ask for one of several.
    wanted = {part.strip() for part in asked.split("<or>") if part.strip()}
    return bool(values & wanted)
