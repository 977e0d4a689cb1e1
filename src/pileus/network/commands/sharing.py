"""Sharing: policies that let others use networks, security groups, address scopes and subnet pools.

`shared` and `external` of a thing say that everybody may; they and the policy for everybody are changed together. A
policy is not taken away from projects that still use the thing by it.
"""

import uuid
from collections.abc import Sequence

from pileus.kit.db import Command
from pileus.network.app import Network as App
from pileus.network.commands.quotas import make_room
from pileus.network.commands.standard import change, changed
from pileus.network.errors import (
    AddressScopeNotFound,
    BadRequest,
    DuplicateRbacPolicy,
    InvalidInput,
    NetworkNotFound,
    RbacPolicyInUse,
    SecurityGroupNotFound,
    SubnetPoolNotFound,
)
from pileus.network.errors.qos import QosPolicyNotFound
from pileus.network.models.resources import Standard
from pileus.network.models.sharing import ACTIONS, EVERYBODY, EXTERNAL, SHARED, RbacPolicy
from pileus.network.store import groups, networks, pools, qos
from pileus.network.store import sharing as rows

FLAGS: dict[str, Command] = {
    "network": networks.CHANGE,
    "address_scope": pools.SCOPE_CHANGE,
    "subnetpool": pools.POOL_CHANGE,
    "qos_policy": qos.SHELF.change,
}
MISSING = {
    "network": NetworkNotFound,
    "security_group": SecurityGroupNotFound,
    "address_scope": AddressScopeNotFound,
    "subnetpool": SubnetPoolNotFound,
    "qos_policy": QosPolicyNotFound,
}


async def shared_thing(app: App, object_type: str, object_id: str) -> Standard:
    """The thing a policy is about; raises when it is not there or no such thing is shared."""
    if object_type not in ACTIONS:
        raise InvalidInput(why=f"object_type '{object_type}' is not one of {', '.join(ACTIONS)}")
    found: Standard | None
    if object_type == "network":
        found = await app.db.one(networks.GET, id=object_id)
    elif object_type == "security_group":
        found = await app.db.one(groups.GET, id=object_id)
    elif object_type == "qos_policy":
        found = await qos.SHELF.find(app.db, object_id)
    elif object_type == "address_scope":
        found = await app.db.one(pools.SCOPE_GET, id=object_id)
    else:
        found = await app.db.one(pools.POOL_GET, id=object_id)
    if found is None:
        raise MISSING[object_type](id=object_id)
    return found


async def create_policy(
    app: App, project_id: str, object_type: str, what: Standard, action: str, target: str
) -> RbacPolicy:
    """The target may use the thing so; raises DuplicateRbacPolicy when it could already."""
    if action not in ACTIONS[object_type]:
        raise InvalidInput(why=f"action '{action}' is not valid for {object_type}: {', '.join(ACTIONS[object_type])}")
    async with app.db.transaction():
        await make_room(app, "rbac_policy", project_id)
        policy = RbacPolicy(str(uuid.uuid4()), project_id, object_type, what.id, action, target)
        if not await rows.policy_insert(app.db, policy):
            raise DuplicateRbacPolicy
        await _flag(app, policy)
        return policy


async def share(app: App, object_type: str, what: Standard, action: str = SHARED) -> None:
    """Everybody may use the thing so; it may have been so before. The thing's own flag is the caller's to set."""
    policy = RbacPolicy(str(uuid.uuid4()), what.project_id, object_type, what.id, action, EVERYBODY)
    await rows.policy_insert(app.db, policy)


async def _flag(app: App, policy: RbacPolicy) -> None:
    """The thing says of itself what its policies say."""
    flags = await _flags(app, policy.object_id)
    statement = FLAGS.get(policy.object_type)
    if statement is not None:
        what = await shared_thing(app, policy.object_type, policy.object_id)
        given = {name: value for name, value in flags.items() if getattr(what, name, value) != value}
        if given:
            await change(app, statement, what, given)
            await changed(app)


async def _flags(app: App, object_id: str) -> dict[str, bool]:
    there = await app.db.all(rows.OF, object_id=object_id)
    return {
        "shared": any(policy.action == SHARED and policy.target == EVERYBODY for policy in there),
        "external": any(policy.action == EXTERNAL for policy in there),
    }


async def retarget_policy(app: App, policy: RbacPolicy, target: str) -> RbacPolicy:
    """The policy is for another project; raises RbacPolicyInUse while the one before uses the thing by it."""
    async with app.db.transaction():
        if target != policy.target:
            there = await app.db.all(rows.OF, object_id=policy.object_id)
            if any(other.target == target and other.action == policy.action for other in there):
                raise DuplicateRbacPolicy
            await check_unused(app, policy.object_type, policy.object_id, policy.action, policy.target, instead=target)
            await app.db.run(rows.CHANGE, of_id=policy.id, target=target)
            await _flag(app, policy)
        found = await app.db.one(rows.GET, id=policy.id)
        assert found is not None
        return found


async def delete_policy(app: App, policy: RbacPolicy) -> None:
    """The policy is gone; raises RbacPolicyInUse while projects use the thing by it."""
    async with app.db.transaction():
        await check_unused(app, policy.object_type, policy.object_id, policy.action, policy.target)
        await app.db.run(rows.DELETE, of_id=policy.id)
        await _flag(app, policy)


async def check_unused(
    app: App, object_type: str, object_id: str, action: str, target: str, *, instead: str | None = None
) -> None:
    """Raises RbacPolicyInUse when somebody uses the thing whom no other policy lets."""
    users = await users_of(app, object_type, object_id, action)
    left = {
        policy.target
        for policy in await app.db.all(rows.OF, object_id=object_id)
        if policy.action == action and policy.target != target
    }
    if instead is not None:
        left.add(instead)
    losing = (users if target == EVERYBODY else users & {target}) - left
    if losing and EVERYBODY not in left:
        raise RbacPolicyInUse(id=object_id, projects=", ".join(sorted(losing)))


async def users_of(app: App, object_type: str, object_id: str, action: str) -> set[str]:
    """The projects, but the owner's, that use the thing so."""
    what = await shared_thing(app, object_type, object_id)
    return set(await app.db.all(rows.USERS[object_type, action], id=object_id)) - {what.project_id, ""}


async def unshare(app: App, what: Standard, action: str, *, target: str = EVERYBODY) -> None:
    """The policy for everybody is gone, used or not."""
    await app.db.run(rows.UNGRANT, of_object=what.id, of_action=action, of_target=target)


async def forget_policies(app: App, what: Standard) -> None:
    """No policy speaks of a thing that goes."""
    await app.db.run(rows.FORGET, of_object=what.id)


async def usable_by(app: App, project_id: str, found: Sequence[Standard]) -> set[str]:
    """The ids of those things that are the project's own, or shared with it."""
    theirs = [each.id for each in found if each.project_id != project_id]
    granted = await rows.grants(app.db, theirs, project_id)
    own = {each.id for each in found if each.project_id == project_id}
    return own | {object_id for object_id, actions in granted.items() if SHARED in actions}


def check_target(target: str) -> None:
    """Raises BadRequest unless a policy may be for that target."""
    if not target:
        raise BadRequest(resource="rbac_policy", why="target_tenant is a project's ID, or * for all")
