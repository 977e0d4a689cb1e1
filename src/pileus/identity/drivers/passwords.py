"""Passwords: argon2id, computed in threads, and a short memory of those just verified.

Two at a time at most: each takes 19 MiB and a core for some 30 ms. A login that was right is remembered for a minute
under a key that lives in this process only, so that scripts which log in for every command stay cheap. A wrong password,
and a user that does not exist, always cost the full price.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Protocol, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pileus.identity.errors import TooManyLogins
from pileus.kit.clock import Clock

T = TypeVar("T")

AT_ONCE = 2
QUEUE = 200  # some three seconds; who comes later is told so instead of waiting for longer than clients do
REMEMBERED = 10_000


class Hasher(Protocol):
    """Computes and checks hashes; as slow as it shall be."""

    def hash(self, password: str, /) -> str:
        """What to store for a password."""
        ...

    def verify(self, hash: str, password: str, /) -> bool:
        """True for the right password; raises VerificationError or InvalidHashError."""
        ...


class Argon2Passwords:
    """Passwords as argon2id hashes; those other programs stored with scrypt or PBKDF2 are understood."""

    def __init__(self, clock: Clock, memory_s: float = 60, queue: int = QUEUE, hasher: Hasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._clock = clock
        self._memory_s = memory_s
        self._room = asyncio.Semaphore(AT_ONCE)
        self._queue = queue
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._verified: dict[str, tuple[bytes, float]] = {}
        # No password is known to have this hash; verifying against it takes as long as against any other.
        self._nobody = f"$argon2id$v=19$m=19456,t=2,p=1${_random(16)}${_random(32)}"

    async def hashed(self, password: str) -> str:
        """What to store for a password."""
        return await self._computed(lambda: self._hasher.hash(password))

    async def matches(self, user_id: str, stored: str | None, password: str, *, anew: bool = False) -> bool:
        """Whether it is the password; takes as long when nothing is stored, or when there is no such user.

        `anew`: whatever is remembered, and without remembering it.
        """
        digest = self._digest(stored or "", password)
        known = self._verified.get(user_id)
        if (
            not anew
            and known is not None
            and known[1] > self._clock.monotonic()
            and hmac.compare_digest(known[0], digest)
        ):
            return True
        right = await self._computed(lambda: self._verify(stored or self._nobody, password))
        if right and not anew:
            while len(self._verified) >= REMEMBERED:
                del self._verified[next(iter(self._verified))]
            self._verified[user_id] = (digest, self._clock.monotonic() + self._memory_s)
        return right

    def forget(self, user_id: str) -> None:
        """Check the user's next password anew."""
        self._verified.pop(user_id, None)

    async def _computed(self, compute: Callable[[], T]) -> T:
        """What a thread makes of it, once there is room."""
        if self._waiting >= self._queue:
            raise TooManyLogins
        self._waiting += 1
        try:
            async with self._room:
                return await asyncio.to_thread(compute)
        finally:
            self._waiting -= 1

    def _digest(self, stored: str, password: str) -> bytes:
        # The stored hash takes part, so that another controller's change of it voids what is remembered here.
        mark = hashlib.blake2b(stored.encode(), key=self._key)
        mark.update(b"\0" + password.encode())
        return mark.digest()

    def _verify(self, stored: str, password: str) -> bool:
        if not stored.startswith("$argon2"):
            return verify_foreign(stored, password)
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def verify_foreign(stored: str, password: str) -> bool:
    """Whether a hash made by another program is this password's: `$scrypt$…` or `$pbkdf2-sha512$…`."""
    parts = stored.split("$")
    raw = password.encode()
    match parts[1:]:
        case ["scrypt", cost, salt, digest]:
            cost_of = dict(part.split("=") for part in cost.split(","))
            n, r, p = 1 << int(cost_of["ln"]), int(cost_of["r"]), int(cost_of["p"])
            made = hashlib.scrypt(raw, salt=_bytes(salt), n=n, r=r, p=p, maxmem=256 * n * r, dklen=len(_bytes(digest)))
        case ["pbkdf2-sha512", rounds, salt, digest]:
            made = hashlib.pbkdf2_hmac("sha512", raw, _bytes(salt), int(rounds))
        case _:
            return False
    return hmac.compare_digest(made, _bytes(digest))


def _bytes(text: str) -> bytes:
    # These formats write base64 without padding, and some a dot for the plus sign.
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4))


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
