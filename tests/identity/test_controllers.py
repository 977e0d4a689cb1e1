"""Several controllers over one database: what one of them changed, the others go by a second later."""

import asyncio
import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.identity.test_federation import ENTITY, SAML_RULES, SamlWorld
from tests.identity.test_oauth1 import Client

from pileus.identity.config import Config
from pileus.identity.drivers.fernet import FernetSeal, KeyRepository
from pileus.identity.models.memory import FOLLOWS_S


@contextmanager
def another(cloud: Any) -> Iterator[None]:
    """Another controller answers meanwhile; it remembers nothing of this one and shares its keys and database."""
    here = cloud.app, cloud.port, cloud.kernel
    cloud.restart()
    yield
    cloud.app, cloud.port, cloud.kernel = here


async def test_a_token_revoked_at_another_controller_is_refused(cloud: Any) -> None:
    await cloud.start()
    token = await cloud.login("admin", project="admin")
    assert 200 == (await cloud.ask("GET", "/v3/users", token=token)).status
    with another(cloud):
        await cloud.ask("DELETE", "/v3/auth/tokens", token=token, headers={"x-subject-token": token})
    cloud.clock.move(FOLLOWS_S)
    assert 401 == (await cloud.ask("GET", "/v3/users", token=token)).status
    assert 200 == (await cloud.ask("GET", "/v3/users")).status


async def test_a_user_disabled_at_another_controller_is_refused(cloud: Any) -> None:
    await cloud.start()
    token = await cloud.person("eve", "member")
    me = (await cloud.ask("GET", "/v3/users?name=eve")).body["users"][0]["id"]
    assert 200 == (await cloud.ask("GET", f"/v3/users/{me}", token=token)).status
    with another(cloud):
        await cloud.ask("PATCH", f"/v3/users/{me}", {"user": {"enabled": False}})
    cloud.clock.move(FOLLOWS_S)
    assert 401 == (await cloud.ask("GET", f"/v3/users/{me}", token=token)).status


async def test_what_nobody_changed_stays_remembered(cloud: Any) -> None:
    await cloud.start()
    await cloud.ask("GET", "/v3/users")
    cloud.clock.move(FOLLOWS_S)
    await cloud.ask("GET", "/v3/users")
    generation = cloud.app.memory.generation
    cloud.clock.move(FOLLOWS_S)
    await cloud.ask("GET", "/v3/users")
    assert generation == cloud.app.memory.generation


async def test_failed_logins_count_at_all_controllers_together(cloud: Any) -> None:
    cloud.config = Config(failed_logins_of_user=4, failed_logins_from_address=6)
    await cloud.start()
    wrong = cloud.by_password("admin", "wrong")
    assert [401, 401] == [(await cloud.auth(wrong)).status for _ in range(2)]
    with another(cloud):
        assert [401, 401, 429] == [(await cloud.auth(wrong)).status for _ in range(3)]
        for name in ("x", "y"):
            assert 401 == (await cloud.auth(cloud.by_password(name, "wrong"))).status
    for refused in (cloud.by_password("admin"), cloud.by_password("z", "wrong")):
        assert 429 == (await cloud.auth(refused)).status
    cloud.clock.move(16)
    assert 201 == (await cloud.auth(cloud.by_password("admin"))).status
    with another(cloud):
        assert [401, 429] == [(await cloud.auth(wrong)).status for _ in range(2)]


async def test_failures_that_came_all_at_once_are_waited_for_afterwards(cloud: Any) -> None:
    cloud.config = Config(failed_logins_of_user=4)
    await cloud.start()
    wrong = cloud.by_password("admin", "wrong")
    answers = await asyncio.gather(*(cloud.auth(wrong) for _ in range(20)))
    statuses = [answer.status for answer in answers]
    assert {401, 429} >= set(statuses)
    cloud.clock.move(15 * (statuses.count(401) - 3) - 1)
    assert 429 == (await cloud.auth(cloud.by_password("admin"))).status
    cloud.clock.move(1)
    assert 201 == (await cloud.auth(cloud.by_password("admin"))).status


async def test_failed_logins_are_known_by_those_who_guess_elsewhere(cloud: Any) -> None:
    cloud.config = Config(failed_logins_of_user=3, failed_logins_from_address=5)
    await cloud.start()
    user = cloud.account.user_id
    change = {"user": {"original_password": "wrong", "password": "new password"}}
    path = f"/v3/users/{user}/password"
    assert [401, 401, 401, 429] == [(await cloud.ask("POST", path, change, None)).status for _ in range(4)]
    form = {"content-type": "application/x-www-form-urlencoded"}
    guess = "grant_type=client_credentials&client_id=a&client_secret=b"
    with another(cloud):
        guessed = [(await cloud.raw("POST", "/v3/OS-OAUTH2/token", guess, form))[0] for _ in range(3)]
    assert [401, 401, 429] == guessed


async def test_who_has_a_network_of_their_own_is_one_address(cloud: Any) -> None:
    cloud.config = Config(failed_logins_from_address=2)
    await cloud.start()
    body = json.dumps({"auth": {"identity": cloud.by_password("nobody", "wrong")}})

    async def fails(client: str) -> int:
        return int((await cloud.raw("POST", "/v3/auth/tokens", body, {}, client))[0])

    assert [401, 401, 429] == [await fails(f"2001:db8::{host}") for host in ("1", "2:3", "ffff")]
    assert [401, 401, 429] == [await fails("192.0.2.9"), await fails("::ffff:192.0.2.9"), await fails("192.0.2.9")]
    assert 401 == await fails("2001:db8:0:1::1")


async def test_a_signed_request_that_another_controller_took_is_refused(cloud: Any) -> None:
    client = Client(cloud)
    await client.start()
    request = await client.request(cloud.account.project_id)
    granted = await client.grant(request, [{"name": "reader"}])
    _, access = await client.access(request, granted.body["token"]["oauth_verifier"])
    assert 201 == (await client.login(access, oauth_nonce="once")).status
    for _ in range(2):
        with another(cloud):
            assert 401 == (await client.login(access, oauth_nonce="once")).status
            assert 201 == (await client.login(access)).status


async def test_an_assertion_that_another_controller_took_is_refused(cloud: Any, tmp_path: Path) -> None:
    saml = SamlWorld(cloud, tmp_path)
    await saml.start(SAML_RULES, remote_ids=[ENTITY])
    text = saml.response(until=cloud.clock.now() + dt.timedelta(days=30))
    assert 201 == await saml.post(text)
    with another(cloud):
        assert 401 == await saml.post(text)
        cloud.clock.move(29 * 86400)
        assert 401 == await saml.post(text)


def test_controllers_that_start_at_once_make_the_same_keys(tmp_path: Path) -> None:
    seals: list[FernetSeal] = []
    threads = [
        threading.Thread(target=lambda: seals.append(FernetSeal(KeyRepository(tmp_path / "keys")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    token = seals[0].seal(b"x")
    assert [b"x"] * 8 == [seal.open(token) for seal in seals]
