"""What identity promises the other services: who calls, which projects there are, and where services are reached."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pileus.kit.auth import Authenticator as Authenticator
from pileus.kit.auth import Caller


class ProjectRef(msgspec.Struct, frozen=True):
    """A project as other services know it."""

    id: str
    name: str
    domain_id: str
    enabled: bool = True


class UserRef(msgspec.Struct, frozen=True):
    """A user as other services know them."""

    id: str
    name: str
    domain_id: str
    enabled: bool = True


class CatalogEndpoint(msgspec.Struct, frozen=True):
    """Where a service is reached; `region` repeats `region_id`, as old clients read it."""

    id: str
    interface: str
    region_id: str | None
    region: str | None
    url: str


class CatalogEntry(msgspec.Struct, frozen=True):
    """A service and its endpoints."""

    id: str
    type: str
    name: str
    endpoints: Sequence[CatalogEndpoint]


class Directory(Protocol):
    """Looks up projects and users, and where services are."""

    async def project(self, project_id: str) -> ProjectRef | None:
        """The project with this id."""
        ...

    async def project_name(self, project_id: str) -> str | None:
        """The name of the project with this id."""
        ...

    async def user(self, user_id: str) -> UserRef | None:
        """The user with this id."""
        ...

    async def catalog(self, project_id: str | None = None) -> Sequence[CatalogEntry]:
        """The services and their endpoints, as somebody in this project reaches them."""
        ...

    async def endpoint(self, service_type: str, interface: str = "public", region: str | None = None) -> str | None:
        """The address of a service."""
        ...


class Signer(msgspec.Struct, frozen=True):
    """Who signed a text; `key` is the version 4 signing key of its day and place, which signs chunks that follow."""

    caller: Caller
    key: bytes | None = None

    def __repr__(self) -> str:
        return f"Signer(caller={self.caller})"


class AccessKeys(Protocol):
    """Tells by an access key and a signature who asks; secrets stay in identity."""

    async def signer(self, access: str, text: bytes, signature: str, scope: str | None = None) -> Signer | None:
        """Who signed the text: S3's string to sign of version 2, or of 4; None unless it is their signature.

        `signature` is base64 in version 2 and hexadecimal in version 4. A text of version 4 that does not say so itself (a form's
        policy) comes with the `scope` it was signed for. The caller carries a token of their own.
        """
        ...
