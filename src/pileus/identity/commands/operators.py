"""What operators ask of identity by the command line: who may do what, letting somebody in again, sealing secrets anew."""

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.assignments import Asked, assignment_list
from pileus.identity.commands.attempts import forgive_failures
from pileus.identity.errors import Missing
from pileus.identity.models import User
from pileus.identity.models.domain_settings import SENSITIVE
from pileus.identity.store import changing
from pileus.identity.store.delegation import CREDENTIALS_LIST, credential_change
from pileus.identity.store.limits import setting_keep, settings_all
from pileus.identity.store.oauth import ACCESSES, CONSUMERS, REQUESTS
from pileus.identity.store.passwords import failures_forget
from pileus.identity.store.projects import domain_by_name, domain_find, projects_with_ids
from pileus.identity.store.roles import role_graph
from pileus.identity.store.users import groups_with_ids, user_by_name, user_change, user_find

BATCH = 500


class Access(msgspec.Struct, frozen=True):
    """One role somebody has in one place, and where it comes from."""

    place: str
    role: str
    through: str


async def user_of(app: Identity, user: str, domain: str) -> User:
    """The user of this id, or of this name in the domain; raises Missing."""
    found = await user_find(app, user)
    if found is None:
        where = await domain_find(app, domain) or await domain_by_name(app, domain)
        found = await user_by_name(app, user, where.id) if where is not None else None
    if found is None:
        raise Missing(kind="user", id=user)
    return found


async def access_of(app: Identity, user: User) -> list[Access]:
    """All the roles the user has in the end, by place."""
    held = await assignment_list(app, Asked(user_id=user.id, effective=True))
    roles = (await role_graph(app)).roles
    places = {
        one.id: one for one in await projects_with_ids(app, sorted({held_one.assignment.scope_id for held_one in held}))
    }
    groups = {
        one.id: one.name
        for one in await groups_with_ids(app, sorted({held_one.group_id for held_one in held if held_one.group_id}))
    }
    found = []
    for one in held:
        place = places.get(one.assignment.scope_id)
        kind = one.assignment.scope_kind
        through = [f"group {groups.get(one.group_id, one.group_id)}"] if one.group_id else []
        through += ["inherited"] if one.given.inherited else []
        through += [f"implied by {roles[one.prior_role_id].name}"] if one.prior_role_id else []
        name = "system" if kind == "system" else f"{kind} {place.name if place else one.assignment.scope_id}"
        found.append(Access(name, roles[one.assignment.role_id].name, ", ".join(through) or "given"))
    return sorted(found, key=lambda one: (one.place, one.role, one.through))


async def unlock_user(app: Identity, user: User) -> None:
    """The user can log in: wrong passwords and absence are forgotten, and they are enabled."""
    async with changing(app):
        await failures_forget(app, user.id)
        domain = await domain_find(app, user.domain_id)
        if domain is not None:
            await forgive_failures(app, user, domain)
        await user_change(app, user.id, enabled=True, active_at=app.clock.now())


async def seal_anew(app: Identity) -> int:
    """Everything sealed is sealed with the primary key; returns how much that was. Nothing is lost if it stops midway."""
    count = 0
    marker: str | None = None
    while True:
        some = await app.db.page(CREDENTIALS_LIST, where={}, marker=marker, limit=BATCH)
        async with changing(app):
            for credential in some:
                await credential_change(app, credential.id, sealed=_anew(app, credential.sealed))
        count += len(some)
        if len(some) < BATCH:
            break
        marker = some[-1].id
    return count + await _delegations_anew(app)


async def _delegations_anew(app: Identity) -> int:
    """What consumers and domains keep sealed is sealed with the primary key; returns how much that was."""
    count = 0
    async with changing(app):
        for consumer in await CONSUMERS.all(app):
            await CONSUMERS.change(app, consumer.id, sealed=_anew(app, consumer.sealed))
            count += 1
        for request in await REQUESTS.all(app):
            await REQUESTS.change(app, request.id, sealed=_anew(app, request.sealed))
            count += 1
        for access in await ACCESSES.all(app):
            await ACCESSES.change(app, access.id, sealed=_anew(app, access.sealed))
            count += 1
        for setting in await settings_all(app):
            if (setting.section, setting.option) in SENSITIVE and isinstance(setting.value, str):
                await setting_keep(app, msgspec.structs.replace(setting, value=_anew(app, setting.value)))
                count += 1
    return count


def _anew(app: Identity, sealed: str) -> str:
    opened = app.vault.open(sealed)
    return sealed if opened is None else app.vault.seal(opened)
