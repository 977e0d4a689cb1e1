"""More than a password: passcodes, rules of several methods with receipts, and logins at a proxy."""

import base64
from typing import Any

import msgspec
import pytest

from pileus.identity.config import Config
from pileus.identity.models.logins import missing_methods
from pileus.identity.models.totp import counter_of, passcode

SECRET = b"12345678901234567890"
PASSWORD = "correct horse"


@pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_passcodes_are_those_of_the_standard(at: int, code: str) -> None:
    assert code == passcode(SECRET, at // 30)
    assert at // 30 == counter_of(SECRET, code, at, 1)
    assert at // 30 == counter_of(SECRET, code, at + 30, 1)
    assert counter_of(SECRET, code, at + 60, 1) is None


class Ann:
    """Ann, whose phone shows passcodes."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud

    async def start(self, **options: Any) -> None:
        await self.cloud.start()
        self.user = await self.cloud.make("user", name="ann", password=PASSWORD, options=options)
        blob = base64.b32encode(SECRET).decode()
        await self.cloud.make("credential", user_id=self.user["id"], type="totp", blob=blob)

    def code(self) -> str:
        return passcode(SECRET, int(self.cloud.clock.now().timestamp()) // 30)

    def identity(self, *methods: str, code: str | None = None) -> dict[str, Any]:
        user = {"name": "ann", "domain": {"id": "default"}}
        parts = {
            "password": {"user": {**user, "password": PASSWORD}},
            "totp": {"user": {**user, "passcode": self.code() if code is None else code}},
        }
        return {"methods": list(methods), **{name: parts[name] for name in methods}}

    async def login(self, *methods: str, receipt: str = "", code: str | None = None) -> Any:
        body = {"auth": {"identity": self.identity(*methods, code=code)}}
        headers = {"openstack-auth-receipt": receipt} if receipt else {}
        return await self.cloud.ask("POST", "/v3/auth/tokens", body, None, headers)


@pytest.fixture
def ann(cloud: Any) -> Ann:
    return Ann(cloud)


async def test_a_passcode_is_good_once_and_for_its_own_user(ann: Ann) -> None:
    await ann.start()
    answer = await ann.login("totp")
    assert (201, ["totp"]) == (answer.status, answer.body["token"]["methods"])
    assert 401 == (await ann.login("totp")).status
    ann.cloud.clock.move(30)
    for wrong in ("000000", "", "12345678", "５５５５５５"):
        assert 401 == (await ann.login("totp", code=wrong)).status
    assert 201 == (await ann.login("totp", "password")).status
    bad = {"credential": {"user_id": ann.user["id"], "type": "totp", "blob": "not base32!"}}
    assert 400 == (await ann.cloud.ask("POST", "/v3/credentials", bad)).status


async def test_who_must_prove_more_gets_a_receipt_and_goes_on_from_there(ann: Ann) -> None:
    await ann.start(multi_factor_auth_rules=[["password", "totp"], ["application_credential", "colour"]])
    first = await ann.login("password")
    assert 401 == first.status
    assert [["password", "totp"]] == first.body["required_auth_methods"]
    assert (["password"], ann.user["id"]) == (first.body["receipt"]["methods"], first.body["receipt"]["user"]["id"])
    assert "x-subject-token" not in first.headers
    receipt = first.headers["openstack-auth-receipt"]
    assert 401 == (await ann.login("totp")).status
    ann.cloud.clock.move(30)
    second = await ann.login("totp", receipt=receipt)
    assert (201, {"password", "totp"}) == (second.status, set(second.body["token"]["methods"]))
    token = second.headers["x-subject-token"]
    assert 201 == (await ann.cloud.auth(ann.cloud.by_token(token), "unscoped")).status
    assert 401 == (await ann.login("totp", receipt="nonsense")).status
    assert 401 == (await ann.cloud.ask("GET", "/v3/auth/catalog", None, receipt)).status
    ann.cloud.clock.move(600)
    assert 401 == (await ann.login("totp", receipt=receipt)).status


async def test_a_receipt_helps_nobody_else(ann: Ann) -> None:
    await ann.start(multi_factor_auth_rules=[["password", "totp"]])
    receipt = (await ann.login("password")).headers["openstack-auth-receipt"]
    await ann.cloud.make("user", name="bob", password=PASSWORD)
    body = {"auth": {"identity": ann.cloud.by_password("bob")}}
    assert (
        401 == (await ann.cloud.ask("POST", "/v3/auth/tokens", body, None, {"openstack-auth-receipt": receipt})).status
    )
    ann.cloud.clock.move(1)
    await ann.cloud.ask("PATCH", f"/v3/users/{ann.user['id']}", {"user": {"password": "another"}})
    ann.cloud.clock.move(30)
    assert 401 == (await ann.login("totp", receipt=receipt)).status


@pytest.mark.parametrize(
    ("options", "used", "required"),
    [
        ({}, {"password"}, []),
        ({"multi_factor_auth_rules": [["password"]]}, {"password"}, []),
        ({"multi_factor_auth_rules": [["password", "totp"]]}, {"password"}, [["password", "totp"]]),
        ({"multi_factor_auth_rules": [["password", "totp"]], "multi_factor_auth_enabled": False}, {"password"}, []),
        ({"multi_factor_auth_rules": [["password", "colour"], []]}, {"password"}, []),
        ({"multi_factor_auth_rules": [["totp"], ["password"]]}, {"password"}, []),
    ],
)
def test_rules_ask_for_one_whole_set_of_methods(options: Any, used: set[str], required: Any) -> None:
    known = frozenset({"password", "totp", "token"})
    assert required == missing_methods(options, known, frozenset(used))


async def test_a_trusted_proxy_says_who_logged_in_and_nobody_else_does(cloud: Any) -> None:
    cloud.config = msgspec.structs.replace(Config(), trusted_proxies=("10.0.0.0/8",))
    await cloud.start()
    ann = (await cloud.make("user", name="ann"))["id"]
    body = '{"auth": {"identity": {"methods": ["external"]}}}'
    said = {"x-remote-user": "ann"}
    for client, headers, status in (
        ("10.1.2.3", said, 201),
        ("192.0.2.1", said, 401),
        ("10.1.2.3", {}, 401),
        ("10.1.2.3", {"x-remote-user": "nobody"}, 401),
        ("10.1.2.3", {**said, "x-remote-domain": "other"}, 401),
        ("10.1.2.3", {**said, "x-remote-domain": "Default"}, 201),
        ("not an address", said, 401),
    ):
        got, text, _ = await cloud.raw("POST", "/v3/auth/tokens", body, headers, client)
        assert status == got, (client, headers)
        assert got != 201 or ann in text
