"""Prefetch: which hosts are to fetch which images ahead of servers."""

import uuid
from collections.abc import Sequence

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.aggregates import aggregate_get
from pileus.compute.commands.hosts import host_list
from pileus.compute.flows.prefetch import subject_of
from pileus.compute.models.servers import MADE_RAW
from pileus.kit.auth import Caller


async def prefetch_images(app: Compute, caller: Caller, number: int, ids: Sequence[str], request_id: str) -> None:
    """The aggregate's hosts that are up are fetching the images; raises AggregateNotFound, BadRequest or NoSuchThing."""
    if len(set(ids)) < len(ids):
        raise errors.BadRequest(why="Duplicate images in request")
    aggregate = await aggregate_get(app, number)
    stored: dict[str, str | None] = {}
    for id in ids:
        image = await app.images.get(id, caller)
        if image is None:
            raise errors.NoSuchThing(what="Image", id=id)
        if not image.usable:
            raise errors.BadRequest(why=f"Image {id} is not active.")
        stored[id] = image.disk_format if image.disk_format in MADE_RAW else None
    able = {host.name for host in await host_list(app) if host.up and host.facts.keeps_images}
    hosts = [host for host in aggregate.hosts if host in able]
    if not hosts:
        return
    async with app.db.transaction():
        for id in ids:
            errand = str(uuid.uuid4())
            await app.engine.begin(
                "image.prefetch",
                subject_of(errand),
                {"image": id, "stored": stored[id], "hosts": hosts},
                user_id=caller.user_id,
                request_id=request_id,
                id=errand,
            )
