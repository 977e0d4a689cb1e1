"""Domains whose people are in a directory: found there, mirrored here, and checked there when they log in.

    name -> entry of the directory -> row of ours (made at the first time) -> bind with the password

The mirror is what everything else goes by: roles, tokens, lists. A list of such a domain brings all of it up to date, when
that was last done some time ago. Nothing is ever written to a directory.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator

from pileus.identity.app import Identity
from pileus.identity.commands.domain_settings import settings_whole
from pileus.identity.drivers.ldap import Connection, Entry, connected
from pileus.identity.errors import DirectoryFailed, DirectoryReadOnly
from pileus.identity.models import User
from pileus.identity.models.directory import Party, Person, group_of, plan_of, public_id, user_of
from pileus.identity.models.domain_settings import Ldap, ldap_of
from pileus.identity.models.ldap_filter import All, BadFilter, Equal, Filter, read_filter
from pileus.identity.store import changing
from pileus.identity.store.limits import settings_all
from pileus.identity.store.users import (
    GROUPS_LIST,
    USERS_LIST,
    group_change,
    group_create,
    member_add,
    member_remove,
    members_of,
    user_change,
    user_create,
    user_find,
)
from pileus.kit.db import UniqueViolation
from pileus.kit.observe.log import log_of

log = log_of(__name__)
FRESH_S = 60.0  # how old a mirror may be when it is listed


async def directory_of(app: Identity, domain_id: str) -> Ldap | None:
    """The directory a domain's people are in; None when they are in the database."""

    async def read() -> frozenset[str]:
        return frozenset(
            one.domain_id
            for one in await settings_all(app)
            if (one.section, one.option, one.value) == ("identity", "driver", "ldap")
        )

    if domain_id not in await app.memory.fact("directories", read):
        return None
    return ldap_of(await settings_whole(app, domain_id))


async def refuse_in_directory(app: Identity, domain_id: str) -> None:
    """Raise DirectoryReadOnly where a domain's people are in a directory."""
    if await directory_of(app, domain_id) is not None:
        raise DirectoryReadOnly(domain=domain_id)


async def user_mirrored(app: Identity, domain_id: str, name: str) -> User | None:
    """The user of this name as the directory knows them now; None when it knows nobody."""
    settings = await directory_of(app, domain_id)
    if settings is None:
        return None
    async with _reading(settings) as connection:
        person = await _person(connection, settings, name)
        parties = [] if person is None else await _parties_with(connection, settings, person)
    if person is None:
        return None
    user = user_of(domain_id, person)
    known = await user_find(app, user.id)
    await _apply(app, domain_id, [user], [known] if known else [], parties, whole=False)
    await _join(app, domain_id, {user.id: person}, parties, of=user.id)
    return await user_find(app, user.id)


async def binds(app: Identity, user: User | None, domain_id: str, password: str) -> bool:
    """Whether it is the user's password in their directory; for nobody somebody is tried who is not there."""
    settings = await directory_of(app, domain_id)
    assert settings is not None, "the caller knows"
    async with _reading(settings) as connection:
        person = await _person(connection, settings, user.name) if user is not None else None
    dn = person.dn if person is not None else f"{settings.user_id_attribute}={secrets.token_hex(8)},{_tree(settings)}"
    # The connection that searched has rights of its own; passwords are tried on another.
    async with connected(settings) as connection:
        right = await connection.bind(dn, password)
    return right and person is not None and person.enabled


async def mirror_domain(app: Identity, domain_id: object) -> None:
    """The domain's users and groups are as its directory has them, or were so a short time ago."""
    settings = await directory_of(app, domain_id) if isinstance(domain_id, str) else None
    if settings is None or not isinstance(domain_id, str):
        return
    at = app.clock.monotonic()
    if not app.memory.is_due(f"mirror/{domain_id}", at, FRESH_S):
        return
    async with _reading(settings) as connection:
        asked = _people_filter(settings)
        people = [
            person async for entry in _people(connection, settings, asked) if (person := _read_person(settings, entry))
        ]
        parties = [party async for party in _parties(connection, settings, _groups_filter(settings))]
    wanted = {public_id(domain_id, "user", person.local_id): person for person in people}
    known = await app.db.page(USERS_LIST, where={"domain_id": domain_id})
    await _apply(app, domain_id, [user_of(domain_id, one) for one in people], known, parties, whole=True)
    await _join(app, domain_id, wanted, parties)


# -- making ours like theirs --------------------------------------------------------------------------------------------


async def _apply(
    app: Identity, domain_id: str, users: list[User], known: list[User], parties: list[Party], *, whole: bool
) -> None:
    """Our rows are as wanted; somebody who is not there any more may not act any more, and keeps their roles."""
    known_groups = await app.db.page(GROUPS_LIST, where={"domain_id": domain_id})
    plan = plan_of(users, known, [group_of(domain_id, one) for one in parties], known_groups)
    gone = plan.gone if whole else []
    if not (plan.users or plan.groups or plan.changed_users or plan.changed_groups or gone):
        return
    try:
        async with changing(app):
            for user_id in gone:
                await user_change(app, user_id, enabled=False, tokens_after=app.clock.now())
            for user_id, columns in plan.changed_users.items():
                void = {"tokens_after": app.clock.now()} if columns.get("enabled") is False else {}
                await user_change(app, user_id, **columns, **void)
            for user in plan.users:
                await user_create(app, user)
            for group_id, columns in plan.changed_groups.items():
                await group_change(app, group_id, **columns)
            for group in plan.groups:
                await group_create(app, group)
    except UniqueViolation as taken:
        log.warning("a directory has a name that somebody else has in its domain", domain=domain_id, why=str(taken))
        raise DirectoryFailed(why="it has a name that a user or group of the database has in its domain") from taken


