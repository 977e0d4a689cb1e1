"""Keypairs: the public keys users put into servers."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute.api.service import Link, api, fine_moment
from pileus.compute.app import Compute
from pileus.compute.commands import keypairs as commands
from pileus.compute.models.keypairs import Keypair
from pileus.compute.store.keypairs import keypair_list
from pileus.kit.http import Call, F, Query, Reply, Wire
from pileus.kit.http.dialect import next_link
from pileus.kit.policy import ADMIN_OR_SELF, Rule

MOST = 1000
OldName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^(?! )[a-zA-Z0-9 _-]*(?<! )$(?!\n)")]
NewName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^(?! )[a-zA-Z0-9 ._@-]*(?<! )$(?!\n)")]
PublicKey = Annotated[str, msgspec.Meta(min_length=1, max_length=16384)]


def ruled(name: str) -> Rule:
    """The rule of one operation: a user's own keypairs, or anybody's for admins."""
    return Rule(f"os_compute_api:os-keypairs:{name}", ADMIN_OR_SELF)


class KeypairCreate(Wire, kw_only=True):
    """A keypair to import, or in old versions to make."""

    old_name: Annotated[OldName, F("name", until="2.91")]
    name: Annotated[NewName | UnsetType, F(since="2.92")]
    old_public_key: Annotated[PublicKey | None, F("public_key", until="2.91")] = None
    public_key: Annotated[PublicKey | UnsetType, F(since="2.92")]
    type: Annotated[Literal["ssh", "x509"], F(since="2.2")] = "ssh"
    user_id: Annotated[str | None, F(since="2.10")] = None


class KeypairView(Wire, kw_only=True):
    """A keypair in a list."""

    name: str
    public_key: str
    fingerprint: str
    type: Annotated[str, F(since="2.2")]


class KeypairItem(Wire):
    """An item of the list, wrapped as clients expect it."""

    keypair: KeypairView


class KeypairShown(Wire, kw_only=True):
    """A keypair in full."""

    name: str
    public_key: str
    fingerprint: str
    type: Annotated[str, F(since="2.2")]
    user_id: str
    id: int
    created_at: str | None
    deleted: bool = False
    deleted_at: None = None
    updated_at: None = None


class KeypairCreated(Wire, kw_only=True):
    """A keypair that was just made; the private key is told here and nowhere else."""

    name: str
    public_key: str
    fingerprint: str
    type: Annotated[str, F(since="2.2")]
    user_id: str
    private_key: str | UnsetType = UNSET


class KeypairList(Wire, kw_only=True):
    """The list of keypairs."""

    keypairs: list[KeypairItem]
    links: Annotated[list[Link] | UnsetType, F("keypairs_links", since="2.35")] = UNSET


class OwnerQuery(Query):
    """Whose keypairs."""

    user_id: Annotated[str | None, F(since="2.10")] = None
    limit: Annotated[Annotated[int, msgspec.Meta(ge=0)] | None, F(since="2.35")] = None
    marker: Annotated[str | None, F(since="2.35")] = None


def _owner(call: Call[Compute], rule: Rule, user_id: str | UnsetType | None) -> str:
    """Whose keypair it is; somebody else's only admins handle."""
    owner = user_id if isinstance(user_id, str) else call.caller.user_id
    call.require(rule.name, {"user_id": owner, "project_id": call.caller.project_id})
    return owner


INDEX, CREATE, SHOW, DELETE = ruled("index"), ruled("create"), ruled("show"), ruled("delete")


@api.get("/os-keypairs", INDEX, late=True)
async def index(call: Call[Compute], query: OwnerQuery) -> KeypairList:
    """List a user's keypairs."""
    owner = _owner(call, INDEX, query.user_id)
    limit = MOST if query.limit is None else min(query.limit, MOST)
    found = await keypair_list(call.app, owner, marker=query.marker, limit=limit)
    more = len(found) == limit and limit > 0 and query.limit is not None
    following = [Link(rel="next", href=next_link(call, marker=found[-1].name))] if more else UNSET
    return KeypairList(keypairs=[KeypairItem(keypair=_view(keypair)) for keypair in found], links=following)


def _view(keypair: Keypair) -> KeypairView:
    return KeypairView(
        name=keypair.name, public_key=keypair.public_key, fingerprint=keypair.fingerprint, type=keypair.type
    )


async def _create(call: Call[Compute], body: KeypairCreate) -> KeypairCreated:
    owner = _owner(call, CREATE, body.user_id)
    name = body.name if body.name is not UNSET else body.old_name
    public_key = body.public_key if body.public_key is not UNSET else body.old_public_key
    keypair, private = await commands.create_keypair(
        call.app, owner, call.caller.project_id or "", name, kind=body.type, public_key=public_key
    )
    return KeypairCreated(
        name=keypair.name,
        public_key=keypair.public_key,
        fingerprint=keypair.fingerprint,
        type=keypair.type,
        user_id=owner,
        private_key=private if private is not None else UNSET,
    )


@api.post("/os-keypairs", CREATE, key="keypair", late=True, status=200, until="2.1")
async def create_in_old_versions(call: Call[Compute], body: KeypairCreate) -> KeypairCreated:
    """Import or make a keypair."""
    return await _create(call, body)


@api.post("/os-keypairs", CREATE, key="keypair", late=True, status=201, since="2.2")
async def create(call: Call[Compute], body: KeypairCreate) -> KeypairCreated:
    """Import or make a keypair."""
    return await _create(call, body)


@api.get("/os-keypairs/{name}", SHOW, key="keypair", late=True)
async def show(call: Call[Compute], name: str, query: OwnerQuery) -> KeypairShown:
    """Show a keypair."""
    keypair = await commands.keypair_get(call.app, _owner(call, SHOW, query.user_id), name)
    return KeypairShown(
        name=keypair.name,
        public_key=keypair.public_key,
        fingerprint=keypair.fingerprint,
        type=keypair.type,
        user_id=keypair.user_id,
        id=keypair.number,
        created_at=fine_moment(keypair.created_at),
    )


@api.delete("/os-keypairs/{name}", DELETE, late=True)
async def delete(call: Call[Compute], name: str, query: OwnerQuery) -> Reply:
    """Delete a keypair."""
    await commands.delete_keypair(call.app, _owner(call, DELETE, query.user_id), name)
    return Reply(204 if call.version >= (2, 2) else 202)
