"""Keypairs: importing, making and deleting them."""

import asyncio

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.quotas import limits_of
from pileus.compute.models.keypairs import (
    Keypair,
    certificate_fingerprint,
    generated,
    generated_certificate,
    ssh_fingerprint,
)
from pileus.compute.models.quotas import UNLIMITED
from pileus.compute.store import keypairs as store
from pileus.kit.db import UniqueViolation


async def create_keypair(
    app: Compute, user_id: str, project_id: str, name: str, *, kind: str, public_key: str | None
) -> tuple[Keypair, str | None]:
    """The user has the keypair; the private key comes with it if it was made here, and is kept nowhere."""
    private: str | None = None
    if public_key is None:
        private, public_key = await _made(app, kind, user_id)
    try:
        fingerprint = ssh_fingerprint(public_key) if kind == "ssh" else certificate_fingerprint(public_key)
    except ValueError as bad:
        raise errors.BadKeypair(why=str(bad)) from bad
    keypair = Keypair(
        name=name,
        user_id=user_id,
        type=kind,
        fingerprint=fingerprint,
        public_key=public_key,
        created_at=app.clock.now(),
    )
    limit = (await limits_of(app, project_id))["key_pairs"]
    async with app.db.transaction():
        if limit != UNLIMITED and await store.keypair_count(app, user_id) >= limit:
            raise errors.TooManyKeypairs
        try:
            await store.keypair_create(app, keypair)
        except UniqueViolation:
            raise errors.KeypairExists(name=name) from None
    return keypair, private


async def _made(app: Compute, kind: str, user_id: str) -> tuple[str, str]:
    if kind == "ssh":
        return generated("Generated-by-Pileus")
    # An RSA key takes long to find.
    return await asyncio.to_thread(generated_certificate, user_id, app.clock.now())


async def keypair_get(app: Compute, user_id: str, name: str) -> Keypair:
    """The user's keypair; raises KeypairNotFound."""
    found = await store.keypair_find(app, user_id, name)
    if found is None:
        raise errors.KeypairNotFound(name=name, user=user_id)
    return found


async def delete_keypair(app: Compute, user_id: str, name: str) -> None:
    """The user does not have the keypair; servers keep what they were given."""
    await keypair_get(app, user_id, name)
    await store.keypair_delete(app, user_id, name)
