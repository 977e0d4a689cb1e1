"""Several controllers over one database: what one of them changed, the others go by a second later."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
