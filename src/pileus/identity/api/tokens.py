"""Tokens: logging in, validating, revoking."""

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.api.root import Password, api
from pileus.identity.app import Identity
from pileus.identity.commands.catalog import catalog_encoded
from pileus.identity.commands.federation import service_providers
from pileus.identity.commands.proxies import address_of, remote_user_of
from pileus.identity.commands.tokens import Receipt, log_in, revoke_token
from pileus.identity.commands.validity import subject_get
from pileus.identity.errors import BadScope
from pileus.identity.models import ApplicationCredential, Federated, Project, ScopeKind, User, ValidToken
from pileus.identity.models.logins import ApplicationNamed, Login, Named, ScopeAsked
from pileus.identity.models.oauth1 import signed_of
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Reply, Wire
from pileus.kit.policy import Rule
from pileus.ports.identity import CatalogEntry

SUBJECT = "x-subject-token"
RECEIPT = "openstack-auth-receipt"
FEDERATED = ("mapped", "saml2", "openid")


class Loose(Wire):
    """A part of a login; what it does not know it passes over, as methods carry parts of their own."""

    __loose__: ClassVar[bool] = True


class DomainNamed(Loose):
    id: str | None = None
    name: str | None = None


class UserNamed(Loose):
    id: str | None = None
    name: str | None = None
    domain: DomainNamed | None = None
    password: Password | None = None


class PasswordMethod(Loose):
    user: UserNamed


class TokenMethod(Loose):
    id: str


class PasscodeUser(Loose):
    passcode: Annotated[str, msgspec.Meta(max_length=64)]
    id: str | None = None
    name: str | None = None
    domain: DomainNamed | None = None


class PasscodeMethod(Loose):
    user: PasscodeUser


class ApplicationMethod(Loose):
    secret: Password
    id: str | None = None
    name: str | None = None
    user: UserNamed | None = None


class Proof(Loose):
    methods: list[str]
    application_credential: ApplicationMethod | None = None
    password: PasswordMethod | None = None
    token: TokenMethod | None = None
    totp: PasscodeMethod | None = None
    mapped: TokenMethod | None = None
    saml2: TokenMethod | None = None
    openid: TokenMethod | None = None


class ProjectNamed(Loose):
    id: str | None = None
    name: str | None = None
    domain: DomainNamed | None = None


class SystemNamed(Loose):
    all: bool = False


class TrustNamed(Loose):
    id: str


class ScopeNamed(Loose):
    project: ProjectNamed | None = None
    domain: DomainNamed | None = None
    system: SystemNamed | None = None
    trust: Annotated[TrustNamed | None, F("OS-TRUST:trust")] = None


class Auth(Loose):
    identity: Proof
    scope: ScopeNamed | Literal["unscoped"] | None = None


class Labelled(Wire):
    id: str
    name: str


class Placed(Wire):
    id: str
    name: str
    domain: Labelled


class UserShown(Wire):
    id: str
    name: str
    domain: Labelled
    password_expires_at: str | None
    federated: Annotated[dict[str, Any] | UnsetType, F("OS-FEDERATION")] = UNSET


class Identified(Wire):
    id: str


class TrustShown(Wire):
    id: str
    trustor_user: Identified
    trustee_user: Identified
    impersonation: bool


class ApplicationShown(Wire):
    id: str
    name: str
    restricted: bool
    access_rules: list[dict[str, str]] | UnsetType = UNSET


class AccessShown(Wire):
    access_token_id: str
    consumer_id: str


class TokenView(Wire):
    methods: list[str]
    user: UserShown
    audit_ids: list[str]
    expires_at: str
    issued_at: str
    project: Placed | UnsetType = UNSET
    is_domain: bool | UnsetType = UNSET
    domain: Labelled | UnsetType = UNSET
    system: dict[str, bool] | UnsetType = UNSET
    roles: list[Labelled] | UnsetType = UNSET
    catalog: list[CatalogEntry] | UnsetType = UNSET
    application_credential: ApplicationShown | UnsetType = UNSET
    trust: Annotated[TrustShown | UnsetType, F("OS-TRUST:trust")] = UNSET
    oauth1: Annotated[AccessShown | UnsetType, F("OS-OAUTH1")] = UNSET
    service_providers: list[dict[str, str]] | UnsetType = UNSET
    oauth2_credential: dict[str, str] | UnsetType = UNSET


class ReceiptView(Wire):
    methods: list[str]
    user: UserShown
    expires_at: str
    issued_at: str


