"""Prefetch: hosts fetch an image before servers boot from it.

    fetch -> forget

A host that goes down meanwhile is not waited for, and neither is one that cannot fetch it: its next server will say why.
"""

import msgspec

from pileus.compute.agent.images import ERRAND, Errand, Fetched
from pileus.compute.app import Compute
from pileus.compute.drivers.interface import Stored
from pileus.compute.flows.document import LOOK_AGAIN_S
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Flow, Outcome, Step, Wait

DEADLINE_S = 7200.0


def subject_of(errand: str) -> str:
    """The name of an errand among the subjects of operations; reports of hosts wake it."""
    return f"{ERRAND}:{errand}"


async def fetch(app: Compute, op: Operation) -> Outcome:
    """Every host that is up has the image, or has said why it has not."""
    waiting, failed = [], {}
    stored = Stored(op.args["stored"]) if op.args.get("stored") else None
    for host in op.args["hosts"]:
        if not await app.hosts.is_up(host):
            continue
        await app.hosts.want(host, ERRAND, op.id, Errand(op.args["image"], stored))
        report = await app.hosts.answer(host, ERRAND, op.id)
        if report is None or (report.failure is None and not msgspec.convert(report.body, Fetched).here):
            waiting.append(host)
        elif report.failure is not None:
            failed[host] = report.failure
    if waiting:
        return Wait(LOOK_AGAIN_S, f"waiting for {', '.join(waiting)} to fetch the image")
    return Done({"failed": failed})


async def forget(app: Compute, op: Operation) -> Outcome:
    """No host is on the errand."""
    for host in op.args["hosts"]:
        await app.hosts.unwant(host, ERRAND, op.id)
    return Done()


PREFETCH = Flow(
    "image.prefetch",
    (Step("fetch", fetch, forget, deadline_s=DEADLINE_S), Step("forget", forget, final=True)),
)
