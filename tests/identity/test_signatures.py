"""Signed requests: EC2 and S3 clients are known by their keys, and by nothing else."""

import base64
import datetime as dt
import hashlib
import hmac
from typing import Any
from urllib.parse import quote

import pytest

SCOPE = "20240101/RegionOne/s3/aws4_request"


async def keys(cloud: Any, user: str = "", project: str = "") -> Any:
    """A new pair of keys."""
    user = user or cloud.account.user_id
    path = f"/v3/users/{user}/credentials/OS-EC2"
    answer = await cloud.ask("POST", path, {"tenant_id": project or cloud.account.project_id})
    assert 201 == answer.status, answer.body
    return answer.body["credential"]


def v4_key(secret: str, scope: str = SCOPE) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def v2_request(pair: Any, at: str, **changed: Any) -> dict[str, Any]:
    params = {
        "Action": "DescribeServers",
        "AWSAccessKeyId": pair["access"],
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": at,
    }
    query = "&".join(f"{quote(name, safe='-_~')}={quote(value, safe='-_~')}" for name, value in sorted(params.items()))
    text = f"GET\ncloud\n/ec2\n{query}"
    signature = base64.b64encode(hmac.digest(pair["secret"].encode(), text.encode(), "sha256")).decode()
    asked = {"verb": "GET", "host": "cloud:8788", "path": "/ec2", "params": params, "access": pair["access"]}
    return {**asked, "signature": signature, **changed}


async def test_the_signer_of_an_ec2_request_gets_a_token_in_the_project_of_their_keys(cloud: Any) -> None:
    await cloud.start()
    pair = await keys(cloud)
    now = cloud.clock.now()
    for envelope in ("credentials", "ec2Credentials"):
        body = {envelope: v2_request(pair, now.strftime("%Y-%m-%dT%H:%M:%SZ"))}
        answer = await cloud.ask("POST", "/v3/ec2tokens", body)
        assert (200, ["ec2credential"]) == (answer.status, answer.body["token"]["methods"])
        assert cloud.account.project_id == answer.body["token"]["project"]["id"]
        caller = await cloud.port.caller(answer.headers["x-subject-token"])
        assert (cloud.account.user_id, cloud.account.project_id) == (caller.user_id, caller.project_id)


async def test_a_signature_that_is_wrong_old_or_nobodys_is_refused_alike(cloud: Any) -> None:
    await cloud.start()
    pair = await keys(cloud)
    now, old = cloud.clock.now(), cloud.clock.now() - dt.timedelta(minutes=16)
    fresh, stale = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (now, old))
    for asked in (
        v2_request(pair, fresh, signature="nonsense"),
        v2_request(pair, fresh, path="/other"),
        v2_request(pair, fresh, access="nobody"),
        v2_request(pair, stale),
        v2_request({**pair, "secret": "guessed"}, fresh),
    ):
        answer = await cloud.ask("POST", "/v3/ec2tokens", {"credentials": asked})
        assert (401, "The request you have made requires authentication.") == (
            answer.status, answer.body["error"]["message"],
        )  # fmt: skip
    assert 400 == (await cloud.ask("POST", "/v3/ec2tokens", {})).status


async def test_version_4_is_understood_in_the_header(cloud: Any) -> None:
    await cloud.start()
    pair = await keys(cloud)
    stamp = cloud.clock.now().strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/RegionOne/ec2/aws4_request"
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/\nAction=Describe\nhost:cloud\nx-amz-date:{stamp}\n\nhost;x-amz-date\n{empty}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(v4_key(pair["secret"], scope), text.encode(), "sha256").hex()
    said = f"Credential={pair['access']}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    asked = {
        "access": pair["access"], "signature": signature, "verb": "GET", "host": "cloud", "path": "/",
        "params": {"Action": "Describe"}, "body_hash": empty,
        "headers": {"X-Amz-Date": stamp, "Authorization": f"AWS4-HMAC-SHA256 {said}"},
    }  # fmt: skip
    assert 200 == (await cloud.ask("POST", "/v3/ec2tokens", {"credentials": asked})).status
    asked["params"] = {"Action": "Terminate"}
    assert 401 == (await cloud.ask("POST", "/v3/ec2tokens", {"credentials": asked})).status


