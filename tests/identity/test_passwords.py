"""Passwords that must withstand guessing and being used again, where the configuration says so."""

from typing import Any

import pytest

from pileus.identity.config import Config

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
