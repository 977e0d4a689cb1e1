"""Delegation never widens: every chain of three, each asking for as much as it can, stays within what it came from."""

import base64
import datetime as dt
import hmac
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.identity.test_federation import World as Federation
from tests.identity.test_oauth1 import Client
from tests.identity.test_oauth2 import GRANT, certificate
from tests.identity.test_oauth2 import ask as ask_oauth2

from pileus.identity.config import Config
from pileus.identity.models.reach import Reach, widening

PASSWORD = "correct horse"
END_S = 600
RULE = {"service": "identity", "method": "GET", "path": "/v3/**"}


class PlainPasswords:
    """Passwords that cost nothing, as this test makes hundreds."""

    async def hashed(self, password: str) -> str:
        return f"plain {password}"

    async def matches(self, user_id: str, stored: str | None, password: str, *, anew: bool = False) -> bool:
        return stored == f"plain {password}"

    def forget(self, user_id: str) -> None:
        """Nothing is remembered."""


class Held(msgspec.Struct, frozen=True):
    """A token, whoever can log in as its user, and what bounds it."""

    token: str
    body: Any
    end: str | None = None

    @property
    def roles(self) -> set[str]:
        return {role["name"] for role in self.body["roles"]}

    @property
    def user(self) -> str:
        return str(self.body["user"]["id"])


