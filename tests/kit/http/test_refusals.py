"""Requests that were refused are told in the log, so that their ids lead somewhere; but not without end."""

import logging
from typing import Any

import pytest

from pileus.kit.auth import Caller
from pileus.kit.errors import Denied, NotFound
from pileus.kit.http import Call
from pileus.kit.http.refusals import AT_ONCE, Refusals


class Now:
    """A clock."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def asked(path: str, caller: Caller | None = None) -> Call[Any]:
    call: Call[Any] = Call("GET", path, "token=hush", {}, "req-1")
    call.base = "http://cloud/compute"
    if caller is not None:
        call.caller = caller
    return call


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def fields(told: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in told.records]


def test_who_was_refused_what_and_why_is_told(told: pytest.LogCaptureFixture) -> None:
    alice = Caller(user_id="a", project_id="p")
    Refusals().tell(asked("/v2.1/servers/1", alice), 403, Denied("Not you."))
    expected = {"method": "GET", "path": "/compute/v2.1/servers/1", "status": 403, "why": "Not you.", "user": "a"}
    assert [{**expected, "project": "p"}] == fields(told)
    assert "hush" not in told.text


def test_a_token_in_a_path_is_not_told(told: pytest.LogCaptureFixture) -> None:
    Refusals().tell(asked("/v2.1/os-console-auth-tokens/hush"), 404, NotFound("There is no token hush."))
    assert "hush" not in str(fields(told))


def test_who_asks_without_end_does_not_fill_the_log(told: pytest.LogCaptureFixture) -> None:
    now = Now()
    refusals = Refusals(now)
    for _ in range(5000):
        refusals.tell(asked("/v2.1"), 401, Denied("Who?"))
    assert AT_ONCE == len(told.records)
    now.at = 1.0
    refusals.tell(asked("/v2.1"), 401, Denied("Who?"))
    assert 5000 - AT_ONCE == fields(told)[-1]["not_told"]
    refusals.tell(asked("/v2.1"), 401, Denied("Who?"))
    assert "not_told" not in fields(told)[-1]
