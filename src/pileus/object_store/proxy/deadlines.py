"""When an object expires, as its writer says: at a moment, or after some seconds."""

from pileus.object_store.models.stamps import Stamps
from pileus.object_store.proxy.asks import Ask, Refused

LATEST = 9_999_999_999


def delete_at(ask: Ask, stamps: Stamps) -> str:
    """The second at which the object expires, as text; empty when it does not. Refuses what is past or no number."""
    now = stamps.now()
    if "x-remove-delete-at" in ask.headers or "x-remove-delete-after" in ask.headers:
        if "x-delete-at" not in ask.headers and "x-delete-after" not in ask.headers:
            return ""
    after = ask.headers.get("x-delete-after", "")
    if after:
        seconds = _number(after, "X-Delete-After")
        if seconds <= 0:
            raise Refused(400, "X-Delete-After in past")
        return str(min(int(now + seconds), LATEST))
    at = ask.headers.get("x-delete-at", "")
    if not at:
        return ""
    moment = _number(at, "X-Delete-At")
    if moment <= now:
        raise Refused(400, "X-Delete-At in past")
    return str(min(moment, LATEST))


def _number(text: str, header: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(400, f"Non-integer {header}") from None
