"""Single sign-on: logins with what an identity provider asserts, browsers of dashboards, and what we assert to others.

A browser ends at a page of ours that posts its token to the dashboard. Only dashboards that are named in the options get
one, compared letter by letter, and the page allows nothing else to run.
"""

import base64
import binascii
import html
import secrets
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote

from pileus.identity.api.root import api
from pileus.identity.api.tokens import told, view
from pileus.identity.app import Identity
from pileus.identity.commands.arrivals import arrive
from pileus.identity.commands.attempts import Attempt, attempted
from pileus.identity.commands.delegation import refuse_less_than_user
from pileus.identity.commands.proxies import address_of, is_trusted
from pileus.identity.commands.single_sign_on import (
    assert_to,
    begin,
    bring_openid,
    bring_saml,
    check_origin,
    finish_openid,
    reading_pair,
    saml_ways,
    signing_pair,
    under_way,
)
from pileus.identity.commands.validity import token_find
from pileus.identity.drivers.saml_ours import Metadata, enveloped, metadata
from pileus.identity.errors import BadAssertion, NotAuthenticated, NotSetUp
from pileus.identity.models import ValidToken
from pileus.identity.store.federation import idp_known_as
from pileus.kit.http import Call, Reply, Wire

AUTH = "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"
WEBSSO = "/auth/OS-FEDERATION/websso/{protocol_id}"
WEBSSO_OF = "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso"
METADATA = "/OS-FEDERATION/saml2/metadata"
COOKIE = "pileus_sso"
POSTED = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
PAOS = "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
FORM = "application/x-www-form-urlencoded"
ANY_CONTENT = (FORM, "application/json", "application/vnd.paos+xml", "text/xml")


class Loose(Wire):
    """A part of a request; what it does not know it passes over."""

    __loose__: ClassVar[bool] = True


class TokenNamed(Loose):
    id: str


class Identified(Loose):
    token: TokenNamed
    methods: list[str] = []


class ProviderNamed(Loose):
    id: str


class ScopeNamed(Loose):
    service_provider: ProviderNamed


class AssertAuth(Loose):
    """Whose token, and to whom it shall be vouched for."""

    identity: Identified
    scope: ScopeNamed


def entity_id(call: Call[Identity]) -> str:
    """Our own name in SAML."""
    return call.app.config.saml_entity_id or call.url(f"/v3{METADATA}")


def _asserted(call: Call[Identity]) -> dict[str, str]:
    """What a trusted proxy hands on; nothing where nobody trusted does."""
    app = call.app
    if not is_trusted(app, call.client):
        return {}
    prefix = app.config.assertion_header_prefix.lower()
    found = {name.removeprefix(prefix): value for name, value in call.headers.items() if name.startswith(prefix)}
    remote = call.headers.get(app.config.remote_user_header.lower())
    return {**found, "REMOTE_USER": remote} if remote else found


def _bearer(call: Call[Identity]) -> str | None:
    scheme, _, rest = call.headers.get("authorization", "").partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


def _form(call: Call[Identity], body: bytes) -> dict[str, str]:
    if not call.headers.get("content-type", "").startswith(FORM):
        return {}
    given = parse_qs(body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in given.items()}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        raise BadAssertion(why="it is no base64") from None


def _attempted(call: Call[Identity], protocol_id: str) -> AbstractAsyncContextManager[Attempt]:
    """Somebody who comes from elsewhere tries to log in."""
    return attempted(call.app, Attempt((protocol_id,), address_of(call.app, call.client, call.headers)))


async def _brought(call: Call[Identity], idp_id: str, protocol_id: str, body: bytes) -> tuple[str, ValidToken] | None:
    """The token for what comes with a request: a token of the provider's, a signed response, or a proxy's word."""
    bearer = _bearer(call)
    if bearer is not None:
        return await bring_openid(call.app, idp_id, protocol_id, bearer)
    here = call.url(f"/v3{AUTH}".format(idp_id=idp_id, protocol_id=protocol_id))
    raw = _decoded(_form(call, body)["SAMLResponse"]) if "SAMLResponse" in _form(call, body) else b""
    if "xml" in call.headers.get("content-type", ""):
        raw = body
    if raw:
        return await bring_saml(call.app, idp_id, protocol_id, raw, here=here, name=entity_id(call), answers=None)
    asserted = _asserted(call)
    return await arrive(call.app, idp_id, protocol_id, asserted) if asserted else None


