"""What was revoked: single tokens before their time, for services that check tokens by themselves (OS-REVOKE)."""

import datetime as dt
from typing import Any

from pileus.identity.api.root import api
from pileus.identity.api.tokens import moment
from pileus.identity.app import Identity
from pileus.identity.errors import BadTime
from pileus.identity.store.revocations import revocations_since
from pileus.kit.http import Call, Query
from pileus.kit.policy import ADMIN_OR_SERVICE, Rule


class SinceQuery(Query):
    """Revoked after which moment; everything that still matters unless one is given."""

    since: str | None = None


@api.get("/OS-REVOKE/events", Rule("identity:list_revoke_events", ADMIN_OR_SERVICE), key="events")
async def events(call: Call[Identity], query: SinceQuery) -> list[dict[str, Any]]:
    """List revocations."""
    since = dt.datetime.min.replace(tzinfo=dt.UTC)
    if query.since is not None:
        try:
            since = dt.datetime.fromisoformat(query.since)
        except ValueError:
            raise BadTime(field="since", given=query.since[:50]) from None
        since = since if since.tzinfo is not None else since.replace(tzinfo=dt.UTC)
    return [
        {"audit_id": one.audit_id, "issued_before": moment(one.revoked_at), "revoked_at": moment(one.revoked_at)}
        for one in await revocations_since(call.app, since)
    ]
