"""Queries of messages."""

import datetime as dt

import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.messages import Message
from pileus.block_storage.store.rows import Rows
from pileus.block_storage.tables import MESSAGES
from pileus.kit.db import command

messages = Rows(
    MESSAGES,
    Message,
    sorts=("resource_type", "resource_id", "request_id"),
    renamed={"message_level": "level", "event_id": "action", "resource_uuid": "resource_id"},
)
FORGET = command(sa.delete(MESSAGES).where(MESSAGES.c.expires_at < sa.bindparam("now")))


async def messages_forget(app: BlockStorage, now: dt.datetime) -> int:
    """Messages whose time is over are gone; returns how many."""
    return await app.db.run(FORGET, now=now)
