"""OAuth 2.0 client credentials (RFC 6749 section 4.4): an application credential as client, or a user by certificate.

With a certificate (RFC 8705) the client is a user; the proxy that has seen it hands it on, and the token is bound to it.
"""

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pileus.identity.app import Identity
from pileus.identity.commands.applications import application_proven
from pileus.identity.commands.attempts import Attempt, attempted
from pileus.identity.commands.proxies import is_trusted
from pileus.identity.commands.tokens import fresh_payload, issue
from pileus.identity.errors import NotAuthenticated
from pileus.identity.models import Method, Scope, ScopeKind, User, ValidToken
from pileus.identity.models.logins import Named
from pileus.identity.store import follow
from pileus.identity.store.projects import domain_find
from pileus.identity.store.users import user_find


async def token_by_secret(app: Identity, client_id: str, secret: str, address: str) -> tuple[str, ValidToken]:
    """A token of the application credential whose secret this is; raises Unauthorized. Who guesses has to wait."""
    await follow(app)
    async with attempted(app, Attempt(("application_credential",), address, [Named(id=client_id)])) as attempt:
        found = await application_proven(app, id=client_id, user_id=None, name=None, secret=secret)
        user = await user_find(app, found.user_id)
        if user is None:
            raise NotAuthenticated
        payload = fresh_payload(app, user, Method.APPLICATION_CREDENTIAL)
        issued = await issue(app, payload, [Scope(ScopeKind.APPLICATION, found.id)])
        attempt.user_id = user.id
    return issued


async def token_by_certificate(app: Identity, client_id: str, header: str, address: str) -> tuple[str, ValidToken]:
    """A token of the user whose certificate a trusted proxy has seen, in their default project, bound to it."""
    await follow(app)
    async with attempted(app, Attempt(("oauth2_credential",), address, [Named(id=client_id)])) as attempt:
        certificate = certificate_of(header)
        user = await user_find(app, client_id)
        if certificate is None or user is None or not await _is_of(app, certificate, user):
            raise NotAuthenticated
        payload = fresh_payload(app, user, Method.OAUTH2_CREDENTIAL)
        payload = msgspec.structs.replace(payload, thumbprint=thumbprint_of(certificate))
        scopes = [Scope(ScopeKind.PROJECT, user.default_project_id)] if user.default_project_id else []
        issued = await issue(app, payload, [*scopes, Scope()])
        attempt.user_id = user.id
    return issued


def certificate_shown(app: Identity, client: str, headers: Mapping[str, str]) -> str | None:
    """The thumbprint of the certificate that a trusted proxy hands on with a request (RFC 8705 section 3)."""
    header = headers.get(app.config.client_certificate_header.lower())
    certificate = certificate_of(header) if header and is_trusted(app, client) else None
    return None if certificate is None else thumbprint_of(certificate)


def certificate_of(header: str) -> x509.Certificate | None:
    """The certificate a proxy hands on: PEM, with its line breaks escaped as in a URL."""
    try:
        return x509.load_pem_x509_certificate(unquote(header).encode())
    except ValueError:
        return None


def thumbprint_of(certificate: x509.Certificate) -> str:
    """What the token says of the certificate: its SHA-256 in URL-safe base64."""
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def _is_of(app: Identity, certificate: x509.Certificate, user: User) -> bool:
    """Whether the certificate names the user (UID or CN, and e-mail where it has one) and their domain (DC or O)."""
    name = certificate.subject
    said = {
        kind: [str(one.value) for one in name.get_attributes_for_oid(oid)]
        for kind, oid in (
            ("uid", NameOID.USER_ID),
            ("cn", NameOID.COMMON_NAME),
            ("dc", NameOID.DOMAIN_COMPONENT),
            ("o", NameOID.ORGANIZATION_NAME),
            ("email", NameOID.EMAIL_ADDRESS),
        )
    }
    domain = await domain_find(app, user.domain_id)
    now = app.clock.now()
    return (
        domain is not None
        and certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        and (user.id in said["uid"] or (not said["uid"] and user.name in said["cn"]))
        and bool({domain.id, domain.name} & {*said["dc"], *said["o"]})
        and (not said["email"] or user.extra.get("email") in said["email"])
    )