def s3_body(access: str, text: bytes, signature: str) -> dict[str, Any]:
    return {"credentials": {"access": access, "signature": signature, "token": base64.b64encode(text).decode()}}


@pytest.mark.parametrize("version", [2, 4])
async def test_the_signer_of_an_s3_text_is_told(cloud: Any, version: int) -> None:
    await cloud.start()
    pair = await keys(cloud)
    if version == 2:
        text = b"GET\n\n\nMon, 01 Jan 2024 00:00:00 GMT\n/bucket/key"
        signature = base64.b64encode(hmac.digest(pair["secret"].encode(), text, "sha1")).decode()
    else:
        text = f"AWS4-HMAC-SHA256\n20240101T000000Z\n{SCOPE}\n{'0' * 64}".encode()
        signature = hmac.digest(v4_key(pair["secret"]), text, "sha256").hex()
    answer = await cloud.ask("POST", "/v3/s3tokens", s3_body(pair["access"], text, signature))
    assert (200, cloud.account.user_id) == (answer.status, answer.body["token"]["user"]["id"])
    for access, wrong in ((pair["access"], signature[:-2]), ("nobody", signature)):
        assert 401 == (await cloud.ask("POST", "/v3/s3tokens", s3_body(access, text, wrong))).status
    signer = await cloud.port.signer(pair["access"], text, signature)
    assert cloud.account.user_id == signer.caller.user_id
    assert (v4_key(pair["secret"]) if version == 4 else None) == signer.key
    assert cloud.account.user_id == (await cloud.port.caller(signer.caller.token)).user_id
    assert await cloud.port.signer(pair["access"], text, signature[:-1]) is None
    await cloud.ask("DELETE", f"/v3/users/{cloud.account.user_id}/credentials/OS-EC2/{pair['access']}")
    assert await cloud.port.signer(pair["access"], text, signature) is None


async def test_the_signer_of_a_form_is_told_by_the_scope_it_names(cloud: Any) -> None:
    await cloud.start()
    pair = await keys(cloud)
    policy = base64.b64encode(b'{"expiration": "2024-01-01T00:00:00Z", "conditions": []}')
    signature = hmac.digest(v4_key(pair["secret"]), policy, "sha256").hex()
    signer = await cloud.port.signer(pair["access"], policy, signature, SCOPE)
    assert cloud.account.user_id == signer.caller.user_id
    assert await cloud.port.signer(pair["access"], policy, signature) is None
    assert await cloud.port.signer(pair["access"], policy, signature, SCOPE.replace("20240101", "20240102")) is None


async def test_only_services_may_ask_who_signed(cloud: Any) -> None:
    await cloud.start()
    rita = await cloud.person("rita", "member")
    for path, body in (("ec2tokens", {}), ("s3tokens", s3_body("a", b"x", "y"))):
        assert 403 == (await cloud.ask("POST", f"/v3/{path}", body, rita)).status


async def test_keys_end_with_the_roles_of_their_user(cloud: Any) -> None:
    await cloud.start()
    user = await cloud.make("user", name="ann", password="correct horse")
    project = await cloud.make("project", name="p")
    role = await cloud.role("member")
    grant = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role}"
    await cloud.ask("PUT", grant)
    pair = await keys(cloud, user["id"], project["id"])
    text = b"GET\n\n\n\n/"
    signature = base64.b64encode(hmac.digest(pair["secret"].encode(), text, "sha1")).decode()
    assert await cloud.port.signer(pair["access"], text, signature) is not None
    await cloud.ask("DELETE", grant)
    assert await cloud.port.signer(pair["access"], text, signature) is None
