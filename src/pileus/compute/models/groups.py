"""Server groups: servers that shall be together on a host, or apart."""

import datetime as dt
import enum

import msgspec


class GroupPolicy(enum.StrEnum):
    """How the servers of a group lie; the soft ones hold as far as there is room."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    SOFT_AFFINITY = "soft-affinity"
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"


class ServerGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group; its servers name it."""

    id: str
    name: str
    project_id: str
    user_id: str
    policy: GroupPolicy
    most_per_host: int | None = None
    created_at: dt.datetime


def unfit_for(group: ServerGroup, counts: dict[str, int], hosts: list[str]) -> dict[str, str]:
    """Why hosts may not take one more of the group's servers; `counts` says how many each host has."""
    if group.policy is GroupPolicy.AFFINITY and counts:
        home = ", ".join(sorted(counts))
        return {host: f"server group {group.name} is on {home}" for host in hosts if host not in counts}
    if group.policy is GroupPolicy.ANTI_AFFINITY:
        most = group.most_per_host or 1
        full = [host for host in hosts if counts.get(host, 0) >= most]
        return {
            host: f"has {counts[host]} of server group {group.name}, which allows {most} on a host" for host in full
        }
    return {}


def preferred(group: ServerGroup, counts: dict[str, int], hosts: list[str]) -> list[list[str]]:
    """The hosts in the order a soft policy would have them: those in one list are as good as each other."""
    if group.policy not in {GroupPolicy.SOFT_AFFINITY, GroupPolicy.SOFT_ANTI_AFFINITY}:
        return [hosts]
    many_first = group.policy is GroupPolicy.SOFT_AFFINITY
    levels = sorted({counts.get(host, 0) for host in hosts}, reverse=many_first)
    return [[host for host in hosts if counts.get(host, 0) == level] for level in levels]
