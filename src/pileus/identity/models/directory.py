"""People and groups of a directory, and what makes our rows like them. Nothing of ours is deleted for what is not found."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pileus.identity.models.entities import Group, User


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a directory; the DN is what they log in as there."""

    local_id: str
    name: str
    dn: str
    email: str | None = None
    description: str | None = None
    enabled: bool = True


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """A group in a directory, with the DNs (or the ids) of its members."""

    local_id: str
    name: str
    description: str = ""
    members: frozenset[str] = frozenset()


class Plan(msgspec.Struct, frozen=True):
    """What has to change: users and groups to make, rows to change, and users who are not there any more."""

    users: Sequence[User]
    groups: Sequence[Group]
    changed_users: Mapping[str, Mapping[str, object]]
    changed_groups: Mapping[str, Mapping[str, object]]
    gone: Sequence[str]


def public_id(domain_id: str, kind: str, local_id: str) -> str:
    """Our id of what the directory calls so; the same one Keystone gives, so that a move keeps all roles."""
    digest = hashlib.sha256()
    for part in (domain_id, kind, local_id):
        digest.update(part.encode())
    return digest.hexdigest()


def user_of(domain_id: str, person: Person) -> User:
    """The person as a user of ours, without a password."""
    kept = {"email": person.email, "description": person.description}
    return User(
        id=public_id(domain_id, "user", person.local_id),
        name=person.name,
        domain_id=domain_id,
        enabled=person.enabled,
        extra={name: value for name, value in kept.items() if value is not None},
    )


def group_of(domain_id: str, party: Party) -> Group:
    """The directory's group as one of ours."""
    id = public_id(domain_id, "group", party.local_id)
    return Group(id=id, name=party.name, domain_id=domain_id, description=party.description)


def plan_of(
    wanted: Iterable[User], known: Iterable[User], groups: Iterable[Group], known_groups: Iterable[Group]
) -> Plan:
    """What makes the known like the wanted."""
    users, by_id = {one.id: one for one in wanted}, {one.id: one for one in known}
    parties, groups_by_id = {one.id: one for one in groups}, {one.id: one for one in known_groups}
    return Plan(
        [one for id, one in users.items() if id not in by_id],
        [one for id, one in parties.items() if id not in groups_by_id],
        {id: changed for id, one in users.items() if id in by_id and (changed := _changed_user(by_id[id], one))},
        {
            id: changed
            for id, one in parties.items()
            if id in groups_by_id and (changed := _changed(groups_by_id[id], one))
        },
        [id for id, one in by_id.items() if id not in users and one.enabled],
    )


def _changed_user(known: User, wanted: User) -> dict[str, object]:
    found = {
        name: getattr(wanted, name) for name in ("name", "enabled") if getattr(known, name) != getattr(wanted, name)
    }
    if {**known.extra, **wanted.extra} != known.extra:
        found["extra"] = {**known.extra, **wanted.extra}
    return found


def _changed(known: Group, wanted: Group) -> dict[str, object]:
    return {
        name: getattr(wanted, name) for name in ("name", "description") if getattr(known, name) != getattr(wanted, name)
    }
