"""`/recon`, as Swift's storage servers have it: how the machines of the cluster are, for whoever runs it.

GET /recon/replication/object              of this machine
GET /recon/replication/object?host=h1      of another one
"""

import asyncio

import msgspec

from pileus.kit.auth import Caller
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.errors import StorageProblem
from pileus.object_store.proxy.asks import Answer, Ask, Refused
from pileus.object_store.workers.recon import NoSuchCheck

JSON = {"content-type": "application/json"}


async def recon(app: ObjectStoreApp, ask: Ask, caller: Caller, parts: list[str]) -> Answer:
    """What a machine says of itself; refuses whoever does not run the cluster."""
    if not caller.roles & {app.config.reseller_admin_role, "admin"}:
        raise Refused(403 if caller.user_id else 401)
    if ask.method not in {"GET", "HEAD"}:
        raise Refused(405, headers={"allow": "GET, HEAD"})
    check, of = ([*parts, "", ""])[:2]
    host = ask.query.get("host")
    try:
        if host is not None and host != app.server.own:
            said = await app.servers.far(host).lines.call("workers/recon", msgspec.json.encode((check, of)))
        else:
            said = msgspec.json.encode(await asyncio.to_thread(app.recon.answer, check, of))
    except NoSuchCheck:
        raise Refused(404, f"Invalid path: /recon/{'/'.join(parts)}") from None
    except StorageProblem as failed:
        raise Refused(503, failed.message) from failed
    return Answer(headers=dict(JSON), body=said)
