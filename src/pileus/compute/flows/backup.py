"""Create a backup: an image of a server, after which the oldest of its kind go.

    as an image is made -> rotate

Which images are backups of a kind the images say themselves, so whoever deletes one changes nothing that is kept here.
"""

from pileus.compute.app import Compute
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.snapshot import copy_steps, ended, forget_copy
from pileus.kit.auth import Caller
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Flow, Outcome, Step
from pileus.ports.image import ImageFacts, ImageQuery

PAGE = 500


async def rotate(app: Compute, op: Operation) -> Outcome:
    """Of the server's backups of this kind there are as many as were asked for: the newest."""
    for image in (await _backups(app, op))[op.args["rotation"] :]:
        await app.images.remove(image.id)
    return Done()


async def _backups(app: Compute, op: Operation) -> list[ImageFacts]:
    """The server's whole backups of this kind, newest first."""
    caller = Caller(user_id=op.user_id or "", project_id=op.args["owner"])
    kind = {"image_type": "backup", "backup_type": op.args["backup_type"], "instance_uuid": server_id(op)}
    wanted, found = ImageQuery(status="active", properties=kind), list[ImageFacts]()
    while True:
        marker = found[-1].id if found else None
        page = await app.images.list(caller, wanted, marker=marker, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found


CREATE_BACKUP = Flow(
    "server.create_backup",
    (
        *copy_steps("image_backup", "image_pending_upload", "image_uploading"),
        Step("forget the copy", forget_copy, shows="image_uploading", final=True),
        Step("rotate", rotate, shows="image_uploading", final=True),
    ),
    ended=ended,
)