class World:
    """Ann, who is a manager in a project and a member in another; Bob and Cid, who are nobody there."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.oauth = Client(cloud)
        self.number = 0

    async def start(self) -> None:
        cloud = self.cloud
        await self.oauth.start()
        cloud.app = msgspec.structs.replace(cloud.app, passwords=PlainPasswords())
        cloud.port._app = cloud.app
        cloud.kernel.mount("identity", cloud.kernel.mounts["identity"].api, cloud.app)
        self.people = {name: await cloud.make("user", name=name, password=PASSWORD) for name in ("ann", "bob", "cid")}
        self.project = (await cloud.make("project", name="p"))["id"]
        other = (await cloud.make("project", name="q"))["id"]
        for project, role in ((self.project, "admin"), (other, "admin")):
            role_id = await cloud.role(role)
            await cloud.ask("PUT", f"/v3/projects/{project}/users/{self.people['ann']['id']}/roles/{role_id}")
        await cloud.ask("POST", f"/v3/users/{self.people['ann']['id']}/credentials/OS-EC2", {"tenant_id": other})
        self.first = await self._held(await cloud.auth(cloud.by_password("ann"), self.scope))

    @property
    def scope(self) -> Any:
        return {"project": {"id": self.project}}

    async def _held(self, answer: Any, end: str | None = None) -> Held | None:
        if answer.status not in {200, 201}:
            assert answer.status in {400, 401, 403}, answer.body
            return None
        return Held(answer.headers["x-subject-token"], answer.body["token"], end)

    def _name_of(self, user_id: str) -> str:
        return next(name for name, user in self.people.items() if user["id"] == user_id)

    def _ends(self) -> str:
        return (self.cloud.clock.now() + dt.timedelta(seconds=END_S)).isoformat()

    # -- the ways on ----------------------------------------------------------------------------------------------------

    async def rescoped(self, held: Held) -> Held | None:
        return await self._held(await self.cloud.auth(self.cloud.by_token(held.token), self.scope), held.end)

    async def _trusted(self, held: Held, **given: Any) -> Held | None:
        trustee = "bob" if self._name_of(held.user) != "bob" else "cid"
        end = held.end or given.get("expires_at")
        body = {
            "trustor_user_id": held.user, "trustee_user_id": self.people[trustee]["id"], "project_id": self.project,
            "roles": [{"name": name} for name in sorted(held.roles)], "allow_redelegation": True, **given,
        }  # fmt: skip
        made = await self.cloud.ask("POST", "/v3/OS-TRUST/trusts", {"trust": body}, held.token)
        if made.status != 201:
            assert made.status in {400, 403}, made.body
            return None
        scope = {"OS-TRUST:trust": {"id": made.body["trust"]["id"]}}
        return await self._held(await self.cloud.auth(self.cloud.by_password(trustee), scope), end)

    async def trusted(self, held: Held) -> Held | None:
        return await self._trusted(held, impersonation=True, expires_at=None if held.end else self._ends())

    async def trusted_as_themselves(self, held: Held) -> Held | None:
        return await self._trusted(held, impersonation=False)

    async def _applied(self, held: Held, **given: Any) -> Held | None:
        self.number += 1
        path = f"/v3/users/{held.user}/application_credentials"
        body = {"name": f"a{self.number}", "roles": [{"name": name} for name in sorted(held.roles)], **given}
        made = await self.cloud.ask("POST", path, {"application_credential": body}, held.token)
        if made.status != 201:
            assert made.status in {400, 403}, made.body
            return None
        one = made.body["application_credential"]
        part = {"id": one["id"], "secret": one["secret"]}
        identity = {"methods": ["application_credential"], "application_credential": part}
        return await self._held(await self.cloud.auth(identity), held.end or given.get("expires_at"))

    async def applied(self, held: Held) -> Held | None:
        return await self._applied(held, unrestricted=True, expires_at=None if held.end else self._ends())

    async def applied_with_rules(self, held: Held) -> Held | None:
        wide = {**RULE, "method": "POST"}
        return await self._applied(held, unrestricted=True, access_rules=[RULE, wide])

    async def restricted(self, held: Held) -> Held | None:
        return await self._applied(held)

    async def keyed(self, held: Held) -> Held | None:
        made = await self.cloud.ask(
            "POST", f"/v3/users/{held.user}/credentials/OS-EC2", {"tenant_id": self.project}, held.token
        )
        if made.status != 201:
            assert 403 == made.status
            return None
        pair, text = made.body["credential"], b"GET\n\n\n\n/"
        signature = base64.b64encode(hmac.digest(pair["secret"].encode(), text, "sha1")).decode()
        part = {"access": pair["access"], "signature": signature, "token": base64.b64encode(text).decode()}
        return await self._held(await self.cloud.ask("POST", "/v3/s3tokens", {"credentials": part}), held.end)

    async def oauthed(self, held: Held) -> Held | None:
        request = await self.oauth.request(self.project)
        granted = await self.oauth.grant(request, [{"name": name} for name in sorted(held.roles)], held.token)
        if granted.status != 200:
            assert granted.status in {401, 403}
            return None
        _, access = await self.oauth.access(request, granted.body["token"]["oauth_verifier"])
        return await self._held(await self.oauth.login(access), held.end)

    @property
    def ways(self) -> Any:
        return (
            self.rescoped, self.trusted, self.trusted_as_themselves, self.applied, self.applied_with_rules,
            self.restricted, self.keyed, self.oauthed,
        )  # fmt: skip


def check(before: Held, way: str, after: Held) -> None:
    """What came of it is within what it came from."""
    assert after.roles <= before.roles, way
    assert before.body["project"]["id"] == after.body["project"]["id"], way
    assert way == "trusted_as_themselves" or before.user == after.user, way
    if before.end is not None:
        assert after.end is not None
        assert dt.datetime.fromisoformat(after.body["expires_at"]) <= dt.datetime.fromisoformat(before.end), way
    rules = before.body.get("application_credential", {}).get("access_rules")
    if rules is not None:
        wide = after.body.get("application_credential", {}).get("access_rules")
        assert wide is not None and all(rule in rules for rule in wide), way


async def chains(world: World, first: Held) -> dict[tuple[str, ...], Held]:
    """What every chain of three, and of less, leads to; each step is within the one before."""
    reached: dict[tuple[str, ...], Held] = {}
    waiting: list[tuple[tuple[str, ...], Held]] = [((), first)]
    while waiting:
        chain, held = waiting.pop()
        for way in world.ways:
            after = await way(held)
            if after is None:
                continue
            check(held, way.__name__, after)
            path = (*chain, way.__name__)
            reached[path] = after
            if path != ("rescoped",) * len(path):
                await check_makes_no_credentials(world, after, path)
            if len(path) < 3:
                waiting.append((path, after))
    return reached


async def test_every_chain_of_three_stays_within_what_it_came_from(cloud: Any) -> None:
    world = World(cloud)
    await world.start()
    assert world.first is not None
    reached = await chains(world, world.first)
    firsts = {path[0] for path in reached if len(path) == 1}
    assert {way.__name__ for way in world.ways} == firsts
    assert ("trusted", "trusted", "trusted") in reached
    assert ("rescoped", "applied", "trusted") in reached
    for last in ("restricted", "keyed", "oauthed"):
        assert not any(last in path[:-1] for path in reached), "nothing comes of these"
    assert not any(
        "rescoped" in path[1:] and set(path[: path.index("rescoped", 1)]) != {"rescoped"} for path in reached
    )


class FederatedWorld(World):
    """The same, where it is Dee who begins, whom an identity provider vouches for: its staff administer the project."""

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.federation = Federation(cloud)

    async def begin(self, minutes: int) -> Held:
        """Dee's token; the groups are hers for so many minutes, or, with none, by her token alone."""
        await self.start()
        await self.federation.join(self.project, "admin", authorization_ttl=minutes or None)
        answer = await self.federation.bring(self.federation.idp.signed(self.cloud.clock.now(), sub="dee"))
        assert 201 == answer.status, answer.body
        self.people["dee"] = answer.body["token"]["user"]
        held = await self._held(await self.federation.scoped(answer.headers["x-subject-token"]))
        assert held is not None
        return held


