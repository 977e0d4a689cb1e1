"""Signed tokens: everybody can read them, nobody else can make them, and no other algorithm is ever believed."""

import base64
import datetime as dt
import hmac
import json
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization

from pileus.identity.config import Config
from pileus.identity.drivers.fernet import KeyRepository
from pileus.identity.drivers.tokens import JwsTokens, new_signing_key
from pileus.identity.models import Federated, Method, Payload, Scope, ScopeKind

PAYLOAD = Payload(
    user_id="u",
    methods=Method.PASSWORD | Method.OPENID,
    scope=Scope(ScopeKind.SYSTEM, "system"),
    issued_at=dt.datetime(2024, 1, 1, 0, 0, 0, 5, dt.UTC),
    expires_at=dt.datetime(2024, 1, 1, 1, tzinfo=dt.UTC),
    audit_ids=("a", "b"),
    federated=Federated("idp", "openid", ("g",)),
    thumbprint="t",
)


def coded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_signed_tokens_do_all_that_sealed_ones_do_and_can_be_read(cloud: Any) -> None:
    cloud.config = msgspec.structs.replace(Config(), token_provider="jws")
    await cloud.start()
    header, claims, _ = cloud.admin.split(".")
    assert {"alg": "ES256", "typ": "JWT"} == decoded(header)
    said = decoded(claims)
    assert (cloud.account.user_id, cloud.account.project_id) == (said["sub"], said["openstack_project_id"])
    assert 200 == (await cloud.ask("GET", "/v3/users")).status
    token = (await cloud.auth(cloud.by_token(cloud.admin), {"system": {"all": True}})).headers["x-subject-token"]
    assert 200 == (await cloud.ask("GET", "/v3/users", None, token)).status
    await cloud.ask("DELETE", "/v3/auth/tokens", None, "admin", {"x-subject-token": token})
    assert 401 == (await cloud.ask("GET", "/v3/users", None, token)).status


async def test_no_other_algorithm_is_believed(cloud: Any, tmp_path: Path) -> None:
    cloud.config = msgspec.structs.replace(Config(), token_provider="jws")
    await cloud.start()
    header, claims, signature = cloud.admin.split(".")
    key = serialization.load_pem_private_key(KeyRepository(tmp_path / "keys" / "jws").newest_first()[0], None)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    confused = f"{coded({'alg': 'HS256', 'typ': 'JWT'})}.{claims}"
    forged = {**decoded(claims), "sub": "somebody"}
    for token in (
        f"{coded({'alg': 'none'})}.{claims}.",
        f"{coded({'alg': 'none'})}.{claims}.{signature}",
        f"{confused}.{coded(hmac.digest(public, confused.encode(), 'sha256'))}",
        f"{header}.{coded(forged)}.{signature}",
        f"{header}.{claims}.{coded(bytes(64))}",
        f"{header}.{claims}.{coded(bytes(63))}",
        f"{header}.{claims}",
        "é.é.é",
        "..",
    ):
        assert 401 == (await cloud.ask("GET", "/v3/users", None, token)).status, token


def test_rotation_leaves_what_was_signed_valid(tmp_path: Path) -> None:
    repository = KeyRepository(tmp_path / "jws", 3, new_signing_key)
    here, there = JwsTokens(repository), JwsTokens(KeyRepository(tmp_path / "jws", 3, new_signing_key))
    old = here.issue(PAYLOAD)
    repository.rotate()
    new = here.issue(PAYLOAD)
    assert [PAYLOAD, PAYLOAD] == [there.read(token) for token in (old, new)]


def test_a_key_is_kept_for_as_long_as_something_made_with_it_may_be_about(tmp_path: Path) -> None:
    repository = KeyRepository(tmp_path / "keys", 3)
    first = repository.newest_first()[0]
    for _ in range(4):
        repository.rotate(in_use_s=3600)
    assert first in repository.newest_first()
    repository.rotate()
    assert first not in repository.newest_first()
    assert 3 == len(repository.newest_first())
