"""Which servers a list holds."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pileus.compute import errors
from pileus.compute.api.service import period_asked
from pileus.compute.app import Compute
from pileus.compute.models.patterns import WildPattern, tame
from pileus.compute.models.servers import KNOWN_STATUSES
from pileus.kit.db import Ge, In, Le, Like, Matches, Not
from pileus.kit.http import Call, F, Query, Version
from pileus.ports.network import Address


class ServerQuery(Query):
    """What servers are chosen by."""

    # Names that lists of servers always took and did nothing with.
    __idle__: ClassVar[frozenset[str]] = frozenset({
        "auto_disk_config", "created_at", "display_description", "image_ref", "instance_type_id", "kernel_id", "launched_at",
        "locked_by", "progress", "ramdisk_id", "root_device_name", "terminated_at",
    })  # fmt: skip
    name: str | None = None
    display_name: str | None = None
    node: str | None = None
    launch_index: int | None = None
    soft_deleted: str | None = None
    status: list[str] = []
    vm_state: str | None = None
    task_state: str | None = None
    power_state: int | None = None
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


# Since when all callers may choose by these; what is not here only those may who may use all filters, and from others it
# is left aside.
FREE: Mapping[str, Version] = {
    "reservation_id": Version(2, 1),
    "flavor": Version(2, 1),
    "image": Version(2, 1),
    "zone": Version(2, 83),
    "config_drive": Version(2, 83),
    "key_name": Version(2, 83),
    "power_state": Version(2, 83),
    "task_state": Version(2, 83),
    "user_id": Version(2, 83),
    "vm_state": Version(2, 83),
    "hostname": Version(2, 90),
}
LOCKS = Version(2, 73)
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
    all_of_them = call.allows("os_compute_api:servers:allow_all_filters")
    where: dict[str, Any] = dict(_by_time(query, deleted=_deleted(query, may=all_of_them)))
    plain = {
        "id": query.uuid,
        "flavor": query.flavor,
        "image": query.image.rpartition("/")[2] if query.image else None,
        "reservation_id": query.reservation_id,
        "key_name": query.key_name,
        "hostname": query.hostname,
        "zone": _zone(call, query.availability_zone),
        "access_ipv4": query.access_ip_v4,
        "access_ipv6": query.access_ip_v6,
        "user_id": query.user_id,
        "host": query.host or query.node,
        "launch_index": query.launch_index,
        "config_drive": query.config_drive,
        "vm_state": query.vm_state,
        "task_state": query.task_state,
    }
    where |= {
        name: value
        for name, value in plain.items()
        if value is not None and (all_of_them or (name in FREE and call.version >= FREE[name]))
    }
    name = query.name or query.display_name
    if name:
        where["name"] = Matches(_checked("name", name))
    if query.description and all_of_them:
        where["description"] = Matches(_checked("description", query.description))
    if query.status:
        where["status"] = In(_statuses(call, query.status))
    if query.locked is not None:
        where["locked_by"] = Not(None) if query.locked else None
    return where | _by_tags(query)


def _zone(call: Call[Compute], name: str | None) -> object:
    # A host that no aggregate puts in a zone is in the one of the configuration.
    return In([name, ""]) if name == call.app.config.zone else name


def _deleted(query: ServerQuery, *, may: bool) -> bool:
    """Whether deleted servers are asked for, by those who may see them."""
    if [status.upper() for status in query.status] == ["DELETED"]:
        if not may:
            raise errors.NotForTheCaller(why="Only administrators may list deleted instances")
        return True
    return may and query.deleted is not None and query.deleted.lower() in TRUE


def check_order(call: Call[Compute], sort: Sequence[tuple[str, str]]) -> None:
    """Raise unless the caller may have servers in that order; where they are only admins know."""
    for key, _ in sort:
        if key == "locked" and call.version < LOCKS:
            raise errors.BadRequest(why=f"Invalid input for query parameters sort_key. Value: {key}.")
        if key in {"host", "node"} and not call.caller.admin:
            raise errors.NotForTheCaller(why=f"Only administrators can sort servers by {key}")


def matching_power(call: Call[Compute], query: ServerQuery) -> int | None:
    """The power state that servers are to have, if one is asked for by somebody who may."""
    free = call.version >= FREE["power_state"] or call.allows("os_compute_api:servers:allow_all_filters")
    return query.power_state if free else None


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


def _by_time(query: ServerQuery, *, deleted: bool) -> dict[str, Any]:
    since, before = period_asked(query.changes_since, query.changes_before)
    bounds: list[object] = [form for form, at in ((Ge(since), since), (Le(before), before)) if at is not None]
    where: dict[str, Any] = {"deleted_at": None}
    if deleted:
        where["deleted_at"] = Not(None)
    elif bounds:
        # Whoever follows the changes has to hear of deletions too.
        del where["deleted_at"]
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