def only_rescoped(path: tuple[str, ...]) -> bool:
    return set(path) == {"rescoped"}


async def test_every_chain_from_a_federated_token_ends_with_the_groups_it_stands_on(cloud: Any) -> None:
    world = FederatedWorld(cloud)
    first = await world.begin(minutes=5)
    reached = await chains(world, first)
    assert {way.__name__ for way in world.ways} == {path[0] for path in reached if len(path) == 1}
    assert {("trusted", "trusted", "trusted"), ("rescoped", "applied", "trusted")} <= set(reached)

    async def works(held: Held) -> bool:
        status = (await cloud.ask("GET", "/v3/auth/tokens", None, held.token, {"x-subject-token": held.token})).status
        assert status in {200, 401}
        return bool(status == 200)

    plain = {path: held for path, held in reached.items() if "applied_with_rules" not in path}
    assert [] == [path for path, held in plain.items() if not await works(held)]
    for path, held in reached.items():
        if only_rescoped(path):
            for kept in ("expires_at", "user"):
                assert first.body[kept] == held.body[kept], path
    cloud.clock.move(5 * 60 + 1)
    # The provider's word is good for as long as the token that brought it; nothing made of it outlasts the groups.
    assert [path for path in reached if only_rescoped(path)] == [
        path for path, held in reached.items() if await works(held)
    ]


async def test_nothing_can_be_made_of_groups_that_are_in_a_token_alone(cloud: Any) -> None:
    world = FederatedWorld(cloud)
    reached = await chains(world, await world.begin(minutes=0))
    assert {("rescoped",) * length for length in (1, 2, 3)} == set(reached)


class BoundWorld(World):
    """The same, where Ann begins with a token that is bound to her certificate; every request comes with it."""

    async def begin(self) -> Held:
        cloud = self.cloud
        cloud.config = msgspec.structs.replace(Config(), trusted_proxies=("192.0.2.1/32",))
        await self.start()
        ann = self.people["ann"]["id"]
        await cloud.ask("PATCH", f"/v3/users/{ann}", {"user": {"default_project_id": self.project}})
        cloud.shown["x-client-certificate"] = certificate(cloud.clock.now(), ann, "default")
        status, told = await ask_oauth2(cloud, {**GRANT, "client_id": ann})
        assert 200 == status, told
        token = told["access_token"]
        shown = await cloud.ask("GET", "/v3/auth/tokens", None, token, {"x-subject-token": token})
        return Held(token, shown.body["token"])


async def test_nothing_that_came_from_a_bound_token_can_be_used_without_its_certificate(cloud: Any) -> None:
    world = BoundWorld(cloud)
    first = await world.begin()
    reached = await chains(world, first)
    bound = {"applied", "applied_with_rules", "restricted"}
    assert bound == {path[0] for path in reached if len(path) == 1}
    assert ("applied", "applied", "applied") in reached
    for path, held in reached.items():
        assert first.body["oauth2_credential"] == held.body["oauth2_credential"], path
        assert 200 == (await cloud.ask("GET", f"/v3/users/{held.user}", None, held.token)).status, path
    cloud.shown.clear()
    for path, held in reached.items():
        assert 401 == (await cloud.ask("GET", f"/v3/users/{held.user}", None, held.token)).status, path


