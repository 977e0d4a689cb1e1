"""What hosts need to write on a config drive: the password a server was given, when the drive is made.

Documents name a password by a reference only. A host asks for it just before it makes the disc, for as long as it was given to that
server and no other took its place.
"""

from typing import Protocol


class GivenPasswords(Protocol):
    """Passwords that servers were given."""

    async def fetch(self, server_id: str, reference: str) -> str:
        """The password of that reference, in clear. Raises NotFound."""
        ...
