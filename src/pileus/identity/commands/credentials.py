"""Credentials: secrets users keep here for services that check them, readable with the keys of this cloud only."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.identity.app import Identity
from pileus.identity.errors import BadCredential, Duplicate, Missing, NotAllowedToChange
from pileus.identity.models import Credential, Extra, new_id
from pileus.identity.models.totp import secret_of
from pileus.identity.store import changing
from pileus.identity.store.delegation import credential_change, credential_create, credential_delete, credential_find
from pileus.identity.store.projects import project_find
from pileus.identity.store.users import user_find
from pileus.kit.db import UniqueViolation

EC2 = "ec2"
TOTP = "totp"


class Keys(msgspec.Struct, frozen=True):
    """What a credential of type ec2 holds."""

    access: str
    secret: str


def blob_of(app: Identity, credential: Credential) -> str:
    """The secret itself."""
    opened = app.vault.open(credential.sealed)
    if opened is None:
        raise BadCredential(why=f"the key that sealed {credential.id} is gone")
    return opened.decode()


def ec2_id(access: str) -> str:
    """The id of the credential with this access key: found by it, and not the other way round."""
    return hashlib.sha256(access.encode()).hexdigest()


async def create_credential(
    app: Identity, *, user_id: str, project_id: str | None, type: str, blob: str, extra: Extra
) -> Credential:
    """The secret is kept."""
    if await user_find(app, user_id) is None:
        raise Missing(kind="user", id=user_id)
    if project_id is not None and await project_find(app, project_id) is None:
        raise Missing(kind="project", id=project_id)
    if type == EC2 and project_id is None:
        raise BadCredential(why="one of type ec2 needs a project_id")
    if type == TOTP and secret_of(blob) is None:
        raise BadCredential(why="the blob of one of type totp is a secret in base32")
    id = ec2_id(_keys(blob).access) if type == EC2 else new_id()
    sealed = app.vault.seal(blob.encode())
    credential = Credential(id=id, user_id=user_id, project_id=project_id, type=type, sealed=sealed, extra=extra)
    try:
        async with changing(app):
            await credential_create(app, credential)
    except UniqueViolation:
        raise Duplicate(kind="credential", what=f"ID {id}") from None
    return credential


def _keys(blob: str) -> Keys:
    try:
        return msgspec.json.decode(blob, type=Keys)
    except msgspec.DecodeError:
        raise BadCredential(why="the blob of one of type ec2 is JSON with access and secret") from None


async def change_credential(app: Identity, credential: Credential, given: Mapping[str, Any]) -> Credential:
    """The secret is another; whose it is, and of what type, stays."""
    for field in ("user_id", "project_id", "type"):
        if given.get(field, getattr(credential, field)) != getattr(credential, field):
            raise NotAllowedToChange(field=field, kind="credential")
    columns: dict[str, object] = {}
    if "blob" in given:
        if credential.type == EC2:
            _keys(given["blob"])
        if credential.type == TOTP and secret_of(given["blob"]) is None:
            raise BadCredential(why="the blob of one of type totp is a secret in base32")
        columns["sealed"] = app.vault.seal(given["blob"].encode())
    if given.get("extra"):
        columns["extra"] = {**credential.extra, **given["extra"]}
    async with changing(app):
        await credential_change(app, credential.id, **columns)
    return await credential_find(app, credential.id) or credential


async def delete_credential(app: Identity, credential: Credential) -> None:
    """The secret is gone, and every token that came from it is void."""
    async with changing(app):
        await credential_delete(app, credential.id)


async def create_keys(app: Identity, user_id: str, project_id: str) -> Credential:
    """The user has a new pair of keys for the project."""
    keys = Keys(access=secrets.token_hex(16), secret=secrets.token_hex(16))
    blob = msgspec.json.encode(keys).decode()
    return await create_credential(app, user_id=user_id, project_id=project_id, type=EC2, blob=blob, extra={})


def keys_of(app: Identity, credential: Credential) -> Keys:
    """The keys of a credential of type ec2."""
    return _keys(blob_of(app, credential))
