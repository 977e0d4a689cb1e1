"""What identity promises the other services and the HTTP kernel, kept."""

from collections.abc import Mapping, Sequence

from pileus.identity.app import Identity
from pileus.identity.commands.catalog import catalog_list
from pileus.identity.commands.limits import bounds_of
from pileus.identity.commands.oauth2 import certificate_shown
from pileus.identity.commands.signatures import signer_find
from pileus.identity.commands.validity import token_find
from pileus.identity.errors import NotAuthenticated
from pileus.identity.store.projects import project_find
from pileus.identity.store.users import user_find
from pileus.kit.auth import Caller
from pileus.ports.identity import CatalogEntry, ProjectRef, Signer, UserRef
from pileus.ports.limits import Bound


class IdentityPort:
    """Authenticator, Directory, AccessKeys and Limits in one."""

    def __init__(self, app: Identity) -> None:
        self._app = app

    async def caller(self, token: str) -> Caller:
        """The caller the token stands for; raises Unauthorized when it is unknown, expired or revoked."""
        found = await token_find(self._app, token)
        if found is None:
            raise NotAuthenticated
        return found.caller

    def certificate(self, client: str, headers: Mapping[str, str]) -> str | None:
        """The thumbprint of the certificate that a trusted proxy says its client showed."""
        return certificate_shown(self._app, client, headers)

    async def signer(self, access: str, text: bytes, signature: str, scope: str | None = None) -> Signer | None:
        """Who signed the text with the secret of this access key; None unless it is their signature."""
        return await signer_find(self._app, access, text, signature, scope)

    async def project(self, project_id: str) -> ProjectRef | None:
        """The project with this id."""
        found = await project_find(self._app, project_id)
        if found is None or found.domain_id is None:
            return None
        return ProjectRef(found.id, found.name, found.domain_id, found.enabled)

    async def project_name(self, project_id: str) -> str | None:
        """The name of the project with this id."""
        found = await project_find(self._app, project_id)
        return found.name if found else None

    async def user(self, user_id: str) -> UserRef | None:
        """The user with this id."""
        found = await user_find(self._app, user_id)
        return UserRef(found.id, found.name, found.domain_id, found.enabled) if found else None

    async def catalog(self, project_id: str | None = None) -> Sequence[CatalogEntry]:
        """The services and their endpoints, as somebody in this project reaches them."""
        return await catalog_list(self._app, project_id)

    async def endpoint(self, service_type: str, interface: str = "public", region: str | None = None) -> str | None:
        """The address of a service."""
        for entry in await catalog_list(self._app, None):
            if entry.type == service_type:
                for endpoint in entry.endpoints:
                    if endpoint.interface == interface and region in {None, endpoint.region_id}:
                        return endpoint.url
        return None

    async def bounds(self, project_id: str, service_type: str, region: str | None = None) -> Mapping[str, Bound]:
        """What the project may use of what the service has registered limits for."""
        return await bounds_of(self._app, project_id, service_type, region)
