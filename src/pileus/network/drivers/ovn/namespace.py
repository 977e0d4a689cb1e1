"""Work done inside a network namespace by a thread that enters it for a moment.

A namespace belongs to a thread, not to the process; so a short-lived thread of its own enters, does the one thing
(opens a socket, a TAP) and ends. What it opened stays in that namespace for good, whoever uses it afterwards.
"""

import asyncio
import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")

NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


async def within(namespace: str, do: Callable[[], Made]) -> Made:
    """What `do` returns when called inside the namespace; raises what it raises, OSError if there is none such."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[Made] = loop.create_future()

    def settle(result: Made | None, failed: BaseException | None) -> None:
        if made.cancelled():
            return
        if failed is not None:
            made.set_exception(failed)
        else:
            made.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        try:
            _enter(namespace)
            result = do()
        except Exception as failed:  # noqa: BLE001 - handed to the waiter, whatever it is
            loop.call_soon_threadsafe(settle, None, failed)
        else:
            loop.call_soon_threadsafe(settle, result, None)

    threading.Thread(target=work, name=f"in {namespace}", daemon=True).start()
    return await made


def exists(namespace: str) -> bool:
    """Whether a namespace of this name is there."""
    return (NAMESPACES / namespace).exists()


def is_of(namespace: str, pid: int) -> bool:
    """Whether a process lives in the namespace that bears this name now; raises OSError if either is gone."""
    return os.path.samestat(os.stat(NAMESPACES / namespace), os.stat(f"/proc/{pid}/ns/net"))


def named(prefix: str) -> list[str]:
    """Names of namespaces that begin so."""
    if not NAMESPACES.is_dir():
        return []
    return sorted(entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(prefix))


def _enter(namespace: str) -> None:
    door = os.open(NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Python 3.12 has os.setns; 3.11 has not.
        if _libc.setns(door, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)
    finally:
        os.close(door)
