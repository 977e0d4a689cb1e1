"""What was done while somebody waited, among the operations: it belongs to the history of its subject, but nothing runs it.

For work that must not be written down before it is done, such as passing on a password. What was asked for stays out of the row.
"""

import datetime as dt
import uuid

from pileus.kit.db import Database
from pileus.kit.flow.book import INSERT, STEP_BEGAN
from pileus.kit.flow.operation import State
from pileus.kit.observe.log import request_id as current_request_id


async def note(
    db: Database,
    flow: str,
    step: str,
    subject: str,
    *,
    began: dt.datetime,
    ended: dt.datetime,
    failure: str | None = None,
    host: str | None = None,
    project_id: str | None = None,
    user_id: str | None = None,
    request_id: str | None = None,
) -> None:
    """The history of the subject tells of this one step; it failed if there is a failure."""
    id, state = str(uuid.uuid4()), State.DONE if failure is None else State.FAILED
    async with db.transaction():
        await db.one(
            INSERT, id=id, flow=flow, subject=subject, args={}, facts={}, step=step, shows=None, undoing=False,
            failure=failure, attempts=0, tries=1, generation=1, created=began, updated=ended, begun=began, finished=ended,
            look_again_at=ended, deadline=None, state=state, project_id=project_id, user_id=user_id,
            request_id=request_id or current_request_id.get(), holder=None,
        )  # fmt: skip
        await db.run(
            STEP_BEGAN, operation=id, step=step, undoing=False, started=began, finished=ended, result=state.value,
            why=failure, host=host,
        )  # fmt: skip
