"""Create an image: what a server has on its disk becomes an image, while the server goes on.

    ask for a copy -> await the copy -> give it to the image service -> forget the copy

The image has its row from the beginning, so that its id can be answered; when anything fails it is removed again.
"""

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import Power
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.store.servers import server_find
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

COPY_S = 7200.0
TELLING = ("server.create_image", "server.create_backup")  # a shelved server tells of that


async def ask_for_copy(app: Compute, op: Operation) -> Outcome:
    """The server's host knows that a copy is wanted."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Fail("The server is on no host.")
    power = Power.OFF if op.args.get("stopped") else document.settled_power(server)
    await document.want(app, server, server.host, power, snapshot=op.args["image_id"])
    return Done({"host": server.host})


async def forget_copy(app: Compute, op: Operation) -> Outcome:
    """The server's host has no copy, and is making none."""
    server = await server_find(app, server_id(op))
    if server is not None:
        await document.want_as_settled(app, server)
    return Done()


async def await_copy(app: Compute, op: Operation) -> Outcome:
    """The copy is whole, and the facts say where it is."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Fail("The server is on no host.")
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if seen.snapshot is None or seen.snapshot.name != op.args["image_id"]:
        return Wait(document.LOOK_AGAIN_S, f"host {server.host} copies the disk")
    return Done({"file": seen.snapshot.file})


async def upload(app: Compute, op: Operation) -> Outcome:
    """The image holds the copy."""
    async with app.files.at_hand(op.facts["host"], server_id(op), op.facts["file"]) as file:
        await app.images.take(op.args["image_id"], str(file))
    return Done(also=lambda: _told(app, op))


async def _told(app: Compute, op: Operation) -> None:
    server = await server_find(app, server_id(op))
    if server is not None and op.flow in TELLING:
        payload = {"image": op.args["image_id"]}
        await app.events.tell(
            "server.image_created", server.subject, server.project_id, op.request_id, payload, user_id=op.user_id
        )


async def ended(app: Compute, op: Operation) -> None:
    """An image that could not be made does not exist."""
    if op.state is not State.DONE:
        await app.images.remove(op.args["image_id"])


def copy_steps(ask: str, wait: str, send: str) -> tuple[Step, ...]:
    """The steps that make an image of a server, and what each shows."""
    return (
        Step("ask for a copy", ask_for_copy, forget_copy, shows=ask),
        Step("await the copy", await_copy, shows=wait, deadline_s=COPY_S),
        Step("upload", upload, shows=send, deadline_s=COPY_S),
    )


CREATE_IMAGE = Flow(
    "server.create_image",
    (
        *copy_steps("image_snapshot", "image_pending_upload", "image_uploading"),
        Step("forget the copy", forget_copy, shows="image_uploading", final=True),
    ),
    ended=ended,
)
