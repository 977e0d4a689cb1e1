"""The standing sweep: messages whose time is over are gone."""

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.store.messages import messages_forget

EVERY_S = 600.0


async def sweep(app: BlockStorage) -> str | None:
    """No message is older than messages may be; tells how many were dropped."""
    dropped = await messages_forget(app, app.clock.now())
    return f"{dropped} messages forgotten" if dropped else None
