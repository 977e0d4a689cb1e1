"""People who come from elsewhere: through a trusted proxy, by OpenID Connect, by SAML, and from one cloud to the next."""

import base64
import datetime as dt
import hmac
import json
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from pileus.identity.config import Config, OpenIdClient, SamlProvider
from pileus.identity.drivers.saml_ours import KeyPair, Statement, key_pair, signed_response
from pileus.identity.errors import ProviderUnreachable

FED = "/v3/OS-FEDERATION"
ISSUER = "https://idp.example"
DASHBOARD = "https://dashboard.example/auth/websso/"
RULES = [
    {
        "local": [
            {"user": {"name": "{0}", "email": "{1}"}},
            {"groups": "{2}", "domain": {"id": "default"}},
        ],
        "remote": [{"type": "sub"}, {"type": "email"}, {"type": "groups"}],
    }
]
FORM = {"content-type": "application/x-www-form-urlencoded"}


def coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def provider_key() -> RSAKey:
    """The key of the provider: making one takes longer than most tests here."""
    return RSAKey.generate_key(2048, {"kid": "k1"}, private=True)


@cache
def provider_pair() -> KeyPair:
    """The pair of a provider that speaks SAML, likewise."""
    with tempfile.TemporaryDirectory() as folder:
        return key_pair(Path(folder))


class FakeIdp:
    """An OpenID provider, and the web it is in."""

    def __init__(self) -> None:
        self.key = provider_key()
        self.token = ""
        self.asked: list[Any] = []
        self.more_keys: list[Any] = []

    async def get(self, url: str) -> Any:
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return {
                "issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", "token_endpoint": f"{ISSUER}/token",
                "authorization_endpoint": f"{ISSUER}/login",
            }  # fmt: skip
        if url == f"{ISSUER}/keys":
            return {"keys": [self.key.as_dict(private=False), *self.more_keys]}
        raise ProviderUnreachable(why=url)

    async def post(self, url: str, form: Any, client: Any) -> Any:
        self.asked.append((url, dict(form), client))
        return {"id_token": self.token}

    def signed(self, now: dt.datetime, key: Any = None, alg: str = "RS256", **claims: Any) -> str:
        said = {
            "iss": ISSUER, "aud": "pileus", "sub": "ann", "email": "ann@example.com", "groups": ["staff"],
            "iat": int(now.timestamp()), "exp": int(now.timestamp()) + 300, **claims,
        }  # fmt: skip
        token: str = jwt.encode({"alg": alg, "kid": "k1"}, said, key or self.key, algorithms=[alg])
        return token


