"""OpenID Connect: the keys of providers, and what their signed tokens say.

Only algorithms with a public key are believed: whoever knows the provider's public key must not be able to sign with it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.identity.drivers.web import Web
from pileus.identity.errors import BadAssertion, NotSetUp, ProviderUnreachable
from pileus.kit.clock import Clock

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
PUBLIC = frozenset({"RSA", "EC", "OKP"})
KEPT_S = 3600
AGAIN_S = 30  # how soon keys are looked up again for one that is not among them
LEEWAY_S = 60


class Discovered(msgspec.Struct):
    """What a provider says of itself."""

    authorization_endpoint: str
    token_endpoint: str
    keys: list[dict[str, Any]]
    at: float


class OpenId:
    """Providers by their issuer, each looked up now and then."""

    def __init__(self, web: Web, clock: Clock) -> None:
        self._web = web
        self._clock = clock
        self._known: dict[str, Discovered] = {}

    async def provider(self, issuer: str, *, older_s: float = KEPT_S) -> Discovered:
        """What the provider says of itself, no older than that."""
        known = self._known.get(issuer)
        if known is not None and self._clock.monotonic() - known.at < older_s:
            return known
        said = await self._web.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != issuer:
            raise ProviderUnreachable(why=f"{issuer} says it is {said.get('issuer')}")
        keys = await self._web.get(str(said.get("jwks_uri", "")))
        found = Discovered(
            str(said.get("authorization_endpoint", "")),
            str(said.get("token_endpoint", "")),
            [key for key in keys.get("keys", []) if isinstance(key, dict) and key.get("kty") in PUBLIC],
            self._clock.monotonic(),
        )
        self._known[issuer] = found
        return found

    async def claims(self, token: str, *, issuer: str, audience: str, nonce: str | None = None) -> Mapping[str, Any]:
        """What a signed token says, if it is the provider's, for us, and of now; raises BadAssertion."""
        provider = await self.provider(issuer)
        try:
            claims = await asyncio.to_thread(_decoded, token, provider.keys)
        except BadAssertion:
            fresh = await self.provider(issuer, older_s=AGAIN_S)
            if fresh is provider:
                raise
            claims = await asyncio.to_thread(_decoded, token, fresh.keys)
        why = _wrong(claims, issuer, audience, nonce, self._clock.now().timestamp())
        if why is not None:
            raise BadAssertion(why=why)
        return claims

    async def exchanged(self, issuer: str, form: Mapping[str, str], client: tuple[str, str]) -> str:
        """The signed token a code is worth; raises BadAssertion."""
        provider = await self.provider(issuer)
        secret = client if client[1] else None
        said = await self._web.post(provider.token_endpoint, {**form, "client_id": client[0]}, secret)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise BadAssertion(why="the provider gives no ID token for the code")
        return token


def _decoded(token: str, keys: list[dict[str, Any]]) -> Mapping[str, Any]:
    try:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet
    except ImportError as missing:
        raise NotSetUp(what="OpenID Connect", remedy="install the packages of requirements/federation.txt") from missing
    try:
        return jwt.decode(token, KeySet.import_key_set({"keys": keys}), algorithms=ALGORITHMS).claims
    except (JoseError, ValueError) as bad:
        raise BadAssertion(why=f"the token is not signed as it should be ({type(bad).__name__})") from bad


def _wrong(claims: Mapping[str, Any], issuer: str, audience: str, nonce: str | None, now: float) -> str | None:
    """What is wrong with claims whose signature is right."""
    given = claims.get("aud")
    audiences = given if isinstance(given, list) else [given]
    times = {name: claims.get(name) for name in ("exp", "iat", "nbf")}
    if any(value is not None and not isinstance(value, int | float) for value in times.values()):
        return "a time in the token is none"
    expires, issued = times["exp"], max(times["iat"] or 0, times["nbf"] or 0)
    for wrong, why in (
        (claims.get("iss") != issuer, "the token is another provider's"),
        (audience not in audiences, "the token is for somebody else"),
        (len(audiences) > 1 and claims.get("azp") not in {None, audience}, "the token was issued to somebody else"),
        (expires is None or expires + LEEWAY_S < now, "the token has expired"),
        (issued > now + LEEWAY_S, "the token is of the future"),
        (nonce is not None and claims.get("nonce") != nonce, "the token answers another login"),
        (not isinstance(claims.get("sub"), str), "the token does not say whose it is"),
    ):
        if wrong:
            return why
    return None
