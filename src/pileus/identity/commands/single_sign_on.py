"""Logins at identity providers: sending browsers there, and believing what comes back as far as it is signed for us.

    dashboard -> us -> provider -> us (a code, or a signed response) -> dashboard, with a token

What we know of a login under way is sealed and travels with the browser; a cookie ties it to that browser, so that nobody
is logged in as somebody else by a link.
"""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import secrets
import uuid
import zlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from pileus.identity.app import Identity
from pileus.identity.commands.arrivals import arrive
from pileus.identity.config import OpenIdClient, SamlProvider
from pileus.identity.drivers.saml import LEEWAY, Asserted, Expected, read_response
from pileus.identity.drivers.saml_ours import KeyPair, Statement, key_pair, signed_response
from pileus.identity.errors import BadAssertion, Missing, NeedsProject, NotSetUp, UntrustedDashboard
from pileus.identity.models import ValidToken
from pileus.identity.models.federation import ServiceProvider
from pileus.identity.store.federation import PROTOCOLS_LIST, SERVICES
from pileus.identity.store.once import nonce_use
from pileus.kit.db import In

LOGIN_S = 600
_HEAD = b"sso\0"
_json = msgspec.json.Encoder()


class UnderWay(msgspec.Struct, frozen=True):
    """A login somebody began here."""

    idp_id: str
    protocol_id: str
    origin: str
    nonce: str
    verifier: str
    browser: str
    until: float


class Sent(msgspec.Struct, frozen=True):
    """Where a browser is sent, and the cookie that goes with it."""

    url: str
    cookie: str


def check_origin(app: Identity, origin: str) -> str:
    """The dashboard's address, which is exactly one of those trusted; raises UntrustedDashboard."""
    if origin not in app.config.trusted_dashboards:
        raise UntrustedDashboard
    return origin


def browser_of(cookie: str) -> str:
    """What ties a login to the browser that began it."""
    return hashlib.sha256(cookie.encode()).hexdigest()


async def begin(app: Identity, idp_id: str, protocol_id: str, origin: str, here: str, name: str) -> Sent:
    """Where the browser is to go to log in at the provider; `here` is where it comes back to, `name` our own."""
    cookie = secrets.token_urlsafe(32)
    way = UnderWay(
        idp_id,
        protocol_id,
        origin,
        f"_{uuid.uuid4().hex}",
        secrets.token_urlsafe(48),
        browser_of(cookie),
        app.clock.now().timestamp() + LOGIN_S,
    )
    state = app.receipts.seal(_HEAD + _json.encode(way))
    client, provider = app.config.openid.get(idp_id), app.config.saml.get(idp_id)
    if client is not None:
        return Sent(await _openid_url(app, client, way, state, here), cookie)
    if provider is not None and provider.sso_url:
        return Sent(_saml_url(app, provider, way, state, here, name), cookie)
    raise NotSetUp(what=f"Logging in at {idp_id}", remedy="the options openid and saml name providers by their id")


