"""OAuth 2.0 client credentials: with a secret, and with a certificate that a trusted proxy has seen."""

import base64
import datetime as dt
import json
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pileus.identity.config import Config

FORM = {"content-type": "application/x-www-form-urlencoded"}
PATH = "/v3/OS-OAUTH2/token"
GRANT = {"grant_type": "client_credentials"}


async def ask(cloud: Any, given: Any, client: str = "192.0.2.1", **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, text, _ = await cloud.raw("POST", PATH, urlencode(given), {**FORM, **named}, client)
    return status, json.loads(text)


async def test_an_application_credential_is_a_client(cloud: Any) -> None:
    await cloud.start()
    path = f"/v3/users/{cloud.account.user_id}/application_credentials"
    body = {"application_credential": {"name": "a", "roles": [{"name": "reader"}]}}
    made = (await cloud.ask("POST", path, body)).body["application_credential"]
    pair = {"client_id": made["id"], "client_secret": made["secret"]}
    coded = base64.b64encode(f"{made['id']}:{made['secret']}".encode()).decode()
    for status, told in (await ask(cloud, {**GRANT, **pair}), await ask(cloud, GRANT, authorization=f"Basic {coded}")):
        assert (200, "Bearer", True) == (status, told["token_type"], 0 < told["expires_in"] <= 3600)
        caller = await cloud.port.caller(told["access_token"])
        assert {"reader"} == caller.roles
    for given, status, error in (
        ({**GRANT, **pair, "client_secret": "guessed"}, 401, "invalid_client"),
        ({**GRANT, **pair, "client_id": "nobody"}, 401, "invalid_client"),
        (GRANT, 401, "invalid_client"),
        (pair, 400, "invalid_request"),
        ({**pair, "grant_type": "password"}, 400, "unsupported_grant_type"),
        ([*GRANT.items(), *GRANT.items()], 400, "invalid_request"),
    ):
        got, told = await ask(cloud, given)
        assert (status, error) == (got, told["error"])
    for beyond in ("Basic \u00e9\u00e9\u00e9\u00e9", "Basic /////w=="):
        assert 401 == (await ask(cloud, GRANT, authorization=beyond))[0]
    assert 415 == (await cloud.raw("POST", PATH, "{}", {"content-type": "application/json"}))[0]


def certificate(at: dt.datetime, user: str, domain: str, days: int = 1) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.USER_ID, user), x509.NameAttribute(NameOID.DOMAIN_COMPONENT, domain)])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(at - dt.timedelta(days=2)).not_valid_after(at + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return quote(made.public_bytes(serialization.Encoding.PEM).decode())


async def test_a_user_is_known_by_a_certificate_and_the_token_is_bound_to_it(cloud: Any) -> None:
    cloud.config = msgspec.structs.replace(Config(), trusted_proxies=("10.0.0.1/32",))
    await cloud.start()
    user, now = cloud.account.user_id, cloud.clock.now()
    good = certificate(now, user, "default")
    given = {**GRANT, "client_id": user}
    status, told = await ask(cloud, given, "10.0.0.1", x_client_certificate=good)
    assert 200 == status
    shown = await cloud.ask("GET", "/v3/auth/tokens", None, "admin", {"x-subject-token": told["access_token"]})
    assert ["oauth2_credential"] == shown.body["token"]["methods"]
    assert 43 == len(shown.body["token"]["oauth2_credential"]["x5t#S256"])
    assert 403 == (await cloud.auth(cloud.by_token(told["access_token"]), "unscoped")).status
    for client, shown_by in (
        ("192.0.2.1", good),
        ("10.0.0.1", certificate(now, "somebody", "default")),
        ("10.0.0.1", certificate(now, user, "elsewhere")),
        ("10.0.0.1", certificate(now, user, "default", -1)),
        ("10.0.0.1", "nonsense"),
    ):
        assert 401 == (await ask(cloud, given, client, x_client_certificate=shown_by))[0]


async def test_a_bound_token_is_nothing_without_its_certificate_from_a_trusted_proxy(cloud: Any) -> None:
    cloud.config = msgspec.structs.replace(Config(), trusted_proxies=("10.0.0.1/32",))
    await cloud.start()
    user, now = cloud.account.user_id, cloud.clock.now()
    good, other = certificate(now, user, "default"), certificate(now, user, "default")
    _, told = await ask(cloud, {**GRANT, "client_id": user}, "10.0.0.1", x_client_certificate=good)
    token = {"authorization": f"Bearer {told['access_token']}"}
    for client, shown, status in (
        ("10.0.0.1", {"x-client-certificate": good}, 200),
        ("10.0.0.1", {}, 401),
        ("10.0.0.1", {"x-client-certificate": other}, 401),
        ("10.0.0.1", {"x-client-certificate": "nonsense"}, 401),
        ("192.0.2.1", {"x-client-certificate": good}, 401),
    ):
        got, text, _ = await cloud.raw("GET", f"/v3/users/{user}", None, {**token, **shown}, client)
        assert status == got, text
