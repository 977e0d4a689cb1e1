"""The standing sweep: uploads that died let their images wait again, and files that belong to no image go.

A file is made known to the database before its first byte is written and forgotten by it before it is removed, so a file
without a row is always rubbish: of a crash, or of an upload whose image was deleted.
"""

from pileus.image.app import ImageApp
from pileus.image.drivers.interface import ByteStore, Unreadable
from pileus.image.flows.cache import clean
from pileus.image.flows.imports import subject_of
from pileus.image.flows.intake import let_go
from pileus.image.store import images as store
from pileus.image.store.copies import places_in_use
from pileus.image.store.tasks import tasks_forget
from pileus.kit.observe.log import log_of

log = log_of(__name__)
EVERY_S = 60.0
STAGING = ""  # no store's name


async def _underway(app: ImageApp, store: ByteStore, name: str) -> bool:
    """Whether an import works on the file: between the steps, it has several of one image."""
    return store is app.stores.staging and await app.operations.open(subject_of(name.partition(".")[0])) is not None


async def _names(store: ByteStore) -> set[str]:
    """The files of the store; none of one that cannot be reached now, whose turn comes again."""
    try:
        return set(await store.names())
    except Unreadable as failed:
        log.warning("a store of images cannot be swept", why=str(failed))
        return set()


async def sweep(app: ImageApp) -> str | None:
    """Nothing is left of uploads that ended without a word, nor of deleted images and old tasks; tells what was done."""
    stores = {**app.stores.writable(), STAGING: app.stores.staging}
    # The files are listed before the rows: one that comes into being in between is not even looked at.
    files = [(id, await _names(one)) for id, one in stores.items()]
    stale = await store.uploads_stale(app)
    for head in stale:
        if head.upload is not None:
            await store.upload_fail(app, head.id, head.upload)
    in_use = await places_in_use(app)
    strays = [(stores[id], name) for id, names in files for name in sorted(names) if not in_use.holds(id, name)]
    orphans = [stray for stray in strays if not await _underway(app, *stray)]
    for one, name in orphans:
        await let_go(one, name)
    strangers = len(orphans) + await clean(app)
    old = await tasks_forget(app)
    counts = ((len(stale), "uploads ended"), (strangers, "files removed"), (old, "tasks forgotten"))
    return ", ".join(f"{count} {what}" for count, what in counts if count) or None