async def _join(
    app: Identity, domain_id: str, people: dict[str, Person], parties: list[Party], of: str | None = None
) -> None:
    """The groups have the members the directory says; where one user is meant, only theirs change."""
    known_as = {dn.lower(): id for id, person in people.items() for dn in (person.dn, person.local_id)}
    wanted = {
        (public_id(domain_id, "group", party.local_id), known_as[member.lower()])
        for party in parties
        for member in party.members
        if member.lower() in known_as
    }
    groups = [one.id for one in await app.db.page(GROUPS_LIST, where={"domain_id": domain_id})]
    known = {pair for pair in await members_of(app, groups) if of in {None, pair[1]}}
    if wanted == known:
        return
    async with changing(app):
        for group_id, user_id in known - wanted:
            await member_remove(app, group_id, user_id)
        for group_id, user_id in wanted - known:
            await member_add(app, group_id, user_id)


# -- reading ------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _reading(settings: Ldap) -> AsyncIterator[Connection]:
    """A connection bound as the reader the settings name, anonymous without one."""
    async with connected(settings) as connection:
        await _log_in(connection, settings)
        yield connection


async def _log_in(connection: Connection, settings: Ldap) -> None:
    if settings.user and not await connection.bind(settings.user, settings.password):
        raise DirectoryFailed(why=f"it does not take the password of {settings.user}")


def _tree(settings: Ldap) -> str:
    return settings.user_tree_dn or f"ou=Users,{settings.suffix}"


def _filtered(kind: str, more: str) -> Filter:
    asked: Filter = Equal("objectClass", kind.encode())
    if not more:
        return asked
    try:
        return All((asked, read_filter(more)))
    except BadFilter as bad:
        raise DirectoryFailed(why=str(bad)) from bad


def _people_filter(settings: Ldap) -> Filter:
    return _filtered(settings.user_objectclass, settings.user_filter)


def _groups_filter(settings: Ldap) -> Filter:
    return _filtered(settings.group_objectclass, settings.group_filter)


def _people(connection: Connection, settings: Ldap, asked: Filter) -> AsyncIterator[Entry]:
    names = (
        settings.user_id_attribute, settings.user_name_attribute, settings.user_mail_attribute,
        settings.user_description_attribute, settings.user_enabled_attribute,
    )  # fmt: skip
    return connection.search(
        _tree(settings), settings.query_scope, asked, [name for name in names if name], settings.page_size or 500
    )


async def _person(connection: Connection, settings: Ldap, name: str) -> Person | None:
    asked = All((_people_filter(settings), Equal(settings.user_name_attribute, name.encode())))
    found = [
        person async for entry in _people(connection, settings, asked) if (person := _read_person(settings, entry))
    ]
    return found[0] if len(found) == 1 else None  # two of one name are nobody


async def _parties_with(connection: Connection, settings: Ldap, person: Person) -> list[Party]:
    member = person.local_id if settings.group_members_are_ids else person.dn
    asked = All((_groups_filter(settings), Equal(settings.group_member_attribute, member.encode())))
    return [party async for party in _parties(connection, settings, asked)]


async def _parties(connection: Connection, settings: Ldap, asked: Filter) -> AsyncIterator[Party]:
    tree = settings.group_tree_dn or f"ou=UserGroups,{settings.suffix}"
    names = (
        settings.group_id_attribute, settings.group_name_attribute, settings.group_desc_attribute,
        settings.group_member_attribute,
    )  # fmt: skip
    async for entry in connection.search(
        tree, settings.query_scope, asked, [name for name in names if name], settings.page_size or 500
    ):
        local_id, name = _first(entry, settings.group_id_attribute), _first(entry, settings.group_name_attribute)
        if local_id is not None and name is not None:
            members = entry.attributes.get(settings.group_member_attribute.lower(), ())
            yield Party(
                local_id=local_id,
                name=name,
                description=_first(entry, settings.group_desc_attribute) or "",
                members=frozenset(one.decode("utf-8", "replace") for one in members),
            )


def _first(entry: Entry, attribute: str) -> str | None:
    values = entry.attributes.get(attribute.lower(), ())
    return values[0].decode("utf-8", "replace") if values else None


def _read_person(settings: Ldap, entry: Entry) -> Person | None:
    local_id, name = _first(entry, settings.user_id_attribute), _first(entry, settings.user_name_attribute)
    if local_id is None or name is None:
        return None
    return Person(
        local_id=local_id,
        name=name,
        dn=entry.dn,
        email=_first(entry, settings.user_mail_attribute),
        description=_first(entry, settings.user_description_attribute),
        enabled=_enabled(settings, entry),
    )


def _enabled(settings: Ldap, entry: Entry) -> bool:
    """Whether the entry says so: as a word, or as a bit of a number that means disabled (Active Directory's)."""
    if not settings.user_enabled_attribute:
        return True
    said = _first(entry, settings.user_enabled_attribute) or settings.user_enabled_default
    if settings.user_enabled_mask:
        number = int(said) if said.lstrip("-").isdecimal() else 0
        return (number & settings.user_enabled_mask) != settings.user_enabled_mask
    return (said.lower() in {"true", "yes", "1"}) != settings.user_enabled_invert
