"""OAuth 2.0: tokens for clients that have an application credential or a certificate (OS-OAUTH2)."""

import base64
from urllib.parse import parse_qs, unquote

import msgspec

from pileus.identity.api.root import api
from pileus.identity.app import Identity
from pileus.identity.commands.oauth2 import token_by_certificate, token_by_secret
from pileus.identity.commands.proxies import address_of, is_trusted
from pileus.identity.errors import NotAuthenticated
from pileus.identity.models import ValidToken
from pileus.kit.http import Call, Reply

FORM = "application/x-www-form-urlencoded"
NEVER = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}


def _refused(status: int, error: str, why: str) -> Reply:
    headers = dict(NEVER)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="identity"'
    return Reply(status, msgspec.json.encode({"error": error, "error_description": why}), headers)


def _basic(header: str) -> tuple[str, str] | None:
    """The client and its secret in a header of HTTP; None where there are none."""
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, colon, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except ValueError:  # what is beyond ASCII is none either
        return None
    return (unquote(client), unquote(secret)) if colon else None


@api.post("/OS-OAUTH2/token", None, status=200, content=(FORM,))
async def create(call: Call[Identity], body: bytes) -> Reply:
    """Issue a token for an OAuth 2.0 client."""
    form = parse_qs(body.decode("utf-8", "replace"))
    if any(len(values) > 1 for values in form.values()):
        return _refused(400, "invalid_request", "A parameter is given twice.")
    given = {name: values[0] for name, values in form.items()}
    if "grant_type" not in given:
        return _refused(400, "invalid_request", "The parameter grant_type is required.")
    if given["grant_type"] != "client_credentials":
        return _refused(400, "unsupported_grant_type", "The grant type must be client_credentials.")
    try:
        found = await _token(call, given)
    except NotAuthenticated:
        found = None
    if found is None:
        return _refused(401, "invalid_client", "Client authentication failed.")
    token, stands = found
    lasts = int((stands.payload.expires_at - call.app.clock.now()).total_seconds())
    return Reply(
        200, msgspec.json.encode({"access_token": token, "token_type": "Bearer", "expires_in": lasts}), dict(NEVER)
    )


async def _token(call: Call[Identity], given: dict[str, str]) -> tuple[str, ValidToken] | None:
    address = address_of(call.app, call.client, call.headers)
    pair = _basic(call.headers.get("authorization", ""))
    if pair is None and "client_secret" in given:
        pair = given.get("client_id", ""), given["client_secret"]
    if pair is not None:
        return await token_by_secret(call.app, *pair, address)
    certificate = call.headers.get(call.app.config.client_certificate_header.lower())
    if certificate is None or "client_id" not in given or not is_trusted(call.app, call.client):
        return None
    return await token_by_certificate(call.app, given["client_id"], certificate, address)
