"""What a controller without disks of its own answers: that object storage is served by another one."""

from collections.abc import Mapping
from typing import Any

from pileus.kit.http.call import Receive
from pileus.kit.http.send import Send
from pileus.object_store.api.wire import send_answer
from pileus.object_store.proxy.asks import refusal

TEXT = "Object storage is served by the controller that has its disks (the one with agent = true); ask that one.\n"


async def elsewhere(_scope: Mapping[str, Any], receive: Receive, send: Send) -> int:
    """The request is answered with 503: an empty store of this controller's own would look like loss."""
    answer = refusal(503, TEXT, {"retry-after": "60"})
    await send_answer(None, answer, send, receive)
    return answer.status
