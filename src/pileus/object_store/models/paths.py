"""Where something is in object storage: an account, a container in it, an object in that."""

from hashlib import md5
from urllib.parse import quote

import msgspec


class Path(msgspec.Struct, frozen=True, order=True):
    """An account, or a container, or an object; names are as clients gave them, decoded."""

    account: str
    container: str | None = None
    object: str | None = None

    def __str__(self) -> str:
        return "/" + "/".join(part for part in (self.account, self.container, self.object) if part is not None)

    @property
    def depth(self) -> int:
        """1 for an account, 2 for a container, 3 for an object."""
        return 1 if self.container is None else 2 if self.object is None else 3

    @property
    def above(self) -> "Path":
        """What it is in; an account is in itself."""
        return Path(self.account, self.container) if self.object is not None else Path(self.account)

    @property
    def quoted(self) -> str:
        """As in a URL, below /v1."""
        return quote(str(self))

    def hash(self, salt: str) -> str:
        """32 hex digits that tell it from others and spread evenly; the salt keeps clients from choosing them."""
        return md5(f"{salt}{self}".encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def object_path(text: str, account: str) -> Path | None:
    """The object that `container/object`, with or without a slash before it, is in an account; None when it is none."""
    container, _, name = text.lstrip("/").partition("/")
    return Path(account, container, name) if container and name else None
