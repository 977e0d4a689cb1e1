"""Passwords that must withstand guessing and being used again, where the configuration says so."""

from typing import Any

import msgspec
import pytest
from argon2 import PasswordHasher

from pileus.identity.commands.users import change_user
from pileus.identity.config import Config
from pileus.identity.drivers.passwords import Argon2Passwords
from pileus.identity.store.users import user_find

PASSWORD = "correct horse"
STRICT = Config(lockout_failure_attempts=2, lockout_duration_s=10, unique_last_password_count=2)


@pytest.fixture
def strict(cloud: Any) -> Any:
    """A cloud whose identity locks out after two wrong passwords, and knows the last two of each user."""
    cloud.config = STRICT
    return cloud


async def test_two_wrong_passwords_lock_a_user_out_for_a_while(strict: Any) -> None:
    await strict.start()
    await strict.make("user", name="ann", password=PASSWORD)
    for _ in range(2):
        assert 401 == (await strict.auth(strict.by_password("ann", "wrong"))).status
    assert 401 == (await strict.auth(strict.by_password("ann"))).status
    strict.clock.move(11)
    assert 201 == (await strict.auth(strict.by_password("ann"))).status


async def test_a_right_password_forgives_the_wrong_one_before_it(strict: Any) -> None:
    await strict.start()
    await strict.make("user", name="ann", password=PASSWORD)
    for password, status in (("wrong", 401), (PASSWORD, 201), ("wrong", 401), (PASSWORD, 201)):
        assert status == (await strict.auth(strict.by_password("ann", password))).status


async def test_who_is_exempt_is_never_locked_out(strict: Any) -> None:
    await strict.start()
    await strict.make("user", name="ann", password=PASSWORD, options={"ignore_lockout_failure_attempts": True})
    for password, status in (("a", 401), ("b", 401), ("c", 401), (PASSWORD, 201)):
        assert status == (await strict.auth(strict.by_password("ann", password))).status


async def test_the_last_passwords_are_not_taken_again(strict: Any) -> None:
    await strict.start()
    user = await strict.make("user", name="ann", password="first")
    token = await strict.login("ann", "first")

    async def change(old: str, new: str) -> int:
        body = {"user": {"original_password": old, "password": new}}
        return int((await strict.ask("POST", f"/v3/users/{user['id']}/password", body, token)).status)

    assert 204 == await change("first", "second")
    token = await strict.login("ann", "second")
    assert 400 == await change("second", "second")
    assert 400 == await change("second", "first")
    assert 204 == await change("second", "third")
    token = await strict.login("ann", "third")
    assert 204 == await change("third", "first")


async def test_passwords_grow_old_must_be_strong_and_are_not_changed_at_once(cloud: Any) -> None:
    cloud.config = Config(
        password_expires_days=90,
        minimum_password_age_days=1,
        password_regex="^.{6,}$",
        password_regex_description="six or more",
    )
    await cloud.start()
    weak = await cloud.ask("POST", "/v3/users", {"user": {"name": "x", "password": "short"}})
    assert (400, True) == (weak.status, "six or more" in weak.body["error"]["message"])
    user = await cloud.make("user", name="ann", password=PASSWORD)
    assert user["password_expires_at"] is not None
    free = await cloud.make("user", name="bob", password=PASSWORD, options={"ignore_password_expiry": True})
    assert free["password_expires_at"] is None

    async def change(old: str, new: str) -> int:
        body = {"user": {"original_password": old, "password": new}}
        return int((await cloud.ask("POST", f"/v3/users/{user['id']}/password", body, None)).status)

    assert [400, 400] == [await change(PASSWORD, "another one"), await change(PASSWORD, "weak")]
    cloud.clock.move(2 * 86400)
    assert 204 == await change(PASSWORD, "another one")
    cloud.clock.move(91 * 86400)
    answer = await cloud.auth(cloud.by_password("ann", "another one"))
    assert (401, True) == (answer.status, "expired" in answer.body["error"]["message"])
    assert 401 == (await cloud.auth(cloud.by_password("ann", "wrong"))).status
    assert 201 == (await cloud.auth(cloud.by_password("bob"))).status
    assert 204 == await change("another one", "a third one")
    assert 201 == (await cloud.auth(cloud.by_password("ann", "a third one"))).status


