"""Application credentials: what programs log in with, never more than their user, and only for what they may ask."""

from typing import Any

import pytest

from pileus.kit.auth import AccessRule

PASSWORD = "correct horse"
IPS = {"service": "compute", "method": "GET", "path": "/v2.1/servers/*/ips"}
CATALOG = {"service": "identity", "method": "GET", "path": "/v3/auth/catalog"}


class World:
    """Ann, a member of a project, and what she makes there."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud

    async def start(self) -> None:
        cloud = self.cloud
        await cloud.start()
        self.project = await cloud.make("project", name="p")
        self.ann = await cloud.make("user", name="ann", password=PASSWORD)
        self.member = await cloud.role("member")
        self.grant = f"/v3/projects/{self.project['id']}/users/{self.ann['id']}/roles/{self.member}"
        await cloud.ask("PUT", self.grant)
        self.token = await cloud.login("ann", project="p")
        self.path = f"/v3/users/{self.ann['id']}/application_credentials"

    async def make(self, token: str | None = None, **given: Any) -> Any:
        """What asking for an application credential answers."""
        body = {"application_credential": {"name": "app", **given}}
        return await self.cloud.ask("POST", self.path, body, token or self.token)

    async def made(self, **given: Any) -> dict[str, Any]:
        answer = await self.make(**given)
        assert 201 == answer.status, answer.body
        made: dict[str, Any] = answer.body["application_credential"]
        return made

    async def use(self, secret: str, scope: Any = None, **named: Any) -> Any:
        """What a login with it answers."""
        proof = {"methods": ["application_credential"], "application_credential": {"secret": secret, **named}}
        return await self.cloud.auth(proof, scope)

    async def opens(self, token: str) -> bool:
        """Whether the token is good for anything."""
        return 200 == (await self.cloud.ask("GET", "/v3/auth/catalog", None, token)).status


@pytest.fixture
def world(cloud: Any) -> World:
    return World(cloud)


async def test_a_program_logs_in_with_its_secret(world: World) -> None:
    await world.start()
    made = await world.made(description="d", roles=[{"name": "reader"}])
    assert (["reader"], world.project["id"], False) == (
        [role["name"] for role in made["roles"]], made["project_id"], made["unrestricted"],
    )  # fmt: skip
    shown = (await world.cloud.ask("GET", f"{world.path}/{made['id']}", None, world.token)).body
    assert {name: value for name, value in made.items() if name != "secret"} == shown["application_credential"]
    for named in ({"id": made["id"]}, {"name": "app", "user": {"id": world.ann["id"]}}):
        token = (await world.use(made["secret"], **named)).body["token"]
        assert (["application_credential"], world.project["id"]) == (token["methods"], token["project"]["id"])
        assert ["reader"] == [role["name"] for role in token["roles"]]
        assert {"id": made["id"], "name": "app", "restricted": True} == token["application_credential"]


async def test_all_roles_of_the_token_are_given_where_none_is_named(world: World) -> None:
    await world.start()
    made = await world.made(secret="mine")
    assert "mine" == made["secret"]
    assert {"member", "reader"} == {role["name"] for role in made["roles"]}


async def test_who_does_not_know_the_secret_gets_nothing(world: World) -> None:
    await world.start()
    made = await world.made()
    for secret, named in (("wrong", {"id": made["id"]}), (made["secret"], {"id": "none"}), (made["secret"], {})):
        assert 401 == (await world.use(secret, **named)).status
    elsewhere = {"project": {"id": world.cloud.account.project_id}}
    assert 401 == (await world.use(made["secret"], elsewhere, id=made["id"])).status


async def test_it_gives_nothing_its_user_does_not_have(world: World) -> None:
    await world.start()
    assert 400 == (await world.make(roles=[{"name": "admin"}])).status
    assert 403 == (await world.make("admin")).status
    assert 403 == (await world.make(await world.cloud.login("ann", scope="unscoped"))).status
    made = await world.made()
    token = (await world.use(made["secret"], id=made["id"])).headers["x-subject-token"]
    assert await world.opens(token)
    await world.cloud.ask("DELETE", world.grant)
    assert not await world.opens(token)
    assert 401 == (await world.use(made["secret"], id=made["id"])).status


async def test_a_restricted_one_makes_nothing_that_lasts(world: World) -> None:
    await world.start()
    cloud = world.cloud
    made = await world.made()
    token = (await world.use(made["secret"], id=made["id"])).headers["x-subject-token"]
    assert 403 == (await world.make(token, name="other")).status
    assert 403 == (await cloud.ask("DELETE", f"{world.path}/{made['id']}", None, token)).status
    assert 403 == (await cloud.auth(cloud.by_token(token))).status
    credential = {"user_id": world.ann["id"], "type": "x", "blob": "x"}
    assert 403 == (await cloud.ask("POST", "/v3/credentials", {"credential": credential}, token)).status
    free = await world.made(name="free", unrestricted=True)
    token = (await world.use(free["secret"], id=free["id"])).headers["x-subject-token"]
    assert 201 == (await world.make(token, name="other")).status


async def test_a_deleted_one_ends_the_tokens_that_came_from_it(world: World) -> None:
    await world.start()
    made = await world.made()
    token = (await world.use(made["secret"], id=made["id"])).headers["x-subject-token"]
    assert 204 == (await world.cloud.ask("DELETE", f"{world.path}/{made['id']}", None, world.token)).status
    assert not await world.opens(token)
    assert 404 == (await world.cloud.ask("GET", f"{world.path}/{made['id']}", None, world.token)).status


async def test_it_ends_when_it_said(world: World) -> None:
    await world.start()
    assert 400 == (await world.make(expires_at="2025-01-01T00:00:00")).status
    made = await world.made(expires_at="2026-01-01T00:10:00")
    assert "2026-01-01T00:10:00.000000" == made["expires_at"]
    token = (await world.use(made["secret"], id=made["id"])).body["token"]
    assert "2026-01-01T00:10:00.000000Z" == token["expires_at"]
    world.cloud.clock.move(601)
    assert 401 == (await world.use(made["secret"], id=made["id"])).status


async def test_names_are_given_once_and_found(world: World) -> None:
    await world.start()
    made = await world.made()
    await world.made(name="other")
    assert 409 == (await world.make()).status
    answer = await world.cloud.ask("GET", f"{world.path}?name=app", None, world.token)
    assert [made["id"]] == [one["id"] for one in answer.body["application_credentials"]]


async def test_access_rules_allow_what_they_say_and_nothing_else(world: World) -> None:
    await world.start()
    made = await world.made(access_rules=[IPS, CATALOG])
    answer = await world.use(made["secret"], id=made["id"])
    shown = answer.body["token"]["application_credential"]["access_rules"]
    assert {IPS["path"], CATALOG["path"]} == {rule["path"] for rule in shown}
    token = answer.headers["x-subject-token"]
    assert await world.opens(token)
    for method, path in (("GET", "/v3/auth/projects"), ("GET", f"/v3/users/{world.ann['id']}"), ("GET", "/v3/no")):
        assert 401 == (await world.cloud.ask(method, path, None, token)).status
    none = await world.made(name="none", access_rules=[])
    token = (await world.use(none["secret"], id=none["id"])).headers["x-subject-token"]
    assert not await world.opens(token)


async def test_access_rules_are_their_users_and_stay_while_they_are_used(world: World) -> None:
    await world.start()
    ask = world.cloud.ask
    made = await world.made(access_rules=[IPS])
    rule = made["access_rules"][0]["id"]
    again = await world.made(name="again", access_rules=[{"id": rule}])
    assert rule == again["access_rules"][0]["id"]
    rules = f"/v3/users/{world.ann['id']}/access_rules"
    assert [rule] == [one["id"] for one in (await ask("GET", rules, None, world.token)).body["access_rules"]]
    assert 200 == (await ask("GET", f"{rules}/{rule}", None, world.token)).status
    assert 403 == (await ask("DELETE", f"{rules}/{rule}", None, world.token)).status
    for one in (made, again):
        await ask("DELETE", f"{world.path}/{one['id']}", None, world.token)
    assert 204 == (await ask("DELETE", f"{rules}/{rule}", None, world.token)).status
    for nonsense in ({"id": "none"}, {**IPS, "method": "LOOK"}, {**IPS, "path": "x"}, {"path": "/x"}):
        assert 400 == (await world.make(name="bad", access_rules=[nonsense])).status


@pytest.mark.parametrize(
    ("pattern", "path", "allowed"),
    [
        ("/v2.1/servers/*/ips", "/v2.1/servers/a/ips", True),
        ("/v2.1/servers/*/ips", "/v2.1/servers/a/b/ips", False),
        ("/v2.1/servers/{id}", "/v2.1/servers/a", True),
        ("/v2.1/servers/{id}", "/v2.1/servers/a/ips", False),
        ("/v2.1/**", "/v2.1/servers/a/ips", True),
        ("/v2.1/servers", "/v2x1/servers", False),
    ],
)
def test_patterns_stand_for_segments(pattern: str, path: str, allowed: bool) -> None:
    rule = AccessRule(service="compute", method="GET", path=pattern)
    assert allowed == rule.allows("compute", "GET", path)
    assert not rule.allows("compute", "POST", path)
    assert not rule.allows("network", "GET", path)