class World:
    """A cloud that believes an identity provider, and a group `staff` that may read in a project."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.idp = FakeIdp()
        cloud.web = self.idp
        cloud.config = msgspec.structs.replace(
            Config(),
            openid={"corp": OpenIdClient(issuer=ISSUER, client_id="pileus")},
            trusted_dashboards=(DASHBOARD,),
            trusted_proxies=("10.0.0.1/32",),
        )

    async def start(self, rules: Any = None, **provider: Any) -> None:
        await self.cloud.start()
        await self.join((await self.cloud.make("project", name="p"))["id"], "reader", rules, **provider)

    async def join(self, project: str, role: str, rules: Any = None, **provider: Any) -> None:
        """The cloud believes the provider, whose staff have the role in the project."""
        cloud, self.project = self.cloud, project
        self.group = (await cloud.make("group", name="staff"))["id"]
        await cloud.ask("PUT", f"/v3/projects/{project}/groups/{self.group}/roles/{await cloud.role(role)}")
        body = {"enabled": True, "remote_ids": [ISSUER], **provider}
        for path, key, given in (
            ("identity_providers/corp", "identity_provider", body),
            ("mappings/m", "mapping", {"rules": rules or RULES}),
            ("identity_providers/corp/protocols/openid", "protocol", {"mapping_id": "m"}),
        ):
            made = await cloud.ask("PUT", f"{FED}/{path}", {key: given})
            assert 201 == made.status, made.body

    async def bring(self, token: str) -> Any:
        path = f"{FED}/identity_providers/corp/protocols/openid/auth"
        return await self.cloud.ask("GET", path, None, None, {"authorization": f"Bearer {token}"})

    async def scoped(self, token: str) -> Any:
        return await self.cloud.auth(self.cloud.by_token(token), {"project": {"id": self.project}})


@pytest.fixture
def world(cloud: Any) -> World:
    return World(cloud)


async def test_a_token_of_the_provider_is_a_login_and_groups_give_roles(world: World) -> None:
    await world.start()
    cloud, now = world.cloud, world.cloud.clock.now()
    answer = await world.bring(world.idp.signed(now))
    assert (201, ["openid"]) == (answer.status, answer.body["token"]["methods"])
    user = answer.body["token"]["user"]
    said = {"identity_provider": {"id": "corp"}, "protocol": {"id": "openid"}, "groups": [{"id": world.group}]}
    assert ("ann", said) == (user["name"], user["OS-FEDERATION"])
    token = answer.headers["x-subject-token"]
    scoped = await world.scoped(token)
    assert (201, ["reader"]) == (scoped.status, [role["name"] for role in scoped.body["token"]["roles"]])
    assert said == scoped.body["token"]["user"]["OS-FEDERATION"]
    for path in ("auth/projects", "OS-FEDERATION/projects"):
        listed = (await cloud.ask("GET", f"/v3/{path}", None, token)).body["projects"]
        assert [world.project] == [one["id"] for one in listed]
    by_method = {"methods": ["openid"], "openid": {"id": token}}
    assert 201 == (await cloud.auth(by_method, {"project": {"id": world.project}})).status
    again = await world.bring(world.idp.signed(now, email="new@example.com", groups=["none"]))
    assert user["id"] == again.body["token"]["user"]["id"]
    assert "new@example.com" == (await cloud.ask("GET", f"/v3/users/{user['id']}")).body["user"]["email"]
    assert 401 == (await world.scoped(again.headers["x-subject-token"])).status


async def test_tokens_that_are_not_the_providers_for_us_and_of_now_are_refused(world: World) -> None:
    await world.start()
    now = world.cloud.clock.now()
    stranger = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
    public = world.idp.key.as_pem(private=False)
    good = world.idp.signed(now)
    world.idp.more_keys = [{"kty": "oct", "kid": "k1", "k": coded(public)}]
    body = good.split(".")[1]
    confused = ".".join((coded(b'{"alg":"HS256","kid":"k1"}'), body))
    confused = f"{confused}.{coded(hmac.digest(public, confused.encode(), 'sha256'))}"
    none = ".".join((coded(b'{"alg":"none"}'), body, ""))
    for token in (
        world.idp.signed(now, key=stranger),
        confused,
        none,
        world.idp.signed(now, iss="https://other.example"),
        world.idp.signed(now, aud="other"),
        world.idp.signed(now, aud=["pileus", "other"], azp="other"),
        world.idp.signed(now, exp=int(now.timestamp()) - 100),
        world.idp.signed(now, iat=int(now.timestamp()) + 1000),
        world.idp.signed(now, exp="never"),
        good[:-4],
        "nonsense",
    ):
        assert 401 == (await world.bring(token)).status, token
    assert 201 == (await world.bring(good)).status


async def test_nobody_becomes_a_user_of_ours_by_their_name_nor_joins_groups_by_it(world: World) -> None:
    await world.start(domain_id="default")
    now = world.cloud.clock.now()
    assert 401 == (await world.bring(world.idp.signed(now, sub="admin"))).status
    answer = await world.bring(world.idp.signed(now, groups="none;staff"))
    assert [] == answer.body["token"]["user"]["OS-FEDERATION"]["groups"]
    await world.cloud.ask("PATCH", f"{FED}/identity_providers/corp", {"identity_provider": {"remote_ids": ["x"]}})
    assert 403 == (await world.bring(world.idp.signed(now))).status
    await world.cloud.ask("PATCH", f"{FED}/identity_providers/corp", {"identity_provider": {"enabled": False}})
    assert 401 == (await world.bring(world.idp.signed(now))).status


async def member_until(cloud: Any, user: str) -> dict[str, str | None]:
    """The groups a user is in, and until when."""
    listed = (await cloud.ask("GET", f"/v3/users/{user}/groups")).body["groups"]
    return {one["name"]: one["membership_expires_at"] for one in listed}


async def test_membership_and_projects_last_as_the_provider_and_the_mapping_say(world: World) -> None:
    provided = {"projects": [{"name": "of {0}", "roles": [{"name": "member"}]}]}
    await world.start([{**RULES[0], "local": [*RULES[0]["local"], provided]}], authorization_ttl=10)
    cloud = world.cloud
    answer = await world.bring(world.idp.signed(cloud.clock.now()))
    user = answer.body["token"]["user"]["id"]
    listed = (await cloud.ask("GET", f"/v3/users/{user}/projects")).body["projects"]
    assert {"of ann", "p"} == {one["name"] for one in listed}
    ends = (cloud.clock.now() + dt.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    kept = (await cloud.make("group", name="kept"))["id"]
    await cloud.ask("PUT", f"/v3/groups/{kept}/users/{user}")
    assert {"staff": ends, "kept": None} == await member_until(cloud, user)
    await cloud.ask("PUT", f"/v3/groups/{world.group}/users/{user}")
    assert {"staff": None, "kept": None} == await member_until(cloud, user)
    await cloud.ask("DELETE", f"/v3/groups/{world.group}/users/{user}")
    # Who leaves a group for good voids the tokens that came of it: they log in anew.
    answer = await world.bring(world.idp.signed(cloud.clock.now()))
    scoped = (await world.scoped(answer.headers["x-subject-token"])).headers["x-subject-token"]
    made = await cloud.ask(
        "POST", f"/v3/users/{user}/application_credentials", {"application_credential": {"name": "a"}}, scoped
    )
    part = {name: made.body["application_credential"][name] for name in ("id", "secret")}
    applied = {"methods": ["application_credential"], "application_credential": part}
    held = await cloud.auth(applied)
    assert 201 == held.status
    cloud.clock.move(601)
    assert {"kept": None} == await member_until(cloud, user)
    assert 401 == (await cloud.ask("GET", "/v3/auth/catalog", None, held.headers["x-subject-token"])).status
    assert 401 == (await cloud.auth(applied)).status
    assert {"of ann"} == {
        one["name"] for one in (await cloud.ask("GET", f"/v3/users/{user}/projects")).body["projects"]
    }


async def test_the_provider_says_which_projects_somebody_has_and_takes_them_back(world: World) -> None:
    local = [{"user": {"name": "{0}"}}, {"projects": "{1}"}]
    remote = [{"type": "sub"}, {"type": "OIDC-projects"}]
    await world.start(domain_id="default")
    cloud, now = world.cloud, world.cloud.clock.now()
    mapping = {"rules": [{"local": local, "remote": remote}], "schema_version": "3.0"}
    assert 200 == (await cloud.ask("PATCH", f"{FED}/mappings/m", {"mapping": mapping})).status

    async def given(projects: Any) -> set[tuple[str, str]]:
        answer = await world.bring(world.idp.signed(now, projects=projects))
        assert 201 == answer.status, answer.body
        user = answer.body["token"]["user"]["id"]
        path = f"/v3/role_assignments?user.id={user}&include_names=true"
        listed = (await cloud.ask("GET", path)).body["role_assignments"]
        return {(one["scope"]["project"]["name"], one["role"]["name"]) for one in listed}

    def named(**projects: str) -> list[Any]:
        return [{"name": name, "roles": [{"name": role} for role in roles.split()]} for name, roles in projects.items()]

    assert {("a;b", "member"), ("q", "reader")} == await given(named(**{"a;b": "member", "q": "reader"}))
    assert {("q", "member"), ("r", "reader")} == await given(json.dumps(named(q="member", r="reader")))
    assert set() == await given("[]")
    for wrong in ("nonsense", [{"name": "q"}], [{"name": "q", "roles": [], "colour": "red"}]):
        assert 401 == (await world.bring(world.idp.signed(now, projects=wrong))).status


async def test_a_trusted_proxy_asserts_and_nobody_else_does(world: World) -> None:
    await world.start()
    await world.cloud.ask(
        "PATCH", f"{FED}/identity_providers/corp/protocols/openid", {"protocol": {"remote_id_attribute": "ISS"}}
    )
    path = f"{FED}/identity_providers/corp/protocols/openid/auth"
    said = {f"x-assertion-{name}": value for name, value in {"sub": "ann", "email": "a@b", "groups": "staff"}.items()}
    for client, more, status in (
        ("10.0.0.1", {"x-assertion-iss": ISSUER}, 201),
        ("10.0.0.1", {"x-assertion-iss": "https://other.example"}, 403),
        ("10.0.0.1", {}, 403),
        ("192.0.2.1", {"x-assertion-iss": ISSUER}, 401),
    ):
        assert status == (await world.cloud.raw("GET", path, None, {**said, **more}, client))[0]


# -- browsers -----------------------------------------------------------------------------------------------------------

WEBSSO = "/v3/auth/OS-FEDERATION/identity_providers/corp/protocols/openid/websso"


async def begun(world: World) -> tuple[Any, str]:
    """Where the browser was sent, and its cookie."""
    status, _, headers = await world.cloud.raw("GET", f"{WEBSSO}?{urlencode({'origin': DASHBOARD})}", None, {})
    assert 303 == status
    return dict(parse_qs(urlsplit(headers["location"]).query)), headers["set-cookie"].partition(";")[0]


async def test_a_browser_logs_in_at_the_provider_and_brings_its_token_to_the_dashboard(world: World) -> None:
    await world.start()
    sent, cookie = await begun(world)
    assert ("pileus", "S256") == (sent["client_id"][0], sent["code_challenge_method"][0])
    world.idp.token = world.idp.signed(world.cloud.clock.now(), nonce=sent["nonce"][0])
    back = f"{WEBSSO}?{urlencode({'code': 'c', 'state': sent['state'][0]})}"
    status, page, headers = await world.cloud.raw("GET", back, None, {"cookie": cookie})
    assert 200 == status, page
    found = re.search(r'action="([^"]+)".*name="token" value="([^"]+)"', page)
    assert found is not None
    assert DASHBOARD == found[1]
    assert "ann" == (await world.cloud.port.caller(found[2])).user_name
    assert "default-src 'none'" in headers["content-security-policy"]
    url, form, client = world.idp.asked[0]
    assert (f"{ISSUER}/token", "c", None) == (url, form["code"], client)
    assert 43 <= len(form["code_verifier"])


async def test_a_login_comes_back_only_to_the_browser_that_began_it(world: World) -> None:
    await world.start()
    sent, cookie = await begun(world)
    other, _ = await begun(world)
    world.idp.token = world.idp.signed(world.cloud.clock.now(), nonce=sent["nonce"][0])
    state = sent["state"][0]
    for given, with_cookie in (
        ({"code": "c", "state": state}, ""),
        ({"code": "c", "state": state}, "pileus_sso=other"),
        ({"code": "c", "state": "nonsense"}, cookie),
        ({"code": "c", "state": world.cloud.admin}, cookie),
        ({"code": "c", "state": other["state"][0]}, cookie),
        ({"error": "access_denied", "state": state}, cookie),
    ):
        assert 401 == (await world.cloud.raw("GET", f"{WEBSSO}?{urlencode(given)}", None, {"cookie": with_cookie}))[0]
    world.idp.token = world.idp.signed(world.cloud.clock.now(), nonce="another")
    back = f"{WEBSSO}?{urlencode({'code': 'c', 'state': state})}"
    assert 401 == (await world.cloud.raw("GET", back, None, {"cookie": cookie}))[0]
    world.cloud.clock.move(601)
    world.idp.token = world.idp.signed(world.cloud.clock.now(), nonce=sent["nonce"][0])
    assert 401 == (await world.cloud.raw("GET", back, None, {"cookie": cookie}))[0]


@pytest.mark.parametrize(
    "origin",
    [
        "", "https://evil.example/", "https://dashboard.example", "https://dashboard.example/auth/websso/x",
        "https://dashboard.example.evil.example/auth/websso/", "//dashboard.example/auth/websso/",
        f"{DASHBOARD}\r\nSet-Cookie: a=b", f'{DASHBOARD}"><script>', "javascript:alert(1)",
    ],
)  # fmt: skip
async def test_tokens_are_brought_to_trusted_dashboards_only(world: World, origin: str) -> None:
    await world.start()
    for path in (WEBSSO, "/v3/auth/OS-FEDERATION/websso/openid"):
        status, text, headers = await world.cloud.raw("GET", f"{path}?{urlencode({'origin': origin})}", None, {})
        assert 401 == status
        assert "location" not in headers
        assert "<script" not in text
        assert not any("a=b" in value for value in headers.values())


# -- SAML ---------------------------------------------------------------------------------------------------------------

HERE = "http://cloud:1/identity/v3/OS-FEDERATION/identity_providers/corp/protocols/openid/auth"
ENTITY = "https://saml.example"
SAML_RULES = [
    {
        "local": [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"id": "default"}}],
        "remote": [{"type": "openstack_user"}, {"type": "openstack_roles"}],
    }
]


class SamlWorld(World):
    """The same, where the provider signs SAML responses."""

    def __init__(self, cloud: Any, folder: Path) -> None:
        super().__init__(cloud)
        self.pair = provider_pair()
        (folder / "idp.pem").write_bytes(self.pair.certificate)
        self.number = 0
        provider = SamlProvider(entity_id=ENTITY, certificate_file=str(folder / "idp.pem"))
        cloud.config = msgspec.structs.replace(cloud.config, openid={}, saml={"corp": provider})

    def response(self, **changed: Any) -> str:
        self.number += 1
        now = self.cloud.clock.now()
        said = {
            "id": f"_a{self.number}", "response_id": f"_r{self.number}", "issuer": ENTITY, "recipient": HERE, "name": "ann",
            "attributes": {"openstack_user": ["ann"], "openstack_roles": ["staff"]},
            "at": now, "until": now + dt.timedelta(minutes=5), **changed,
        }  # fmt: skip
        return signed_response(Statement(**said), self.pair).decode()

    async def post(self, text: str, *, xml: bool = False) -> Any:
        path = f"{FED}/identity_providers/corp/protocols/openid/auth"
        if xml:
            return (await self.cloud.raw("POST", path, text, {"content-type": "application/vnd.paos+xml"}))[0]
        body = urlencode({"SAMLResponse": base64.b64encode(text.encode()).decode()})
        return (await self.cloud.raw("POST", path, body, FORM))[0]


@pytest.fixture
def saml(cloud: Any, tmp_path: Path) -> SamlWorld:
    return SamlWorld(cloud, tmp_path)


async def test_a_signed_response_is_a_login_once_here_and_now(saml: SamlWorld) -> None:
    await saml.start(SAML_RULES, remote_ids=[ENTITY])
    text = saml.response()
    assert [201, 401] == [await saml.post(text) for _ in range(2)]
    now = saml.cloud.clock.now()
    for wrong in (
        saml.response(recipient="https://other.example/acs"),
        saml.response(issuer="https://other.example"),
        saml.response(until=now - dt.timedelta(minutes=5)),
        saml.response().replace(">ann<", ">admin<"),
        saml.response().replace("Signature>", "Signed>"),
        re.sub(r"<ds:Signature.*</ds:Signature>", "", saml.response(), flags=re.DOTALL),
        "<nonsense",
        "<a/>",
        "",
    ):
        assert 401 == await saml.post(wrong), wrong


async def test_nothing_wrapped_around_or_beside_what_was_signed_is_believed(saml: SamlWorld) -> None:
    await saml.start(SAML_RULES, remote_ids=[ENTITY])

    def parts() -> tuple[str, str, str]:
        text = saml.response()
        begin, end = text.index("<saml:Assertion"), text.index("</saml:Assertion>") + len("</saml:Assertion>")
        return text[:begin], text[begin:end], text[end:]

    head, assertion, tail = parts()
    signature = re.search(r"<ds:Signature.*</ds:Signature>", assertion, re.DOTALL)
    assert signature is not None
    bare = assertion.replace(signature[0], "")
    evil = re.sub(r'ID="[^"]+"', 'ID="_evil"', bare.replace(">ann<", ">mallory<"), count=1)
    wrapped = evil.replace(
        "</saml:Issuer>",
        f"</saml:Issuer>{signature[0].replace('</ds:Signature>', f'<ds:Object>{bare}</ds:Object></ds:Signature>')}",
        1,
    )
    same_id = bare.replace(">ann<", ">mallory<")
    users_before = {one["name"] for one in (await saml.cloud.ask("GET", "/v3/users")).body["users"]}
    for document in (
        head + evil + assertion + tail,
        head + assertion + evil + tail,
        head + wrapped + tail,
        head + evil.replace("</saml:Assertion>", f"{assertion}</saml:Assertion>") + tail,
        head + same_id + assertion + tail,
        head + f"<samlp:Extensions>{assertion}</samlp:Extensions>" + evil + tail,
    ):
        await saml.post(document)
        users = {one["name"] for one in (await saml.cloud.ask("GET", "/v3/users")).body["users"]}
        assert "mallory" not in users, document
        assert users <= users_before | {"ann"}


async def test_entity_bombs_are_refused_before_they_are_read(saml: SamlWorld) -> None:
    await saml.start(SAML_RULES, remote_ids=[ENTITY])
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    for document in (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><x>&e11;</x>',
        '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]><x>&file;</x>',
        '<!DOCTYPE x SYSTEM "http://evil.example/x.dtd"><x/>',
        "<a>" * 100_000,
    ):
        assert 401 == await saml.post(document)
        assert 401 == await saml.post(document, xml=True)


async def test_one_cloud_vouches_for_its_people_to_the_next(saml: SamlWorld) -> None:
    cloud = saml.cloud
    await saml.start(SAML_RULES, remote_ids=[ENTITY])
    provider = {"auth_url": HERE, "sp_url": HERE, "enabled": True}
    made = await cloud.ask("PUT", f"{FED}/service_providers/next", {"service_provider": provider})
    assert (201, "ss:mem:") == (made.status, made.body["service_provider"]["relay_state_prefix"])
    token = await cloud.login("admin", project="admin")
    shown = await cloud.ask("GET", "/v3/auth/tokens", None, "admin", {"x-subject-token": token})
    assert [{"id": "next", "auth_url": HERE, "sp_url": HERE}] == shown.body["token"]["service_providers"]
    # The next cloud is this one: it knows its own certificate, by the name it gives itself.
    status, text, _ = await cloud.raw("GET", f"{FED}/saml2/metadata", None, {})
    assert (200, True) == (status, "IDPSSODescriptor" in text)
    name = "http://cloud:1/identity/v3/OS-FEDERATION/saml2/metadata"
    own = SamlProvider(entity_id=name, certificate_file=str(cloud.app.saml_keys / "certificate.pem"))
    cloud.app.config.saml["corp"] = own
    await cloud.ask("PATCH", f"{FED}/identity_providers/corp", {"identity_provider": {"remote_ids": [name]}})
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"service_provider": {"id": "next"}}}
    for path in ("saml2", "saml2/ecp"):
        body = msgspec.json.encode({"auth": auth}).decode()
        status, text, headers = await cloud.raw("POST", f"/v3/auth/OS-FEDERATION/{path}", body, {})
        assert (200, "text/xml", HERE) == (status, headers["content-type"], headers["x-sp-url"]), text
        assert 201 == await saml.post(text, xml=True)
    for broken in ({"token": {"id": "nonsense"}, "methods": ["token"]},):
        body = msgspec.json.encode({"auth": {**auth, "identity": broken}}).decode()
        assert 401 == (await cloud.raw("POST", "/v3/auth/OS-FEDERATION/saml2", body, {}))[0]
    unscoped = (await cloud.auth(cloud.by_token(token), "unscoped")).headers["x-subject-token"]
    body = msgspec.json.encode(
        {"auth": {**auth, "identity": {"methods": ["token"], "token": {"id": unscoped}}}}
    ).decode()
    assert 403 == (await cloud.raw("POST", "/v3/auth/OS-FEDERATION/saml2", body, {}))[0]


async def test_providers_protocols_and_mappings_are_kept_as_asked(world: World) -> None:
    await world.start()
    cloud = world.cloud
    shown = (await cloud.ask("GET", f"{FED}/identity_providers/corp")).body["identity_provider"]
    assert shown["domain_id"] not in {"", "default"}
    twice = {"identity_provider": {"remote_ids": [ISSUER]}}
    assert [409, 409] == [
        (await cloud.ask("PUT", f"{FED}/identity_providers/{name}", twice)).status for name in ("corp", "other")
    ]
    bad = {"identity_provider": {"domain_id": "none"}}
    assert 400 == (await cloud.ask("PUT", f"{FED}/identity_providers/third", bad)).status
    assert 400 == (await cloud.ask("PUT", f"{FED}/mappings/bad", {"mapping": {"rules": []}})).status
    protocol = f"{FED}/identity_providers/corp/protocols/openid"
    assert 400 == (await cloud.ask("PATCH", protocol, {"protocol": {"mapping_id": "none"}})).status
    for path, key in ((f"{FED}/mappings", "mappings"), (f"{FED}/identity_providers", "identity_providers")):
        assert 1 == len((await cloud.ask("GET", path)).body[key])
    for path in (protocol, f"{FED}/mappings/m", f"{FED}/identity_providers/corp"):
        assert [200, 204, 404] == [(await cloud.ask(how, path)).status for how in ("GET", "DELETE", "GET")]
