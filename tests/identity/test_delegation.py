"""Credentials, trusts and policies: what is kept for people, and what they let others do."""

import json
from typing import Any

import pytest

PASSWORD = "correct horse"
KEYS = {"access": "a", "secret": "s"}


class World:
    """Ann, who may do two things in a project, and Bob, who may do nothing there."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud

    async def start(self) -> None:
        cloud = self.cloud
        await cloud.start()
        self.project = await cloud.make("project", name="p")
        self.ann = await cloud.make("user", name="ann", password=PASSWORD)
        self.bob = await cloud.make("user", name="bob", password=PASSWORD)
        self.member, self.reader = await cloud.role("member"), await cloud.role("reader")
        await cloud.ask("PUT", f"/v3/projects/{self.project['id']}/users/{self.ann['id']}/roles/{self.member}")
        self.ann_token = await cloud.login("ann", project="p")
        self.bob_token = await cloud.login("bob")

    async def trust(self, token: str | None = None, **given: Any) -> Any:
        """What asking for a trust from Ann to Bob answers."""
        body = {
            "trustor_user_id": self.ann["id"],
            "trustee_user_id": self.bob["id"],
            "project_id": self.project["id"],
            "impersonation": True,
            "roles": [{"name": "reader"}],
            **given,
        }
        return await self.cloud.ask("POST", "/v3/OS-TRUST/trusts", {"trust": body}, token or self.ann_token)

    async def use(self, trust: str, user: str = "bob") -> Any:
        """What a login with a trust answers."""
        return await self.cloud.auth(self.cloud.by_password(user), {"OS-TRUST:trust": {"id": trust}})

    async def opens(self, token: str) -> bool:
        """Whether the token is good for anything."""
        return 200 == (await self.cloud.ask("GET", "/v3/auth/catalog", None, token)).status


@pytest.fixture
def world(cloud: Any) -> World:
    return World(cloud)


async def test_a_trust_lets_the_trustee_act_with_the_roles_it_gives(world: World) -> None:
    await world.start()
    trust = (await world.trust()).body["trust"]
    assert [["reader"], None, 0] == [
        [role["name"] for role in trust["roles"]], trust["expires_at"], trust["redelegation_count"],
    ]  # fmt: skip
    token = (await world.use(trust["id"])).body["token"]
    assert (world.ann["id"], world.project["id"]) == (token["user"]["id"], token["project"]["id"])
    assert ["reader"] == [role["name"] for role in token["roles"]]
    assert {
        "id": trust["id"],
        "trustor_user": {"id": world.ann["id"]},
        "trustee_user": {"id": world.bob["id"]},
        "impersonation": True,
    } == token["OS-TRUST:trust"]
    plain = (await world.trust(impersonation=False)).body["trust"]
    assert world.bob["id"] == (await world.use(plain["id"])).body["token"]["user"]["id"]


async def test_only_the_trustee_can_use_a_trust(world: World) -> None:
    await world.start()
    trust = (await world.trust()).body["trust"]["id"]
    for user in ("ann", "admin"):
        assert 401 == (await world.use(trust, user)).status
    assert 401 == (await world.use("none")).status


async def test_a_trust_gives_nothing_the_trustor_does_not_have(world: World) -> None:
    await world.start()
    assert 403 == (await world.trust(roles=[{"name": "admin"}])).status
    assert 403 == (await world.trust(world.bob_token)).status
    trust = (await world.trust()).body["trust"]["id"]
    token = (await world.use(trust)).headers["x-subject-token"]
    assert await world.opens(token)
    await world.cloud.ask("DELETE", f"/v3/projects/{world.project['id']}/users/{world.ann['id']}/roles/{world.member}")
    assert not await world.opens(token)
    assert 401 == (await world.use(trust)).status


async def test_what_came_from_a_trust_gives_nothing_on(world: World) -> None:
    await world.start()
    cloud = world.cloud
    trust = (await world.trust(roles=[{"id": world.member}])).body["trust"]["id"]
    token = (await world.use(trust)).headers["x-subject-token"]
    assert 403 == (await cloud.auth(cloud.by_token(token))).status
    assert 403 == (await world.trust(token)).status
    keys = await cloud.ask("POST", f"/v3/users/{world.ann['id']}/credentials/OS-EC2", {"tenant_id": "p"}, token)
    assert 403 == keys.status
    credential = {"user_id": world.ann["id"], "type": "x", "blob": "x"}
    assert 403 == (await cloud.ask("POST", "/v3/credentials", {"credential": credential}, token)).status


async def test_a_deleted_trust_ends_the_tokens_that_came_from_it(world: World) -> None:
    await world.start()
    trust = (await world.trust()).body["trust"]["id"]
    token = (await world.use(trust)).headers["x-subject-token"]
    assert 403 == (await world.cloud.ask("DELETE", f"/v3/OS-TRUST/trusts/{trust}", None, world.bob_token)).status
    assert 204 == (await world.cloud.ask("DELETE", f"/v3/OS-TRUST/trusts/{trust}", None, world.ann_token)).status
    assert not await world.opens(token)
    assert 404 == (await world.cloud.ask("GET", f"/v3/OS-TRUST/trusts/{trust}", None, world.ann_token)).status


async def test_a_trust_ends_when_it_said_and_is_used_as_often_as_it_said(world: World) -> None:
    await world.start()
    trust = (await world.trust(expires_at="2026-01-01T00:10:00Z", remaining_uses=1)).body["trust"]["id"]
    answer = await world.use(trust)
    assert "2026-01-01T00:10:00.000000Z" == answer.body["token"]["expires_at"]
    assert 403 == (await world.use(trust)).status
    assert await world.opens(answer.headers["x-subject-token"])
    world.cloud.clock.move(601)
    assert 404 == (await world.cloud.ask("GET", f"/v3/OS-TRUST/trusts/{trust}")).status
    for nonsense in ({"expires_at": "bad.123Z"}, {"expires_at": "2025-01-01T00:00:00Z"}, {"remaining_uses": 0}):
        assert 400 == (await world.trust(**nonsense)).status


async def test_trusts_are_listed_for_those_they_concern(world: World) -> None:
    await world.start()
    trust = (await world.trust()).body["trust"]["id"]
    ask = world.cloud.ask
    for path, token, status in (
        ("", "admin", 200),
        ("", world.ann_token, 403),
        (f"?trustor_user_id={world.ann['id']}", world.ann_token, 200),
        (f"?trustor_user_id={world.ann['id']}", world.bob_token, 403),
        (f"?trustee_user_id={world.bob['id']}", world.bob_token, 200),
    ):
        answer = await ask("GET", f"/v3/OS-TRUST/trusts{path}", None, token)
        assert status == answer.status
        assert status == 403 or [trust] == [one["id"] for one in answer.body["trusts"]]
    roles = f"/v3/OS-TRUST/trusts/{trust}/roles"
    assert 1 == len((await ask("GET", roles, None, world.bob_token)).body["roles"])
    assert 200 == (await ask("GET", f"{roles}/{world.reader}", None, world.bob_token)).status
    assert 404 == (await ask("GET", f"{roles}/{world.member}", None, world.ann_token)).status


async def test_credentials_are_their_users_and_lie_sealed(world: World) -> None:
    await world.start()
    ask = world.cloud.ask
    mine = {"user_id": world.ann["id"], "project_id": world.project["id"], "type": "ec2", "blob": json.dumps(KEYS)}
    made = (await ask("POST", "/v3/credentials", {"credential": mine}, world.ann_token)).body["credential"]
    assert KEYS == json.loads(made["blob"])
    assert "secret" not in (await ask("GET", "/v3/users")).body["users"]
    path = f"/v3/credentials/{made['id']}"
    for token, status in ((world.ann_token, 200), (world.bob_token, 403), ("admin", 200)):
        assert status == (await ask("GET", path, None, token)).status
    assert [made["id"]] == [
        one["id"] for one in (await ask("GET", "/v3/credentials", None, world.ann_token)).body["credentials"]
    ]
    assert [] == (await ask("GET", "/v3/credentials", None, world.bob_token)).body["credentials"]
    body = {"credential": {**mine, "user_id": world.bob["id"]}}
    assert 403 == (await ask("POST", "/v3/credentials", body, world.ann_token)).status
    assert 409 == (await ask("POST", "/v3/credentials", {"credential": mine}, world.ann_token)).status
    for change, status in (({"blob": '{"access":"b","secret":"t"}'}, 200), ({"type": "x"}, 400), ({"blob": "x"}, 400)):
        assert status == (await ask("PATCH", path, {"credential": change}, world.ann_token)).status
    assert 204 == (await ask("DELETE", path, None, world.ann_token)).status


async def test_users_make_themselves_pairs_of_keys(world: World) -> None:
    await world.start()
    ask, path = world.cloud.ask, f"/v3/users/{world.ann['id']}/credentials/OS-EC2"
    made = (await ask("POST", path, {"tenant_id": world.project["id"]}, world.ann_token)).body["credential"]
    assert (world.ann["id"], world.project["id"], None) == (made["user_id"], made["tenant_id"], made["trust_id"])
    assert made == (await ask("GET", f"{path}/{made['access']}", None, world.ann_token)).body["credential"]
    assert [made] == (await ask("GET", path, None, world.ann_token)).body["credentials"]
    assert 403 == (await ask("GET", f"{path}/{made['access']}", None, world.bob_token)).status
    assert 204 == (await ask("DELETE", f"{path}/{made['access']}", None, world.ann_token)).status
    assert 404 == (await ask("GET", f"{path}/{made['access']}", None, world.ann_token)).status


async def test_policies_are_kept_as_they_are(cloud: Any) -> None:
    await cloud.start()
    made = (await cloud.ask("POST", "/v3/policies", {"policy": {"type": "t", "blob": "b", "x": 1}})).body["policy"]
    path = f"/v3/policies/{made['id']}"
    assert 200 == (await cloud.ask("PATCH", path, {"policy": {"type": "u"}})).status
    assert {**made, "type": "u"} == (await cloud.ask("GET", path)).body["policy"]
    assert 1 == len((await cloud.ask("GET", "/v3/policies?type=u")).body["policies"])
    assert 204 == (await cloud.ask("DELETE", path)).status
    assert 404 == (await cloud.ask("GET", path)).status