@api.get(AUTH, None, status=201)
async def auth(call: Call[Identity], idp_id: str, protocol_id: str) -> Reply:
    """Log in with what an identity provider asserts."""
    return await _logged_in(call, idp_id, protocol_id, b"")


@api.post(AUTH, None, content=ANY_CONTENT)
async def auth_posted(call: Call[Identity], idp_id: str, protocol_id: str, body: bytes) -> Reply:
    """Log in with what an identity provider asserts, posted."""
    return await _logged_in(call, idp_id, protocol_id, body)


async def _logged_in(call: Call[Identity], idp_id: str, protocol_id: str, body: bytes) -> Reply:
    async with _attempted(call, protocol_id) as attempt:
        found = await _brought(call, idp_id, protocol_id, body)
        if found is None:
            raise NotAuthenticated
        attempt.user_id = found[1].user.id
    told(call, found[0])
    shown = (await view(call, found[1])).encode()
    return Reply(201, b'{"token":%s}' % shown, {"Content-Type": "application/json"})


# -- browsers -----------------------------------------------------------------------------------------------------------


def _posting(origin: str, token: str) -> Reply:
    """The page that posts the token to the dashboard."""
    nonce = secrets.token_urlsafe(16)
    page = (
        "<!DOCTYPE html><html><head><title>Logging in</title></head><body>"
        f'<form id="sso" method="post" action="{html.escape(origin, quote=True)}">'
        f'<input type="hidden" name="token" value="{html.escape(token, quote=True)}">'
        '<noscript><input type="submit" value="Continue"></noscript></form>'
        f'<script nonce="{nonce}">document.getElementById("sso").submit();</script></body></html>'
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; form-action {origin}; frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Set-Cookie": f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=None; Secure",
    }
    return Reply(200, page.encode(), headers)


def _cookie(call: Call[Identity]) -> str:
    for part in call.headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


async def _browser(call: Call[Identity], protocol_id: str, idp_id: str | None, body: bytes) -> Reply:
    """A browser on its way to a provider, or back."""
    given = {**dict(call.query), **_form(call, body)}
    here = call.url(call.path)
    state = given.get("state") or given.get("RelayState")
    if state is not None and ("code" in given or "SAMLResponse" in given):
        return await _come_back(call, protocol_id, state, given, here)
    if "error" in given:
        raise BadAssertion(why=f"the provider says {given['error'][:100]}")
    origin = check_origin(call.app, given.get("origin", ""))
    asserted = _asserted(call)
    if asserted:
        async with _attempted(call, protocol_id) as attempt:
            token, held = await arrive(call.app, idp_id or await _known(call, asserted), protocol_id, asserted)
            attempt.user_id = held.user.id
        return _posting(origin, token)
    sent = await begin(call.app, idp_id or _only(call), protocol_id, origin, here, entity_id(call))
    cookie = f"{COOKIE}={sent.cookie}; Path=/; Max-Age=600; HttpOnly; SameSite=None; Secure"
    return Reply(303, b"", {"Location": sent.url, "Set-Cookie": cookie, "Cache-Control": "no-store"})


async def _come_back(call: Call[Identity], protocol_id: str, state: str, given: dict[str, str], here: str) -> Reply:
    """The browser is back from the provider, and goes on to the dashboard with a token."""
    app = call.app
    async with _attempted(call, protocol_id) as attempt:
        way = under_way(app, state, _cookie(call), protocol_id)
        if "code" in given:
            token, held = await finish_openid(app, way, given["code"], here)
        else:
            raw, name = _decoded(given["SAMLResponse"]), entity_id(call)
            token, held = await bring_saml(app, way.idp_id, protocol_id, raw, here=here, name=name, answers=way.nonce)
        attempt.user_id = held.user.id
    return _posting(way.origin, token)


