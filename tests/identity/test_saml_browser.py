"""SAML 2.0 as people meet it: a browser, a dashboard, and a provider with keys of its own that encrypts what it asserts."""

import base64
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from cryptography import x509
from tests.identity.browser import FORM, Browser, Page, Seen
from tests.identity.saml_provider import CBC, GCM, RSA_1_5, Metadata, Provider

from pileus.identity.config import Config, SamlProvider
from pileus.identity.drivers.saml_ours import key_pair

CLOUD = "https://cloud:1"
DASHBOARD = "https://dashboard.example"
BACK = f"{DASHBOARD}/auth/websso/"
FED = "/v3/OS-FEDERATION"
AUTH = f"{FED}/identity_providers/corp/protocols/saml2/auth"
WEBSSO = "/v3/auth/OS-FEDERATION/identity_providers/corp/protocols/saml2/websso"
RULES = [
    {
        "local": [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"id": "default"}}],
        "remote": [{"type": "uid"}, {"type": "memberOf"}],
    }
]


class World:
    """A cloud, a provider it believes, and a dashboard it trusts; people reach all of them with a browser."""

    def __init__(self, cloud: Any, keys: Path) -> None:
        self.cloud = cloud
        self.provider = Provider(key_pair(keys / "provider"), cloud.clock)
        shutil.copytree(keys / "cloud", cloud.keys / "keys" / "saml")
        self.welcomed: list[str] = []
        said = SamlProvider(
            entity_id=Provider.ENTITY,
            certificate_file=str(keys / "provider" / "certificate.pem"),
            sso_url=f"{Provider.ENTITY}/sso",
        )
        cloud.config = msgspec.structs.replace(Config(), saml={"corp": said}, trusted_dashboards=(BACK,))
        cloud.scheme = "https"

    async def start(self) -> None:
        cloud = self.cloud
        await cloud.start()
        self.project = (await cloud.make("project", name="p"))["id"]
        group = (await cloud.make("group", name="staff"))["id"]
        await cloud.ask("PUT", f"/v3/projects/{self.project}/groups/{group}/roles/{await cloud.role('reader')}")
        for path, key, given in (
            ("identity_providers/corp", "identity_provider", {"enabled": True, "remote_ids": [Provider.ENTITY]}),
            ("mappings/m", "mapping", {"rules": RULES}),
            ("identity_providers/corp/protocols/saml2", "protocol", {"mapping_id": "m"}),
        ):
            made = await cloud.ask("PUT", f"{FED}/{path}", {key: given})
            assert 201 == made.status, made.body
        _, text, _ = await cloud.raw("GET", f"{FED}/saml2/metadata", None, {})
        self.provider.cloud = Metadata(text)

    def browser(self) -> Browser:
        sites = {CLOUD: self._cloud_site, DASHBOARD: self._dashboard_site, Provider.ENTITY: self.provider.site}
        return Browser(sites)

    async def _cloud_site(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Seen:
        status, text, answer = await self.cloud.raw(method, path.removeprefix("/identity"), body, headers)
        return Seen(status, text, answer)

    async def _dashboard_site(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Seen:
        """A dashboard: it sends people to the cloud, and takes tokens that browsers post to it."""
        if method == "GET":
            address = f"{CLOUD}/identity{WEBSSO}?{urlencode({'origin': BACK})}"
            return Seen(302, "", {"location": address})
        assert (path, FORM) == ("/auth/websso/", headers["content-type"])
        token = parse_qs(body)["token"][0]
        shown = await self.cloud.ask("GET", "/v3/auth/tokens", None, token, {"x-subject-token": token})
        self.welcomed.append(token)
        return Seen(200, f"Welcome, {shown.body['token']['user']['name']}", {})

    async def log_in(self, browser: Browser) -> Page:
        """The page somebody sees in the end who logs in as Ann."""
        asked = await browser.open(f"{DASHBOARD}/")
        assert asked.url.startswith(f"{Provider.ENTITY}/sso?"), asked.seen
        return await browser.send(asked, name="ann", secret="ann's secret")

    async def post(self, response: str, state: str | None = None, cookie: str = "", path: str = AUTH) -> int:
        """What a response is answered with that is brought by hand."""
        fields = {"SAMLResponse": base64.b64encode(response.encode()).decode()}
        body = urlencode(fields if state is None else {**fields, "RelayState": state})
        status, _, _ = await self.cloud.raw("POST", path, body, {"content-type": FORM, "cookie": cookie})
        return int(status)

    def response(self, **how: Any) -> str:
        """What the provider says of Ann without being asked."""
        return self.provider.response("ann", ["staff"], f"{CLOUD}/identity{AUTH}", **how)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the provider's keys are, and those of the cloud: making them takes longer than most tests here."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("provider", "cloud", "cloud/encryption"):
        key_pair(folder / name)
    return folder


@pytest.fixture
def world(cloud: Any, keys: Path) -> World:
    return World(cloud, keys)


async def test_somebody_logs_in_at_the_dashboard_through_the_provider(world: World) -> None:
    await world.start()
    browser = world.browser()
    asked = await browser.open(f"{DASHBOARD}/")
    again = await browser.send(asked, name="ann", secret="guessed")
    assert "Wrong" in again.seen.text
    page = await browser.send(again, name="ann", secret="ann's secret")
    assert (BACK, "Welcome, ann") == (page.url, page.seen.text)
    hosts = [urlsplit(url).hostname for url in browser.visited]
    way = ["dashboard.example", "cloud", "saml.example", "saml.example", "saml.example", "cloud", "dashboard.example"]
    assert way == hosts
    assert {} == browser.cookies, "nothing of the login stays in the browser"
    (token,) = world.welcomed
    scoped = await world.cloud.auth(world.cloud.by_token(token), {"project": {"id": world.project}})
    assert (201, ["reader"]) == (scoped.status, [role["name"] for role in scoped.body["token"]["roles"]])


async def test_nobody_is_logged_in_as_somebody_else_by_their_response(world: World) -> None:
    await world.start()
    mallory, ann = world.browser(), world.browser()
    here = f"{CLOUD}/identity{WEBSSO}"
    asked = await mallory.open(f"{DASHBOARD}/")
    (form,) = asked.forms
    response = world.provider.response("ann", ["staff"], here, answers=form.fields["request"])
    state = form.fields["state"]
    await ann.open(f"{DASHBOARD}/")
    for browser, status in ((world.browser(), 401), (ann, 401), (mallory, 200), (mallory, 401)):
        cookie = "; ".join(f"{name}={one.value}" for (_, name), one in browser.cookies.items())
        assert status == await world.post(response, state, cookie, WEBSSO)
    unasked = world.provider.response("ann", ["staff"], here)
    asked = await mallory.open(f"{DASHBOARD}/")
    cookie = "; ".join(f"{name}={one.value}" for (_, name), one in mallory.cookies.items())
    assert 401 == await world.post(unasked, asked.forms[0].fields["state"], cookie, WEBSSO)


async def test_encrypted_or_not_what_was_signed_is_a_login_once(world: World) -> None:
    await world.start()
    ways = ((GCM, "assertion"), (GCM, "response"), (GCM, "both"), (CBC, "response"), (CBC, "both"), (None, "assertion"))
    for how, sign in ways:
        text = world.response(how=how, sign=sign)
        assert (how is None) is (">ann<" in text)
        assert [201, 401] == [await world.post(text) for _ in range(2)], (how, sign)


async def test_what_could_be_read_or_changed_by_others_is_refused(world: World) -> None:
    await world.start()
    for text in (
        world.response(how=GCM, sign="none"),
        world.response(how=CBC, sign="none"),
        world.response(how=CBC, sign="assertion"),
        world.response(how=GCM, sign="response", wrapped=RSA_1_5),
        world.response(how="http://www.w3.org/2001/04/xmlenc#tripledes-cbc", sign="response"),
        world.response().replace("xenc:CipherData", "xenc:Cipher"),
        world.response().replace("</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>", "!</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"),
        re.sub(r"<xenc:EncryptedKey>.*</xenc:EncryptedKey>", "", world.response(), flags=re.DOTALL),
        re.sub(r"(<saml:EncryptedAssertion.*</saml:EncryptedAssertion>)", r"\1\1", world.response(), flags=re.DOTALL),
    ):  # fmt: skip
        assert 401 == await world.post(text), text


async def test_whatever_cannot_be_decrypted_is_answered_alike(world: World) -> None:
    await world.start()

    async def answer(text: str) -> str:
        body = urlencode({"SAMLResponse": base64.b64encode(text.encode()).decode()})
        status, said, _ = await world.cloud.raw("POST", AUTH, body, {"content-type": FORM})
        assert 401 == status
        return str(said)

    def changed(text: str, which: int) -> str:
        """The text with another byte in the middle of the wrapped key (0) or of the assertion (1)."""
        value = re.findall(r"<xenc:CipherValue>(.*?)</xenc:CipherValue>", text, re.DOTALL)[which]
        raw = bytearray(base64.b64decode(value))
        raw[len(raw) // 2] ^= 1
        return text.replace(value, base64.b64encode(raw).decode())

    known = world.provider.cloud
    assert known is not None
    ours, others = known.certificate, key_pair(Path(world.cloud.app.saml_keys) / "others").certificate
    known.certificate = x509.load_pem_x509_certificate(others)
    for_others = world.response()
    known.certificate = ours
    texts = [for_others, changed(world.response(), 0), changed(world.response(), 1)]
    assert 1 == len({await answer(text) for text in texts})


async def test_metadata_name_every_address_people_come_back_to_and_no_private_key(world: World) -> None:
    await world.start()
    known = world.provider.cloud
    assert known is not None
    websso = "/v3/auth/OS-FEDERATION/websso/saml2"
    assert {f"{CLOUD}/identity{path}" for path in (AUTH, WEBSSO, websso)} == set(known.addresses)
    assert f"{CLOUD}/identity{FED}/saml2/metadata" == known.name
    _, text, _ = await world.cloud.raw("GET", f"{FED}/saml2/metadata", None, {})
    assert "PRIVATE" not in text
    signing, encryption = re.findall(r"<ds:X509Certificate>(.*?)</ds:X509Certificate>", text)
    assert signing != encryption
