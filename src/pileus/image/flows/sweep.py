"""The standing sweep: uploads that died let their images wait again, and files that belong to no image go.

A file is made known to the database before its first byte is written and forgotten by it before it is removed, so a file
without a row is always rubbish: of a crash, or of an upload whose image was deleted.
"""

from pileus.image.app import ImageApp
from pileus.image.store import images as store

EVERY_S = 60.0


async def sweep(app: ImageApp) -> str | None:
    """Nothing is left of uploads that ended without a word, nor of deleted images; tells what was done."""
    # The files are listed before the rows: one that comes into being in between is not even looked at.
    files = set(await app.files.names())
    stale = await store.uploads_stale(app)
    for head in stale:
        if head.upload is not None:
            await store.upload_fail(app, head.id, head.upload)
    orphans = files - await store.files_in_use(app)
    for name in sorted(orphans):
        await app.files.remove(name)
    done = [f"{len(stale)} uploads ended"] * bool(stale) + [f"{len(orphans)} files removed"] * bool(orphans)
    return ", ".join(done) or None