async def test_a_password_somebody_else_has_set_is_good_for_changing_it(cloud: Any) -> None:
    cloud.config = Config(change_password_upon_first_use=True)
    await cloud.start()
    user = await cloud.make("user", name="ann", password=PASSWORD)
    await cloud.make("user", name="bob", password=PASSWORD, options={"ignore_change_password_upon_first_use": True})
    assert [401, 201] == [(await cloud.auth(cloud.by_password(name))).status for name in ("ann", "bob")]
    body = {"user": {"original_password": PASSWORD, "password": "my own"}}
    assert 204 == (await cloud.ask("POST", f"/v3/users/{user['id']}/password", body, None)).status
    assert 201 == (await cloud.auth(cloud.by_password("ann", "my own"))).status


async def test_who_was_away_for_too_long_must_be_let_in_again(cloud: Any) -> None:
    cloud.config = Config(disable_user_account_days_inactive=30)
    await cloud.start()
    ann = await cloud.make("user", name="ann", password=PASSWORD)
    await cloud.make("user", name="bob", password=PASSWORD, options={"ignore_user_inactivity": True})
    for days in (20, 20):
        cloud.clock.move(days * 86400)
        assert 201 == (await cloud.auth(cloud.by_password("ann"))).status
    cloud.clock.move(32 * 86400)
    assert [401, 201] == [(await cloud.auth(cloud.by_password(name))).status for name in ("ann", "bob")]
    for enabled in (False, True):
        await change_user(cloud.app, await user_find(cloud.app, ann["id"]), {"enabled": enabled})
    assert 201 == (await cloud.auth(cloud.by_password("ann"))).status


class CountingHasher:
    """Argon2id as cheap as can be, which counts how often it is asked."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def hash(self, password: str, /) -> str:
        return self._hasher.hash(password)

    def verify(self, hash: str, password: str, /) -> bool:
        self.verified += 1
        return self._hasher.verify(hash, password)


async def test_whatever_is_wrong_with_a_login_it_costs_the_same_and_looks_the_same(strict: Any) -> None:
    await strict.start()
    hasher = CountingHasher()
    strict.app = msgspec.structs.replace(strict.app, passwords=Argon2Passwords(strict.clock, hasher=hasher))
    strict.kernel.mount("identity", strict.kernel.mounts["identity"].api, strict.app)
    users = {name: await strict.make("user", name=name, password=PASSWORD) for name in ("ann", "out", "off")}
    bare = await strict.make("user", name="bare")
    for name in users:  # each of them is remembered to have had the right password
        await strict.login(name)
    shut = (await strict.make("domain", name="shut"))["id"]
    await strict.make("user", name="eve", password=PASSWORD, domain_id=shut)
    await strict.login("eve", domain=shut, scope="unscoped")
    await strict.ask("PATCH", f"/v3/domains/{shut}", {"domain": {"enabled": False}})
    for _ in range(2):
        await strict.auth(strict.by_password("out", "wrong"))
    await strict.ask("PATCH", f"/v3/users/{users['off']['id']}", {"user": {"enabled": False}})

    async def costs(identity: Any) -> tuple[int, int, Any]:
        before = hasher.verified
        answer = await strict.auth(identity)
        return hasher.verified - before, answer.status, answer.body

    plain = {
        "wrong password": strict.by_password("ann", "wrong"),
        "unknown user": strict.by_password("nobody"),
        "unknown domain": strict.by_password("ann", domain="nowhere"),
        "locked out": strict.by_password("out"),
        "locked out, wrong": strict.by_password("out", "wrong"),
        "disabled": strict.by_password("off"),
        "disabled, wrong": strict.by_password("off", "wrong"),
        "disabled domain": strict.by_password("eve", domain=shut),
        "without a password": strict.by_password(bare["name"]),
    }
    seen = {name: await costs(identity) for name, identity in plain.items()}
    seen |= {f"{name}, again": await costs(plain[name]) for name in ("locked out", "disabled")}
    for name, found in seen.items():
        assert (name, 1, 401) == (name, *found[:2])
        assert seen["wrong password"][2] == found[2], name
    assert (0, 201) == (await costs(strict.by_password("ann")))[:2], "only who may log in is let in from memory"
