"""What auditors are told of logins and changes; and that nobody guesses passwords for long."""

import base64
import hmac
import json
from typing import Any

import msgspec
import pytest
from tests.identity.test_federation import World as Federation
from tests.identity.test_oauth2 import GRANT, certificate
from tests.identity.test_oauth2 import ask as ask_oauth2

from pileus.identity.config import Config
from pileus.identity.models.rates import Rates
from pileus.kit.bus import LocalBus
from pileus.kit.db import create_all
from pileus.kit.observe.events import Events
from pileus.kit.tables import metadata

SECRET = "correct horse"


async def audited(cloud: Any) -> Events:
    """A cloud that tells auditors, and what they read."""
    await cloud.start()
    await create_all(cloud.db, metadata)
    events = Events(cloud.db, LocalBus(), cloud.clock)
    cloud.app = msgspec.structs.replace(cloud.app, events=events)
    cloud.port._app = cloud.app
    cloud.kernel.mount("identity", cloud.kernel.mounts["identity"].api, cloud.app)
    return events


async def test_every_login_and_every_change_is_told_without_secrets(cloud: Any) -> None:
    events = await audited(cloud)
    user = await cloud.make("user", name="ann", password=SECRET)
    path = f"/v3/users/{user['id']}"
    await cloud.ask("PATCH", path, {"user": {"password": "an0ther s3cret"}})
    await cloud.auth(cloud.by_password("ann", "wr0ng guess"))
    await cloud.auth(cloud.by_password("ann", "an0ther s3cret"))
    keys = await cloud.ask("POST", f"{path}/credentials/OS-EC2", {"tenant_id": cloud.account.project_id})
    role = await cloud.role("reader")
    await cloud.ask("PUT", f"/v3/projects/{cloud.account.project_id}/users/{user['id']}/roles/{role}")
    await cloud.ask("GET", path)
    await cloud.ask("DELETE", f"{path}x")
    await cloud.ask("DELETE", path)
    told = await events.since(0)
    assert [
        ("identity.user.created", "success"),
        ("identity.user.updated", "success"),
        ("identity.authenticate", "failure"),
        ("identity.authenticate", "success"),
        ("identity.credential.created", "success"),
        ("identity.role.updated", "success"),
        ("identity.user.deleted", "success"),
    ] == [(one.kind, one.payload["outcome"]) for one in told]
    first = told[0].payload
    assert (user["id"], cloud.account.user_id) == (first["target"]["id"], first["initiator"]["id"])
    assert "192.0.2.1" == first["initiator"]["host"]["address"]
    assert ("ann", "NotAuthenticated") == (told[2].payload["initiator"]["id"], told[2].payload["reason"]["reasonType"])
    assert user["id"] == told[3].payload["initiator"]["id"]
    text = json.dumps([one.payload for one in told])
    for secret in (SECRET, "an0ther", "wr0ng", keys.body["credential"]["secret"], cloud.admin):
        assert secret not in text


async def logins(events: Events, since: int) -> list[tuple[str, str, str]]:
    """Of each login told since: how, by whom, and how it ended."""
    return [
        (one.payload["attachments"][0]["content"], one.payload["initiator"]["id"], one.payload["outcome"])
        for one in await events.since(since)
        if one.kind == "identity.authenticate"
    ]


async def test_whoever_logs_in_otherwise_than_at_the_door_is_told_of_as_well(cloud: Any) -> None:
    cloud.config = Config(trusted_proxies=("192.0.2.1/32",))
    events = await audited(cloud)
    user, project = cloud.account.user_id, cloud.account.project_id
    path = f"/v3/users/{user}"
    body = {"application_credential": {"name": "a"}}
    made = (await cloud.ask("POST", f"{path}/application_credentials", body)).body["application_credential"]
    keys = (await cloud.ask("POST", f"{path}/credentials/OS-EC2", {"tenant_id": project})).body["credential"]
    before = await events.last()
    for secret in (made["secret"], "guessed"):
        await ask_oauth2(cloud, {**GRANT, "client_id": made["id"], "client_secret": secret})
    for name in ("default", "elsewhere"):
        shown = certificate(cloud.clock.now(), user, name)
        await ask_oauth2(cloud, {**GRANT, "client_id": user}, x_client_certificate=shown)
    for secret in (keys["secret"], "guessed"):
        text = b"GET\n\n\n\n/"
        signature = base64.b64encode(hmac.digest(secret.encode(), text, "sha1")).decode()
        part = {"access": keys["access"], "signature": signature, "token": base64.b64encode(text).decode()}
        await cloud.ask("POST", "/v3/s3tokens", {"credentials": part})
        await cloud.port.signer(keys["access"], text, signature)
    change = {"user": {"original_password": "guessed", "password": "another"}}
    await cloud.ask("POST", f"{path}/password", change, None)
    assert [
        ("application_credential", user, "success"),
        ("application_credential", made["id"], "failure"),
        ("oauth2_credential", user, "success"),
        ("oauth2_credential", user, "failure"),
        ("ec2credential", user, "success"),
        ("ec2credential", user, "success"),
        ("ec2credential", keys["access"], "failure"),
        ("ec2credential", keys["access"], "failure"),
        ("password", user, "failure"),
    ] == await logins(events, before)
    told = json.dumps([one.payload for one in await events.since(0)])
    for secret in (made["secret"], keys["secret"], "guessed", "another"):
        assert secret not in told


