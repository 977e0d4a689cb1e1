"""OAuth 1.0a, as its clients speak it."""

import base64
import hmac
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

BASE = "http://cloud:1/identity"


def quoted(text: str) -> str:
    return quote(text, safe="-._~")


class Client:
    """A consumer that signs its requests."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.consumer: Any = None
        self.number = 0

    async def start(self) -> None:
        await self.cloud.start()
        body = {"consumer": {"description": "a program", "colour": "red"}}
        made = await self.cloud.ask("POST", "/v3/OS-OAUTH1/consumers", body)
        assert (201, "red") == (made.status, made.body["consumer"]["colour"])
        self.consumer = made.body["consumer"]

    def header(self, path: str, token: Any = None, **said: str) -> str:
        self.number += 1
        params = {
            "oauth_consumer_key": self.consumer["id"],
            "oauth_nonce": f"n{self.number}",
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(self.cloud.clock.now().timestamp())),
            "oauth_version": "1.0",
            **({"oauth_token": token["oauth_token"]} if token else {}),
            **said,
        }
        pairs = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted(params.items()))
        text = "&".join(("POST", quoted(BASE + path), quoted(pairs)))
        key = f"{quoted(self.consumer['secret'])}&{quoted(token['oauth_token_secret']) if token else ''}"
        made = base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha1")).decode()
        params["oauth_signature"] = said.get("oauth_signature", made)
        return "OAuth " + ", ".join(f'{name}="{quoted(value)}"' for name, value in params.items())

    async def post(self, path: str, header: str, body: Any = None, **headers: str) -> Any:
        return await self.cloud.raw("POST", path, body, {"authorization": header, **headers})

    async def request(self, project: str) -> dict[str, str]:
        path = "/v3/OS-OAUTH1/request_token"
        header = self.header(path, oauth_callback="oob")
        status, text, _ = await self.post(path, header, **{"requested-project-id": project})
        assert 201 == status, text
        return dict(parse_qsl(text))

    async def grant(self, request: Any, roles: Any, token: str = "admin") -> Any:
        path = f"/v3/OS-OAUTH1/authorize/{request['oauth_token']}"
        return await self.cloud.ask("PUT", path, {"roles": roles}, token)

    async def access(self, request: Any, verifier: str) -> tuple[int, dict[str, str]]:
        path = "/v3/OS-OAUTH1/access_token"
        status, text, _ = await self.post(path, self.header(path, request, oauth_verifier=verifier))
        return status, dict(parse_qsl(text))

    async def login(self, access: Any, **said: str) -> Any:
        path = "/v3/auth/tokens"
        body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
        header = self.header(path, access, **said)
        return await self.cloud.ask("POST", path, body, None, {"authorization": header})


@pytest.fixture
def client(cloud: Any) -> Client:
    return Client(cloud)


async def test_a_consumer_acts_with_the_roles_it_was_granted(client: Client) -> None:
    await client.start()
    cloud = client.cloud
    request = await client.request(cloud.account.project_id)
    granted = await client.grant(request, [{"name": "reader"}])
    assert (200, 8) == (granted.status, len(granted.body["token"]["oauth_verifier"]))
    verifier = granted.body["token"]["oauth_verifier"]
    assert 401 == (await client.access(request, "guessed"))[0]
    status, access = await client.access(request, verifier)
    assert 201 == status
    assert 401 == (await client.access(request, verifier))[0]  # a verifier is good once
    answer = await client.login(access)
    assert 201 == answer.status, answer.body
    token = answer.body["token"]
    assert (["oauth1"], ["reader"], cloud.account.user_id) == (
        token["methods"], [role["name"] for role in token["roles"]], token["user"]["id"],
    )  # fmt: skip
    assert {"access_token_id": access["oauth_token"], "consumer_id": client.consumer["id"]} == token["OS-OAUTH1"]
    subject = answer.headers["x-subject-token"]
    rescoped = await cloud.auth(cloud.by_token(subject), {"system": {"all": True}})
    assert 403 == rescoped.status
    path = f"/v3/users/{cloud.account.user_id}/OS-OAUTH1/access_tokens"
    listed = (await cloud.ask("GET", path)).body["access_tokens"]
    assert [access["oauth_token"]] == [one["id"] for one in listed]
    one = f"{path}/{access['oauth_token']}"
    role = (await cloud.ask("GET", f"{one}/roles")).body["roles"][0]
    assert ("reader", 200) == (role["name"], (await cloud.ask("GET", f"{one}/roles/{role['id']}")).status)
    assert [200, 204, 404] == [(await cloud.ask(how, one)).status for how in ("GET", "DELETE", "GET")]
    assert 401 == (await cloud.ask("GET", "/v3/auth/catalog", None, subject)).status
    assert 401 == (await client.login(access)).status


async def test_signatures_that_are_wrong_old_or_seen_before_are_refused(client: Client) -> None:
    await client.start()
    cloud = client.cloud
    path = "/v3/OS-OAUTH1/request_token"
    project = {"requested-project-id": cloud.account.project_id}
    good = client.header(path, oauth_callback="oob")
    assert [201, 401] == [(await client.post(path, good, **project))[0] for _ in range(2)]
    now = int(cloud.clock.now().timestamp())
    for header in (
        client.header(path, oauth_callback="oob", oauth_signature="nonsense"),
        client.header(path, oauth_callback="oob", oauth_timestamp=str(now - 1000)),
        client.header(path, oauth_callback="oob", oauth_signature_method="PLAINTEXT"),
        client.header(path, oauth_callback="oob", oauth_consumer_key="nobody"),
        good.replace("oauth_callback", 'oauth_callback="oob", oauth_callback'),
        "Basic YTpi",
        "",
    ):
        assert 401 == (await client.post(path, header, **project))[0], header
    header = client.header(path, oauth_callback="http://evil.example")
    assert 400 == (await client.post(path, header, **project))[0]
    assert 400 == (await client.post(path, client.header(path, oauth_callback="oob")))[0]


async def test_nobody_grants_what_they_do_not_have(client: Client) -> None:
    await client.start()
    cloud = client.cloud
    project = (await cloud.make("project", name="p"))["id"]
    request = await client.request(project)
    assert 403 == (await client.grant(request, [{"name": "reader"}])).status
    assert 404 == (await client.grant({"oauth_token": "none"}, [{"name": "reader"}])).status
    own = await client.request(cloud.account.project_id)
    assert 403 == (await client.grant(own, [])).status
    assert 403 == (await client.grant(own, [{"name": "service"}])).status
    cloud.clock.move(30_000)
    admin = await cloud.login("admin", project="admin")
    assert 404 == (await client.grant(own, [{"name": "reader"}], admin)).status


async def test_consumers_never_show_their_secret_again(client: Client) -> None:
    await client.start()
    cloud = client.cloud
    path = f"/v3/OS-OAUTH1/consumers/{client.consumer['id']}"
    shown = (await cloud.ask("GET", path)).body["consumer"]
    assert "secret" not in shown
    changed = await cloud.ask("PATCH", path, {"consumer": {"description": "other"}})
    assert ("other", "red") == (changed.body["consumer"]["description"], changed.body["consumer"]["colour"])
    assert 400 == (await cloud.ask("PATCH", path, {"consumer": {"secret": "x"}})).status
    assert 1 == len((await cloud.ask("GET", "/v3/OS-OAUTH1/consumers")).body["consumers"])
    assert [204, 404] == [(await cloud.ask(how, path)).status for how in ("DELETE", "GET")]