def moment(at: dt.datetime) -> str:
    """A moment as identity writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _user(user: User, domain: Project) -> UserShown:
    expires = user.password_expires_at
    return UserShown(
        id=user.id,
        name=user.name,
        domain=_labelled(domain),
        password_expires_at=moment(expires) if expires else None,
    )


def _labelled(domain: Project) -> Labelled:
    return Labelled(id=domain.id, name=domain.name)


def _federated(came: Federated) -> dict[str, Any]:
    return {
        "identity_provider": {"id": came.idp_id},
        "protocol": {"id": came.protocol_id},
        "groups": [{"id": group_id} for group_id in came.group_ids],
    }


def _show_source(shown: TokenView, token: ValidToken) -> None:
    """What a token came from is shown with it."""
    if token.application is not None:
        shown.application_credential = _application(token.application, token.caller)
    if token.trust is not None:
        shown.trust = TrustShown(
            id=token.trust.id,
            trustor_user=Identified(id=token.trust.trustor_user_id),
            trustee_user=Identified(id=token.trust.trustee_user_id),
            impersonation=token.trust.impersonation,
        )
    if token.access is not None:
        shown.oauth1 = AccessShown(access_token_id=token.access.id, consumer_id=token.access.consumer_id)


async def view(call: Call[Identity], token: ValidToken) -> TokenView:
    """A token as everybody may read it who holds it."""
    user, payload, scope = token.user, token.payload, token.payload.scope
    shown = TokenView(
        methods=payload.methods.names(),
        user=_user(user, token.user_domain),
        audit_ids=list(payload.audit_ids),
        expires_at=moment(payload.expires_at),
        issued_at=moment(payload.issued_at),
    )
    if payload.federated is not None:
        shown.user.federated = _federated(payload.federated)
    if payload.thumbprint:
        shown.oauth2_credential = {"x5t#S256": payload.thumbprint}
    if scope.kind is ScopeKind.NONE:
        return shown
    if token.project is not None and token.domain is not None:
        shown.project = Placed(id=token.project.id, name=token.project.name, domain=_labelled(token.domain))
        shown.is_domain = token.project.is_domain
    elif token.domain is not None:
        shown.domain = _labelled(token.domain)
    else:
        shown.system = {"all": True}
    _show_source(shown, token)
    shown.roles = [Labelled(id=role.id, name=role.name) for role in token.roles]
    if not any(name == "nocatalog" for name, _ in call.query):
        providers = await service_providers(call.app)
        if providers:
            shown.service_providers = [
                {"id": one.id, "auth_url": one.auth_url, "sp_url": one.sp_url} for one in providers
            ]
        catalog = await catalog_encoded(call.app, token.project.id if token.project else None, user.id)
        shown.catalog = cast("list[CatalogEntry]", catalog)
    return shown


def _application(application: ApplicationCredential, caller: Caller) -> ApplicationShown:
    rules = caller.access_rules
    return ApplicationShown(
        id=application.id,
        name=application.name,
        restricted=not application.unrestricted,
        access_rules=UNSET
        if rules is None
        else [{"service": rule.service, "method": rule.method, "path": rule.path} for rule in rules],
    )


def _named(wire: DomainNamed | ProjectNamed | UserNamed | PasscodeUser | None) -> Named | None:
    if wire is None:
        return None
    domain = getattr(wire, "domain", None)
    return Named(wire.id, wire.name, Named(domain.id, domain.name) if domain else None)


def _scope(scope: ScopeNamed | str | None) -> ScopeAsked | None:
    if scope is None:
        return None
    if isinstance(scope, str):
        return ScopeAsked()
    parts = [part for part in (scope.project, scope.domain, scope.system, scope.trust) if part is not None]
    if len(parts) != 1 or (scope.system is not None and not scope.system.all):
        raise BadScope(
            why="The scope must be exactly one of: project, domain, OS-TRUST:trust, system with all set to true."
        )
    if scope.trust is not None:
        return ScopeAsked(trust_id=scope.trust.id)
    for part in (scope.project, scope.domain):
        if part is not None and part.id is None and part.name is None:
            raise BadScope(why="A project or domain to act in must be named by id or by name.")
    if scope.project is not None and scope.project.id is None and scope.project.domain is None:
        raise BadScope(why="A project named by name needs its domain.")
    return ScopeAsked(_named(scope.project), _named(scope.domain), scope.system is not None)


def _check_parts(proof: Proof) -> None:
    """Raise BadScope where a method lacks its part."""
    if "password" in proof.methods and (proof.password is None or proof.password.user.password is None):
        raise BadScope(why="The method password needs a user with a password.")
    if "token" in proof.methods and proof.token is None:
        raise BadScope(why="The method token needs a token.")
    if any(name in proof.methods and getattr(proof, name) is None for name in FEDERATED):
        raise BadScope(why="A login by an identity provider begins there; here it needs the token got for it.")
    if "totp" in proof.methods and proof.totp is None:
        raise BadScope(why="The method totp needs a user with a passcode.")
    if "application_credential" in proof.methods and proof.application_credential is None:
        raise BadScope(why="The method application_credential needs an application credential with its secret.")
    for part in (proof.password, proof.totp):
        if part is not None and part.user.id is None and (part.user.name is None or part.user.domain is None):
            raise BadScope(why="A user must be named by id, or by name and domain.")


def _login(call: Call[Identity], auth: Auth) -> Login:
    proof = auth.identity
    receipt = call.headers.get(RECEIPT)
    if not proof.methods and receipt is None:
        raise BadScope(why="The list of methods is empty.")
    _check_parts(proof)
    application = proof.application_credential if "application_credential" in proof.methods else None
    user = proof.password.user if proof.password else None
    return Login(
        methods=tuple(dict.fromkeys(proof.methods)),
        user=_named(user),
        password=user.password if user else None,
        passcode_user=_named(proof.totp.user) if proof.totp else None,
        passcode=proof.totp.user.passcode if proof.totp else None,
        token=next((part.id for part in (proof.token, proof.mapped, proof.saml2, proof.openid) if part), None),
        application=ApplicationNamed(application.secret, application.id, application.name, _named(application.user))
        if application
        else None,
        oauth1=signed_of("POST", call.url("/v3/auth/tokens"), call.headers.get("authorization", "")),
        remote_user=remote_user_of(call.app, call.client, call.headers),
        receipt=receipt,
        scope=_scope(auth.scope),
        address=address_of(call.app, call.client, call.headers),
    )


def told(call: Call[Identity], token: str) -> None:
    """The answer carries the token."""
    call.reply_headers["X-Subject-Token"] = token
    call.reply_headers["Vary"] = "X-Auth-Token"


def _receipt(call: Call[Identity], receipt: Receipt) -> Reply:
    """What somebody is told who must prove more."""
    payload = receipt.payload
    shown = ReceiptView(
        methods=payload.methods.names(),
        user=_user(receipt.user, receipt.user_domain),
        expires_at=moment(payload.expires_at),
        issued_at=moment(payload.issued_at),
    )
    body = msgspec.json.encode({"receipt": shown, "required_auth_methods": receipt.required})
    headers = {
        "Content-Type": "application/json",
        "Openstack-Auth-Receipt": receipt.sealed,
        "WWW-Authenticate": f'Keystone uri="{call.base}"',
    }
    return Reply(401, body, headers)


@api.post("/auth/tokens", None, key="auth", reply_key="token")
async def create(call: Call[Identity], body: Auth) -> TokenView | Reply:
    """Log in: issue a token."""
    found = await log_in(call.app, _login(call, body))
    if isinstance(found, Receipt):
        return _receipt(call, found)
    told(call, found[0])
    return await view(call, found[1])


async def _subject(call: Call[Identity], rule: str) -> ValidToken:
    """The token the request is about, if the caller may see it."""
    found = await subject_get(call.app, call.headers.get(SUBJECT))
    call.require(rule, {"target.token.user_id": found.user.id})
    return found


@api.get(
    "/auth/tokens",
    Rule("identity:validate_token", "admin or system reader or service or user=target.token.user_id"),
    key="token",
    late=True,
)
async def show(call: Call[Identity]) -> TokenView:
    """Validate a token and show what it stands for."""
    found = await _subject(call, "identity:validate_token")
    call.reply_headers["X-Subject-Token"] = call.headers[SUBJECT]
    call.reply_headers["Vary"] = "X-Auth-Token"
    return await view(call, found)


@api.route(
    "HEAD",
    "/auth/tokens",
    Rule("identity:check_token", "admin or system reader or user=target.token.user_id"),
    late=True,
)
async def check(call: Call[Identity]) -> None:
    """Check that a token is valid."""
    await _subject(call, "identity:check_token")


@api.delete("/auth/tokens", Rule("identity:revoke_token", "admin or user=target.token.user_id"), late=True)
async def delete(call: Call[Identity]) -> None:
    """Revoke a token."""
    await revoke_token(call.app, await _subject(call, "identity:revoke_token"))
