"""Who guesses passwords has as many tries at three controllers as at one, and none more after a restart."""

import time
from pathlib import Path

import pytest
from tests.scale.controllers import Controller

pytestmark = [pytest.mark.scale, pytest.mark.postgres, pytest.mark.timeout(600)]

MOST = 3  # failures a minute
PATIENCE_S = 300.0
LOGIN = {
    "identity": {
        "methods": ["password"],
        "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": "guessed"}},
    }
}


async def test_guesses_at_any_controller_count_at_all_of_them(tmp_path: Path, postgres: str) -> None:
    controllers = [Controller(tmp_path, name, postgres, agent=name == "a") for name in "abc"]
    try:
        for controller in controllers:
            with (controller.state / "config.toml").open("a") as options:
                options.write(f"failed_logins_of_user = {MOST}\n")
            await controller.start()
        for controller in controllers:
            await controller.ask("GET", "/identity/v3/projects")  # is logged in
        began = time.monotonic()
        tries = await _guess_until_refused(controllers)
        controllers[0].kill()
        await controllers[0].start()
        tries += await _guess_until_refused(controllers)
        # One leaks out every so many seconds, whatever the time this machine takes.
        assert MOST <= tries <= MOST + (time.monotonic() - began) * MOST / 60 + 1
        for controller in controllers:
            assert 200 == (await controller.ask("GET", "/identity/v3/projects")).status, "who is logged in stays so"
    finally:
        for controller in controllers:
            controller.end()


async def _guess_until_refused(controllers: list[Controller]) -> int:
    """How many tries there were until each of them had turned one away."""
    tries, refused, end = 0, set[str](), time.monotonic() + PATIENCE_S
    while len(refused) < len(controllers):
        for controller in controllers:
            assert time.monotonic() < end, f"only {refused} refused anything"
            answer = await controller.ask("POST", "/identity/v3/auth/tokens", {"auth": LOGIN})
            if answer.status == 429:
                refused.add(controller.name)
            else:
                assert 401 == answer.status, answer
                tries += 1
    return tries