async def _openid_url(app: Identity, client: OpenIdClient, way: UnderWay, state: str, here: str) -> str:
    found = await app.openid.provider(client.issuer)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(way.verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": here,
        "scope": client.scopes,
        "state": state,
        "nonce": way.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{found.authorization_endpoint}{'&' if '?' in found.authorization_endpoint else '?'}{urlencode(asked)}"


def _saml_url(app: Identity, provider: SamlProvider, way: UnderWay, state: str, here: str, name: str) -> str:
    at = app.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    request = (
        '<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
        f'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{way.nonce}" Version="2.0" IssueInstant="{at}" '
        f'AssertionConsumerServiceURL="{escape(here)}" '
        'ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST">'
        f"<saml:Issuer>{escape(name)}</saml:Issuer></samlp:AuthnRequest>"
    )
    packer = zlib.compressobj(wbits=-15)
    packed = base64.b64encode(packer.compress(request.encode()) + packer.flush()).decode()
    asked = urlencode({"SAMLRequest": packed, "RelayState": state})
    return f"{provider.sso_url}{'&' if '?' in provider.sso_url else '?'}{asked}"


def under_way(app: Identity, state: str, cookie: str, protocol_id: str) -> UnderWay:
    """The login that comes back, in the browser that began it; raises BadAssertion."""
    opened = app.receipts.open(state)
    if opened is None or not opened.startswith(_HEAD):
        raise BadAssertion(why="it answers no login that began here")
    way = msgspec.json.decode(opened.removeprefix(_HEAD), type=UnderWay)
    same = hmac.compare_digest(way.browser, browser_of(cookie))
    if not same or way.until < app.clock.now().timestamp() or way.protocol_id != protocol_id:
        raise BadAssertion(why="it answers a login that is over, or that another browser began")
    check_origin(app, way.origin)
    return way


async def finish_openid(app: Identity, way: UnderWay, code: str, here: str) -> tuple[str, ValidToken]:
    """The token of whoever the code is of."""
    client = _client(app, way.idp_id)
    secret = await asyncio.to_thread(Path(client.client_secret_file).read_text) if client.client_secret_file else ""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": here, "code_verifier": way.verifier}
    token = await app.openid.exchanged(client.issuer, form, (client.client_id, secret.strip()))
    claims = await app.openid.claims(token, issuer=client.issuer, audience=client.client_id, nonce=way.nonce)
    return await arrive(app, way.idp_id, way.protocol_id, assertion_of(claims), client.issuer)


async def bring_openid(app: Identity, idp_id: str, protocol_id: str, bearer: str) -> tuple[str, ValidToken]:
    """The token of whoever brings a token of the provider's."""
    client = _client(app, idp_id)
    audience = client.audience or client.client_id
    claims = await app.openid.claims(bearer, issuer=client.issuer, audience=audience)
    return await arrive(app, idp_id, protocol_id, assertion_of(claims), client.issuer)


def _client(app: Identity, idp_id: str) -> OpenIdClient:
    client = app.config.openid.get(idp_id)
    if client is None:
        raise NotSetUp(what=f"OpenID Connect with {idp_id}", remedy="the option openid names providers by their id")
    return client


def _one(value: object) -> str:
    # A semicolon parts values in assertions; nobody may smuggle one in by what they are called.
    return (str(value).lower() if isinstance(value, bool) else str(value)).replace(";", ",")


def _many(values: list[object]) -> str:
    if any(isinstance(value, dict) for value in values):
        # Mappings read such a list as JSON, in whose text a semicolon can be spelt otherwise.
        return msgspec.json.encode(values).decode().replace(";", "\\u003b")
    return ";".join(_one(value) for value in values)


def assertion_of(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as mappings name them: as they are, and as Apache's module for OpenID Connect calls them."""
    found: dict[str, str] = {"REMOTE_USER": _one(claims["sub"])}
    for name, value in claims.items():
        if isinstance(value, dict) or value is None:
            continue
        text = _many(value) if isinstance(value, list) else _one(value)
        for called in (name, f"OIDC-{name}", f"HTTP_OIDC_{name.upper()}"):
            found[called] = text
    return found


# -- SAML ---------------------------------------------------------------------------------------------------------------


async def bring_saml(
    app: Identity, idp_id: str, protocol_id: str, raw: bytes, *, here: str, name: str, answers: str | None
) -> tuple[str, ValidToken]:
    """The token of whoever brings a response the provider signed, here, for the first time."""
    provider = app.config.saml.get(idp_id)
    if provider is None:
        raise NotSetUp(what=f"SAML with {idp_id}", remedy="the option saml names providers by their id")
    certificate = await asyncio.to_thread(Path(provider.certificate_file).read_text)
    expected = Expected(
        certificate=certificate,
        key=(await reading_pair(app)).key,
        issuer=provider.entity_id,
        audience=name,
        recipient=here,
        answers=answers,
        now=app.clock.now(),
    )
    said = await asyncio.to_thread(read_response, raw, expected)
    if not said.id or not await nonce_use(app, f"saml/{idp_id}/{said.id}", said.until + LEEWAY):
        raise BadAssertion(why="it was brought here before")
    return await arrive(app, idp_id, protocol_id, _saml_assertion(said), said.issuer)


def _saml_assertion(said: Asserted) -> dict[str, str]:
    found = {"REMOTE_USER": _one(said.name)} if said.name else {}
    for name, values in said.attributes.items():
        found[name] = ";".join(_one(value) for value in values)
    return found


async def signing_pair(app: Identity) -> KeyPair:
    """The pair that signs what we assert."""
    return await asyncio.to_thread(key_pair, app.saml_keys)


async def reading_pair(app: Identity) -> KeyPair:
    """The pair for which providers encrypt; another one, as a key is used for one thing."""
    return await asyncio.to_thread(key_pair, app.saml_keys / "encryption")


async def saml_ways(app: Identity) -> list[tuple[str, str]]:
    """The providers that speak SAML and their protocols, by which people come here."""
    found = await app.db.page(PROTOCOLS_LIST, where={"idp_id": In(tuple(app.config.saml))}) if app.config.saml else []
    return sorted((one.idp_id, one.id) for one in found)


async def assert_to(app: Identity, token: ValidToken, provider_id: str, name: str) -> tuple[ServiceProvider, bytes]:
    """What we assert of the token's holder to a service provider, signed; `name` is our own."""
    provider = await SERVICES.find(app, provider_id)
    if provider is None:
        raise Missing(kind="service_provider", id=provider_id)
    if not provider.enabled:
        raise BadAssertion(why=f"service provider {provider_id} is disabled")
    if token.project is None or token.domain is None:
        raise NeedsProject
    now = app.clock.now()
    statement = Statement(
        id=f"_{uuid.uuid4().hex}",
        response_id=f"_{uuid.uuid4().hex}",
        issuer=name,
        recipient=provider.sp_url,
        name=token.user.name,
        attributes={
            "openstack_user": [token.user.name],
            "openstack_user_domain": [token.user_domain.name],
            "openstack_roles": [role.name for role in token.roles],
            "openstack_project": [token.project.name],
            "openstack_project_domain": [token.domain.name],
        },
        at=now,
        until=min(token.payload.expires_at, now + dt.timedelta(seconds=app.config.saml_assertion_s)),
    )
    return provider, await asyncio.to_thread(signed_response, statement, await signing_pair(app))