async def test_people_from_elsewhere_are_told_of(cloud: Any) -> None:
    world = Federation(cloud)
    events = await audited(cloud)
    await world.join((await cloud.make("project", name="p"))["id"], "reader")
    before = await events.last()
    answer = await world.bring(world.idp.signed(cloud.clock.now()))
    await world.bring("nonsense")
    assert [
        ("openid", answer.body["token"]["user"]["id"], "success"),
        ("openid", "", "failure"),
    ] == await logins(events, before)


async def test_signatures_that_are_wrong_are_never_told_too_often(cloud: Any) -> None:
    cloud.config = Config(refusals_told_of_user=3, refusals_told=5)
    events = await audited(cloud)
    before = await events.last()
    for access in ("a", "b"):
        for _ in range(4):
            assert await cloud.port.signer(access, b"text", "wrong") is None
    assert 5 == len(await logins(events, before))


async def test_a_change_that_is_not_made_is_not_told(cloud: Any) -> None:
    events = await audited(cloud)
    await cloud.make("role", name="r")
    before = await events.last()
    assert 409 == (await cloud.ask("POST", "/v3/roles", {"role": {"name": "r"}})).status
    assert before == await events.last()


async def test_refused_changes_are_told_without_secrets_and_never_too_many(cloud: Any) -> None:
    cloud.config = Config(refusals_told_of_user=3, refusals_told=5)
    events = await audited(cloud)
    people = {name: await cloud.person(name, "reader") for name in ("rita", "ron", "rob")}
    before = await events.last()

    async def refusals(name: str, count: int) -> None:
        for _ in range(count):
            body = {"user": {"name": "eve", "password": SECRET}}
            assert 403 == (await cloud.ask("POST", "/v3/users", body, people[name])).status

    await refusals("rita", 4)
    told = await events.since(before)
    assert [("identity.user.created", "failure")] * 3 == [(one.kind, one.payload["outcome"]) for one in told]
    rita = (await cloud.port.caller(people["rita"])).user_id
    assert (rita, rita) == (told[0].user_id, told[0].payload["initiator"]["id"])
    assert {"reasonCode": "403", "reasonType": "Forbidden"} == told[0].payload["reason"]
    assert SECRET not in json.dumps([one.payload for one in told])
    assert people["rita"] not in json.dumps([one.payload for one in told])
    await refusals("ron", 3)
    await refusals("rob", 1)
    assert 5 == len(await events.since(before)), "of all together no more than this"
    assert 401 == (await cloud.ask("DELETE", f"/v3/users/{rita}", None, "nonsense")).status
    assert 403 == (await cloud.ask("GET", "/v3/users", None, people["rita"])).status
    cloud.clock.move(61)
    await cloud.ask("DELETE", f"/v3/users/{cloud.account.user_id}", None, people["rob"])
    last = (await events.since(before))[5:]
    assert [("identity.user.deleted", cloud.account.user_id)] == [
        (one.kind, one.payload["target"]["id"]) for one in last
    ]


@pytest.mark.parametrize("name", ["ann", "nobody"])
async def test_who_fails_too_often_waits_whether_there_is_such_a_user_or_not(cloud: Any, name: str) -> None:
    cloud.config = Config(failed_logins_of_user=3, failed_logins_from_address=5)
    await cloud.start()
    await cloud.make("user", name="ann", password=SECRET)
    statuses = [(await cloud.auth(cloud.by_password(name, "wrong"))).status for _ in range(4)]
    assert [401, 401, 401, 429] == statuses
    assert 429 == (await cloud.auth(cloud.by_password(name, SECRET))).status
    assert 201 == (await cloud.auth(cloud.by_password("admin"))).status
    for other in ("x", "y"):
        await cloud.auth(cloud.by_password(other, "wrong"))
    refused = await cloud.auth(cloud.by_password("admin"))
    assert (429, True) == (refused.status, "seconds" in refused.body["error"]["message"])
    cloud.clock.move(61)
    assert 201 == (await cloud.auth(cloud.by_password("admin"))).status


def test_failures_leak_out_evenly() -> None:
    rates = Rates()
    for _ in range(6):
        rates.failed("a", 6, 0.0)
    assert 10.0 == rates.wait_s("a", 6, 0.0)
    assert 0.0 == rates.wait_s("b", 6, 0.0)
    assert pytest.approx(4.0) == rates.wait_s("a", 6, 6.0)
    assert 0.0 == rates.wait_s("a", 6, 10.0)
