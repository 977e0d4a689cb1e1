"""One-time passcodes by the clock (RFC 6238): six digits, thirty seconds each, with HMAC-SHA-1 as every phone knows it."""

import base64
import hmac

STEP_S = 30
DIGITS = 6


def secret_of(text: str) -> bytes | None:
    """The secret in base32, as it is shown to people, with or without padding; None when it is none."""
    plain = text.strip().replace(" ", "").upper().rstrip("=")
    try:
        return base64.b32decode(plain + "=" * (-len(plain) % 8)) or None
    except ValueError:  # of base32, or of what is beyond ASCII
        return None


def passcode(secret: bytes, counter: int) -> str:
    """The passcode of one step of thirty seconds."""
    digest = hmac.digest(secret, counter.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 0xF
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def counter_of(secret: bytes, given: str, timestamp: float, before: int) -> int | None:
    """The step whose passcode this is: the present one, or one of so many before it; None when it is none of theirs."""
    now = int(timestamp) // STEP_S
    found = None
    for counter in range(now - before, now + 1):
        if hmac.compare_digest(passcode(secret, counter).encode(), given.encode()):
            found = counter
    return found
