"""Roles: making them, what they imply, and giving them to users and groups."""

from collections.abc import Mapping
from typing import Any

from pileus.identity.app import Identity
from pileus.identity.commands.projects import changed_options, refuse_immutable
from pileus.identity.errors import (
    AssignmentNotFound,
    Duplicate,
    ImplicationNotFound,
    ImpliesItself,
    ImpliesOfDomain,
    NotAllowedToChange,
    RoleOfOtherDomain,
)
from pileus.identity.models import Assignment, Role
from pileus.identity.store import changing
from pileus.identity.store.roles import (
    assignment_add,
    assignment_is,
    assignment_remove,
    implication_add,
    implication_remove,
    role_change,
    role_create,
    role_delete,
    role_find,
    role_graph,
)
from pileus.kit.db import UniqueViolation


async def create_role(app: Identity, role: Role) -> Role:
    """The role exists."""
    try:
        async with changing(app):
            await role_create(app, role)
    except UniqueViolation:
        raise Duplicate(kind="role", what=f"name {role.name}") from None
    return role


async def change_role(app: Identity, role: Role, given: Mapping[str, Any]) -> Role:
    """The role has these values."""
    options = changed_options("role", role.id, role.options, given)
    if given.get("domain_id", role.domain_id) != role.domain_id:
        raise NotAllowedToChange(field="domain_id", kind="role")
    columns = {name: given[name] for name in ("name", "description") if name in given}
    if options is not None:
        columns["options"] = options
    if given.get("extra"):
        columns["extra"] = {**role.extra, **given["extra"]}
    try:
        async with changing(app):
            await role_change(app, role.id, **columns)
    except UniqueViolation:
        raise Duplicate(kind="role", what=f"name {columns['name']}") from None
    return await role_find(app, role.id) or role


async def delete_role(app: Identity, role: Role) -> None:
    """The role is gone, from everyone who had it."""
    refuse_immutable("role", role.id, role.options)
    async with changing(app):
        await role_delete(app, role.id)


async def imply_role(app: Identity, prior: Role, implied: Role) -> None:
    """Who has the first role has the second; roles never come to imply themselves."""
    if prior.domain_id is None and implied.domain_id is not None:
        raise ImpliesOfDomain(prior=prior.id, implied=implied.id)
    async with changing(app):
        if prior.id in (await role_graph(app)).reach([implied.id]):
            raise ImpliesItself(prior=prior.name, implied=implied.name)
        await implication_add(app, prior.id, implied.id)


async def unimply_role(app: Identity, prior: Role, implied: Role) -> None:
    """The first role, which implied the second, does not any more."""
    async with changing(app):
        if not await implication_remove(app, prior.id, implied.id):
            raise ImplicationNotFound(prior=prior.id, implied=implied.id)


async def check_implied(app: Identity, prior: Role, implied: Role) -> None:
    """Raise ImplicationNotFound unless the first role implies the second."""
    if implied.id not in (await role_graph(app)).implied.get(prior.id, ()):
        raise ImplicationNotFound(prior=prior.id, implied=implied.id)


async def give_role(app: Identity, assignment: Assignment, role: Role, domain_id: str | None) -> None:
    """The role is given; `domain_id` is that of the scope."""
    if role.domain_id is not None and role.domain_id != domain_id:
        raise RoleOfOtherDomain(role=role.id)
    async with changing(app):
        await assignment_add(app, assignment)


async def take_role(app: Identity, assignment: Assignment) -> None:
    """The role, which was given, is not any more."""
    async with changing(app):
        if not await assignment_remove(app, assignment):
            raise _not_given(assignment)


async def check_given(app: Identity, assignment: Assignment) -> None:
    """Raise AssignmentNotFound unless the role is given."""
    if not await assignment_is(app, assignment):
        raise _not_given(assignment)


def _not_given(assignment: Assignment) -> AssignmentNotFound:
    return AssignmentNotFound(role=assignment.role_id, actor=assignment.actor_id, scope=assignment.scope_id)