async def test_an_application_credential_of_a_bound_token_logs_in_to_bound_tokens_only(cloud: Any) -> None:
    world = BoundWorld(cloud)
    held = await world.begin()
    path = f"/v3/users/{held.user}/application_credentials"
    made = (await cloud.ask("POST", path, {"application_credential": {"name": "a"}}, held.token)).body
    one = made["application_credential"]
    cloud.shown.clear()
    pair = {"client_id": one["id"], "client_secret": one["secret"]}
    status, told = await ask_oauth2(cloud, {**GRANT, **pair})
    assert 200 == status
    part = {"id": one["id"], "secret": one["secret"]}
    answer = await cloud.auth({"methods": ["application_credential"], "application_credential": part})
    for token in (told["access_token"], answer.headers["x-subject-token"]):
        assert 401 == (await cloud.ask("GET", f"/v3/users/{held.user}", None, token)).status


async def check_makes_no_credentials(world: World, held: Held, path: tuple[str, ...]) -> None:
    """No delegated token makes what somebody could log in with by itself."""
    if all(step == "rescoped" for step in path):
        return
    body = {"credential": {"user_id": held.user, "type": "totp", "blob": "MFRGGZDF"}}
    assert 403 == (await world.cloud.ask("POST", "/v3/credentials", body, held.token)).status, path
    keys = f"/v3/users/{held.user}/credentials/OS-EC2"
    assert 403 == (await world.cloud.ask("POST", keys, {"tenant_id": world.project}, held.token)).status, path
    has_some = held.user == world.people["ann"]["id"]
    for secrets in ("/v3/credentials", keys):
        seen = await world.cloud.ask("GET", secrets, None, held.token)
        assert 403 == seen.status or (not has_some and [] == seen.body["credentials"]), "nor sees those there are"


MOMENTS = st.none() | st.datetimes(timezones=st.just(dt.UTC), min_value=dt.datetime(2024, 1, 1))  # noqa: DTZ001
REACHES = st.builds(
    Reach,
    user_id=st.sampled_from("ab"),
    project_id=st.sampled_from("pq"),
    role_ids=st.frozensets(st.sampled_from("xyz")),
    rules=st.none() | st.frozensets(st.tuples(st.just("s"), st.sampled_from(["GET", "PUT"]), st.just("/"))),
    expires_at=MOMENTS,
    certificate=st.none() | st.sampled_from("12"),
)


@given(REACHES, REACHES, REACHES)
def test_within_what_is_within_is_within(first: Reach, second: Reach, third: Reach) -> None:
    if widening(first, second) is None and widening(second, third) is None:
        assert widening(first, third) is None


@given(REACHES, REACHES)
def test_what_is_within_has_no_more_of_anything(source: Reach, asked: Reach) -> None:
    if widening(source, asked) is None:
        assert (source.user_id, source.project_id) == (asked.user_id, asked.project_id)
        assert set() != asked.role_ids <= source.role_ids
        assert source.rules is None or (asked.rules is not None and asked.rules <= source.rules)
        assert source.certificate in {None, asked.certificate}
        assert source.expires_at is None or (asked.expires_at is not None and asked.expires_at <= source.expires_at)


@given(REACHES)
def test_everything_with_a_role_is_within_itself(reach: Reach) -> None:
    assert (widening(reach, reach) is None) is bool(reach.role_ids)


async def test_a_trust_is_given_on_as_often_as_allowed_and_goes_with_the_first(cloud: Any) -> None:
    world = World(cloud)
    await world.start()
    held, trusts = world.first, []
    for _ in range(5):
        if held is None:
            break
        held = await world.trusted(held)
        if held is not None:
            trusts.append(held)
    assert 4 == len(trusts)  # the first, and three that give it on
    ids = [one.body["OS-TRUST:trust"]["id"] for one in trusts]
    shown = (await cloud.ask("GET", f"/v3/OS-TRUST/trusts/{ids[1]}")).body["trust"]
    assert (ids[0], 2) == (shown["redelegated_trust_id"], shown["redelegation_count"])
    assert all([200 == (await cloud.ask("GET", "/v3/auth/catalog", None, one.token)).status for one in trusts])
    assert 204 == (await cloud.ask("DELETE", f"/v3/OS-TRUST/trusts/{ids[0]}")).status
    assert all([401 == (await cloud.ask("GET", "/v3/auth/catalog", None, one.token)).status for one in trusts])
    assert 404 == (await cloud.ask("GET", f"/v3/OS-TRUST/trusts/{ids[3]}")).status