async def _known(call: Call[Identity], asserted: dict[str, str]) -> str:
    """The provider an assertion names by one of its remote ids."""
    for value in asserted.values():
        found = await idp_known_as(call.app, value[:255])
        if found is not None:
            return found
    raise NotAuthenticated


def _providers(call: Call[Identity]) -> list[str]:
    return [*call.app.config.openid, *call.app.config.saml]


def _only(call: Call[Identity]) -> str:
    """The provider where there is but one."""
    known = _providers(call)
    if len(known) != 1:
        raise NotSetUp(what="Logging in without naming a provider", remedy="use the address with the provider in it")
    return known[0]


@api.get(WEBSSO, None)
async def websso(call: Call[Identity], protocol_id: str) -> Reply:
    """Log a browser in for a dashboard."""
    return await _browser(call, protocol_id, None, b"")


@api.post(WEBSSO, None, status=200, content=ANY_CONTENT)
async def websso_posted(call: Call[Identity], protocol_id: str, body: bytes) -> Reply:
    """Log a browser in that a provider sends back."""
    return await _browser(call, protocol_id, None, body)


@api.get(WEBSSO_OF, None)
async def websso_of(call: Call[Identity], idp_id: str, protocol_id: str) -> Reply:
    """Log a browser in for a dashboard, at one identity provider."""
    return await _browser(call, protocol_id, idp_id, b"")


@api.post(WEBSSO_OF, None, status=200, content=ANY_CONTENT)
async def websso_of_posted(call: Call[Identity], idp_id: str, protocol_id: str, body: bytes) -> Reply:
    """Log a browser in that an identity provider sends back."""
    return await _browser(call, protocol_id, idp_id, body)


# -- what we assert to others -------------------------------------------------------------------------------------------


async def _vouched(call: Call[Identity], body: AssertAuth) -> tuple[Any, bytes]:
    token = await token_find(call.app, body.identity.token.id)
    if token is None:
        raise NotAuthenticated
    refuse_less_than_user(token, "no word of ours to others")
    return await assert_to(call.app, token, body.scope.service_provider.id, entity_id(call))


def _xml(provider: Any, raw: bytes) -> Reply:
    headers = {"Content-Type": "text/xml", "X-sp-url": provider.sp_url, "X-auth-url": provider.auth_url}
    return Reply(200, raw, headers)


@api.post("/auth/OS-FEDERATION/saml2", None, key="auth", status=200)
async def saml(call: Call[Identity], body: AssertAuth) -> Reply:
    """Vouch for the holder of a token to a service provider."""
    return _xml(*await _vouched(call, body))


@api.post("/auth/OS-FEDERATION/saml2/ecp", None, key="auth", status=200)
async def saml_ecp(call: Call[Identity], body: AssertAuth) -> Reply:
    """Vouch for the holder of a token to a service provider, in an envelope."""
    provider, raw = await _vouched(call, body)
    return _xml(provider, enveloped(raw, provider.relay_state_prefix + secrets.token_hex(16), provider.sp_url))


@api.get(METADATA, None)
async def saml_metadata(call: Call[Identity]) -> Reply:
    """Show what service and identity providers are told of us."""
    about = Metadata(
        entity_id=entity_id(call),
        sso_url=call.url("/v3/auth/OS-FEDERATION/saml2"),
        signing=(await signing_pair(call.app)).certificate,
        encryption=(await reading_pair(call.app)).certificate,
        consumers=await _consumers(call),
    )
    return Reply(200, metadata(about), {"Content-Type": "text/xml"})


async def _consumers(call: Call[Identity]) -> list[tuple[str, str]]:
    """Where identity providers send people who have logged in there, each address with its binding."""
    ways = await saml_ways(call.app)
    found = []
    for idp_id, protocol_id in ways:
        named = {"idp_id": quote(idp_id), "protocol_id": quote(protocol_id)}
        found.append((POSTED, call.url(f"/v3{WEBSSO_OF}".format(**named))))
        found.append((POSTED, call.url(f"/v3{AUTH}".format(**named))))
        found.append((PAOS, call.url(f"/v3{AUTH}".format(**named))))
    if len(_providers(call)) == 1:
        found += [(POSTED, call.url(f"/v3{WEBSSO}".format(protocol_id=quote(id)))) for _, id in ways]
    return found
