"""Identity's collaborators, and what it asks of those that hold secrets."""

from pathlib import Path
from typing import Protocol

import msgspec

from pileus.identity.config import Config
from pileus.identity.drivers.openid import OpenId
from pileus.identity.drivers.tokens import Tokens
from pileus.identity.models import Memory
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.observe.events import Events


class Seal(Protocol):
    """Makes bytes into tokens that nobody else can make or read."""

    def seal(self, payload: bytes) -> str:
        """A token that holds the payload."""
        ...

    def open(self, token: str) -> bytes | None:
        """The payload of a token; None when it is none of ours."""
        ...


class Passwords(Protocol):
    """Stores passwords so that they can be checked and not read."""

    async def hashed(self, password: str) -> str:
        """What to store for a password."""
        ...

    async def matches(self, user_id: str, stored: str | None, password: str, *, anew: bool = False) -> bool:
        """Whether it is the password; takes as long when nothing is stored, or when there is no such user.

        `anew`: whatever is remembered, and without remembering it.
        """
        ...

    def forget(self, user_id: str) -> None:
        """Check the user's next password anew, whatever is remembered."""
        ...


class Identity(msgspec.Struct, frozen=True):
    """Everything identity works with; made once."""

    db: Database
    clock: Clock
    config: Config
    tokens: Tokens
    receipts: Seal  # of what somebody has proven who must prove more
    vault: Seal  # of what is kept, by keys other than those of tokens, as tokens may be forgotten and this must not
    passwords: Passwords
    openid: OpenId
    saml_keys: Path  # the folder of the pair that signs what we assert
    memory: Memory
    events: Events | None = None  # where logins and changes are told; nowhere in a cloud without
