"""Which servers a list holds."""

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pileus.compute import errors
from pileus.compute.api.service import time_asked
from pileus.compute.app import Compute
from pileus.compute.models.patterns import WildPattern, tame
from pileus.compute.models.servers import KNOWN_STATUSES
from pileus.kit.db import Ge, In, Le, Like, Matches, Not
from pileus.kit.http import Call, F, Query
from pileus.ports.network import Address


class ServerQuery(Query):
    """What servers are chosen by."""

    # Names that lists of servers always took and did nothing with.
    __idle__: ClassVar[frozenset[str]] = frozenset({
        "auto_disk_config", "created_at", "display_description", "image_ref", "instance_type_id", "kernel_id", "launched_at",
        "locked_by", "power_state", "progress", "ramdisk_id", "root_device_name", "terminated_at",
    })  # fmt: skip
    name: str | None = None
    display_name: str | None = None
    node: str | None = None
    launch_index: int | None = None
    soft_deleted: str | None = None
    status: list[str] = []
    vm_state: str | None = None
    task_state: str | None = None
    host: str | None = None
    flavor: str | None = None
    image: str | None = None
    ip: str | None = None
    ip6: str | None = None
    all_tenants: str | None = None
    tenant_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    uuid: str | None = None
    reservation_id: str | None = None
    key_name: str | None = None
    hostname: str | None = None
    description: str | None = None
    availability_zone: str | None = None
    config_drive: bool | None = None
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    deleted: str | None = None
    changes_since: Annotated[str | None, F("changes-since")] = None
    changes_before: Annotated[str | None, F("changes-before", since="2.66")] = None
    locked: Annotated[bool | None, F(since="2.73")] = None
    tags: Annotated[str | None, F(since="2.26")] = None
    tags_any: Annotated[str | None, F("tags-any", since="2.26")] = None
    not_tags: Annotated[str | None, F("not-tags", since="2.26")] = None
    not_tags_any: Annotated[str | None, F("not-tags-any", since="2.26")] = None


TRUE = {"1", "true", "yes", "on", "t", "y", ""}
FALSE = {"0", "false", "no", "off", "f", "n"}


def scope(call: Call[Compute], query: ServerQuery, everywhere: str) -> dict[str, Any]:
    """Whose servers: the caller's project's, unless an admin asks for more."""
    text = (query.all_tenants or "").strip().lower()
    if query.all_tenants is not None and text not in TRUE | FALSE:
        raise errors.BadRequest(why=f"Invalid value '{query.all_tenants}' for all_tenants: it is true or false.")
    chosen = query.project_id or query.tenant_id
    if query.all_tenants is not None and text in TRUE:
        call.require(everywhere)
        return {"project_id": chosen} if chosen else {}
    # Without all_tenants a project that is named is not looked at: clients know the list as their own then.
    return {"project_id": call.caller.project_id or ""}


def filters(call: Call[Compute], query: ServerQuery) -> dict[str, Any]:
    """By what else; what only admins may filter by is left aside for others."""
    where: dict[str, Any] = dict(_by_time(query))
    free = call.allows("os_compute_api:servers:allow_all_filters")
    plain = {
        "id": query.uuid,
        "flavor": query.flavor,
        "image": query.image.rpartition("/")[2] if query.image else None,
        "reservation_id": query.reservation_id,
        "key_name": query.key_name,
        "hostname": query.hostname,
        "zone": query.availability_zone,
        "access_ipv4": query.access_ip_v4,
        "access_ipv6": query.access_ip_v6,
        "user_id": query.user_id,
        "host": (query.host or query.node) if free else None,
        "launch_index": query.launch_index,
        "config_drive": query.config_drive,
        "vm_state": query.vm_state,
        "task_state": query.task_state,
    }
    where |= {name: value for name, value in plain.items() if value is not None}
    name = query.name or query.display_name
    if name:
        where["name"] = Matches(_checked("name", name))
    if query.description:
        where["description"] = Matches(_checked("description", query.description))
    if query.status:
        where["status"] = In(_statuses(call, query.status))
    if query.locked is not None:
        where["locked_by"] = Not(None) if query.locked else None
    return where | _by_tags(query)


def matching_address(query: ServerQuery) -> Callable[[Address], bool] | None:
    """Whether an address is one the query is after; None if it is after none."""
    wanted = [(version, _checked(name, text)) for version, name, text in ((4, "ip", query.ip), (6, "ip6", query.ip6))
              if text is not None]  # fmt: skip
    if not wanted:
        return None
    patterns = [(version, re.compile(pattern)) for version, pattern in wanted]
    return lambda address: any(
        address.version == version and pattern.search(address.address) for version, pattern in patterns
    )


def _checked(name: str, pattern: str) -> str:
    try:
        return tame(pattern)
    except WildPattern as wild:
        raise errors.BadRequest(why=f"Invalid input for query parameters {name}: {wild}.") from None


def _statuses(call: Call[Compute], given: list[str]) -> list[str]:
    known = [status.upper() for status in given if status.upper() in KNOWN_STATUSES]
    if not known and call.version >= (2, 38):
        raise errors.BadRequest(
            why=f"Invalid status value: '{given[0]}' is none of {', '.join(sorted(KNOWN_STATUSES))}."
        )
    return known


def _by_time(query: ServerQuery) -> dict[str, Any]:
    where: dict[str, Any] = {"deleted_at": None}
    if query.deleted is not None and query.deleted.lower() in TRUE:
        where["deleted_at"] = Not(None)
    bounds: list[object] = []
    if query.changes_since is not None:
        # Whoever follows the changes has to hear of deletions too.
        where.pop("deleted_at")
        bounds.append(Ge(time_asked("changes-since", query.changes_since)))
    if query.changes_before is not None:
        where.pop("deleted_at", None)
        bounds.append(Le(time_asked("changes-before", query.changes_before)))
    if bounds:
        where["updated_at"] = tuple(bounds)
    return where


def _by_tags(query: ServerQuery) -> dict[str, Any]:
    parts: list[object] = [Like(contains=f'"{tag}"') for tag in _tags(query.tags)]
    if query.tags_any:
        parts.append(Matches(_any_of(query.tags_any)))
    if query.not_tags:
        parts.append(Not(tuple(Like(contains=f'"{tag}"') for tag in _tags(query.not_tags))))
    if query.not_tags_any:
        parts.append(Not(Matches(_any_of(query.not_tags_any))))
    return {"tags": tuple(parts)} if parts else {}


def _tags(text: str | None) -> list[str]:
    return [tag for tag in (text or "").split(",") if tag]


def _any_of(text: str) -> str:
    return '"(' + "|".join(re.escape(tag) for tag in _tags(text)) + ')"'
