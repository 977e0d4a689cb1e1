"""Credentials: secrets kept for users, and the pairs of keys among them that EC2 and S3 clients sign with."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.root import Links, ShortId, api, asked, extras, given_of, holder, link, listed
from pileus.identity.app import Identity
from pileus.identity.commands.credentials import (
    EC2,
    blob_of,
    change_credential,
    create_credential,
    create_keys,
    delete_credential,
    ec2_id,
    keys_of,
)
from pileus.identity.commands.delegation import refuse_derived, refuse_less_than_user
from pileus.identity.errors import CredentialNotOfUser, Missing
from pileus.identity.models import Credential, Extra, User
from pileus.identity.store.delegation import CREDENTIALS_LIST, credential_find
from pileus.kit.auth import Caller
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import Rule

READ = "admin or system reader or user=target.credential.user_id"
WRITE = "admin or user=target.credential.user_id"
WRITE_KEYS = "admin or member[user=target.credential.user_id]"
Type = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Blob = Annotated[str, msgspec.Meta(max_length=65535)]


class CredentialCreate(Wire):
    """A new credential."""

    __extras__: ClassVar[str | None] = "extra"

    user_id: ShortId
    type: Type
    blob: Blob
    project_id: ShortId | None = None
    extra: Extra = {}


class CredentialView(Wire):
    """A credential as it is shown to those who may read it."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    user_id: str
    project_id: str | None
    type: str
    blob: str
    links: Links
    extra: Extra = {}


class CredentialQuery(Query):
    """Which credentials to list."""

    user_id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET


def view(call: Call[Identity], credential: Credential) -> CredentialView:
    """A credential as it is shown."""
    return CredentialView(
        id=credential.id,
        user_id=credential.user_id,
        project_id=credential.project_id,
        type=credential.type,
        blob=blob_of(call.app, credential),
        links=link(call, f"credentials/{credential.id}"),
        extra=credential.extra,
    )


@api.get("/credentials", Rule("identity:list_credentials", READ), key="credentials", late=True)
async def index(call: Call[Identity], query: CredentialQuery, page: Page) -> list[CredentialView]:
    """List credentials: those of everybody, or the caller's own."""
    where = asked(call, query)
    if not call.allows("identity:list_credentials", {}):
        own = {"target.credential.user_id": call.caller.user_id}
        call.require("identity:list_credentials", own)
        where["user_id"] = (where.get("user_id", call.caller.user_id), call.caller.user_id)
    found = await listed(call, CREDENTIALS_LIST, where)
    if found:
        refuse_less_than_user(await holder(call), "no secrets")
    return [view(call, one) for one in found]


@api.post("/credentials", Rule("identity:create_credential", WRITE), key="credential", late=True)
async def create(call: Call[Identity], body: CredentialCreate) -> CredentialView:
    """Create a credential."""
    call.require("identity:create_credential", {"target.credential.user_id": body.user_id})
    refuse_less_than_user(await holder(call), "no credentials")
    made = await create_credential(
        call.app,
        user_id=body.user_id,
        project_id=body.project_id,
        type=body.type,
        blob=body.blob,
        extra=extras(body.extra, CredentialView),
    )
    return view(call, made)


@api.get("/credentials/{credential_id}", Rule("identity:get_credential", READ), key="credential", find=find.credential)
async def show(call: Call[Identity], credential: Credential) -> CredentialView:
    """Show a credential."""
    refuse_less_than_user(await holder(call), "no secrets")
    return view(call, credential)


@api.patch(
    "/credentials/{credential_id}", Rule("identity:update_credential", WRITE), key="credential", find=find.credential
)
async def update(call: Call[Identity], credential: Credential, body: CredentialCreate) -> CredentialView:
    """Change a credential's secret."""
    refuse_less_than_user(await holder(call), "no credentials")
    return view(call, await change_credential(call.app, credential, given_of(body, CredentialView)))


@api.delete("/credentials/{credential_id}", Rule("identity:delete_credential", WRITE), find=find.credential)
async def delete(call: Call[Identity], credential: Credential) -> None:
    """Delete a credential."""
    refuse_derived(await holder(call), "no credentials")
    await delete_credential(call.app, credential)


# -- pairs of keys ------------------------------------------------------------------------------------------------------


class KeysCreate(Wire):
    """A new pair of keys, good in one project."""

    tenant_id: ShortId


class KeysView(Wire):
    """A pair of keys as it is shown."""

    user_id: str
    tenant_id: str | None
    access: str
    secret: str
    trust_id: str | None
    links: Links


def _keys_view(call: Call[Identity], credential: Credential) -> KeysView:
    keys = keys_of(call.app, credential)
    return KeysView(
        user_id=credential.user_id,
        tenant_id=credential.project_id,
        access=keys.access,
        secret=keys.secret,
        trust_id=None,
        links=link(call, f"users/{credential.user_id}/credentials/OS-EC2/{keys.access}"),
    )


async def _find_keys(app: Identity, caller: Caller, user_id: str, credential_id: str) -> Credential | Missing:
    found = await credential_find(app, ec2_id(credential_id))
    if found is None or found.type != EC2:
        missing = Missing(kind="credential", id=credential_id)
        if caller.user_id == user_id:
            raise missing  # everybody may know what they do not have
        return missing
    if found.user_id != user_id:
        raise CredentialNotOfUser(id=credential_id, user=user_id)
    return found


@api.get(
    "/users/{user_id}/credentials/OS-EC2",
    Rule("identity:ec2_list_credentials", "admin or system reader or self"),
    key="credentials",
    find=find.user,
)
async def keys_index(call: Call[Identity], user: User, page: Page) -> list[KeysView]:
    """List a user's pairs of keys."""
    found = await listed(call, CREDENTIALS_LIST, {"user_id": user.id, "type": EC2})
    if found:
        refuse_less_than_user(await holder(call), "no secrets")
    return [_keys_view(call, one) for one in found]


@api.post(
    "/users/{user_id}/credentials/OS-EC2",
    Rule("identity:ec2_create_credential", WRITE_KEYS),
    reply_key="credential",
    late=True,
)
async def keys_create(call: Call[Identity], user_id: str, body: KeysCreate) -> KeysView:
    """Make a pair of keys for a user."""
    call.require("identity:ec2_create_credential", {"target.credential.user_id": user_id})
    refuse_less_than_user(await holder(call), "no credentials")
    return _keys_view(call, await create_keys(call.app, user_id, body.tenant_id))


@api.get(
    "/users/{user_id}/credentials/OS-EC2/{credential_id}",
    Rule("identity:ec2_get_credential", READ),
    key="credential",
    find=_find_keys,
)
async def keys_show(call: Call[Identity], keys: Credential) -> KeysView:
    """Show a pair of keys by its access key."""
    refuse_less_than_user(await holder(call), "no secrets")
    return _keys_view(call, keys)


@api.delete(
    "/users/{user_id}/credentials/OS-EC2/{credential_id}",
    Rule("identity:ec2_delete_credential", WRITE_KEYS),
    find=_find_keys,
)
async def keys_delete(call: Call[Identity], keys: Credential) -> None:
    """Delete a pair of keys."""
    refuse_derived(await holder(call), "no credentials")
    await delete_credential(call.app, keys)
