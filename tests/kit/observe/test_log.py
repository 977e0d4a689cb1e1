"""Logs: one event a line, the request at hand, and no secrets."""

import io
import json
import logging

import pytest

from pileus.kit.observe import log as logs
from pileus.kit.observe.log import log_of, mask, within_request


@pytest.fixture
def lines(tmp_path):
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    for handler in before:
        root.removeHandler(handler)
    terminal, file = io.StringIO(), tmp_path / "log" / "pileus.log"
    logs.set_up(file=file, terminal=terminal)
    yield lambda: ([json.loads(line) for line in file.read_text().splitlines()], terminal.getvalue().splitlines())
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    for handler in before:
        root.addHandler(handler)


def test_an_event_is_one_json_line_in_the_file_and_one_readable_line_on_the_terminal(lines):
    with within_request("req-1"):
        log_of("pileus.compute").info("server placed", server="s1", host="a")
    (kept,), (shown,) = lines()
    assert kept | {"at": ""} == {
        "at": "", "level": "info", "event": "server placed", "from": "pileus.compute",
        "server": "s1", "host": "a", "request": "req-1",
    }  # fmt: skip
    assert shown.endswith("server placed  server=s1 host=a request=req-1")


def test_secrets_are_masked_by_key_at_any_depth(lines):
    log_of("x").info(
        "created", admin_pass="hunter22", body={"password": "hunter22", "keys": [{"api_key": "k"}]}, token_id=5
    )
    (kept,), (shown,) = lines()
    assert kept["admin_pass"] == "***" and kept["body"] == {"password": "***", "keys": [{"api_key": "***"}]}
    assert "hunter22" not in shown and kept["token_id"] == 5


def test_secrets_are_masked_by_value_wherever_they_turn_up(lines):
    secret = mask("gAAAAAB-correct-horse")
    log_of("x").warning(f"bad header {secret}", url=f"http://a/?t={secret}")
    try:
        raise ValueError(secret)
    except ValueError as error:
        log_of("x").broke("it broke", error)
    kept, shown = lines()
    assert "correct-horse" not in json.dumps(kept) + "\n".join(shown)
    assert "ValueError: ***" in kept[1]["traceback"]


def test_the_oldest_secrets_are_forgotten_when_there_are_too_many():
    secrets = logs.Secrets()
    for number in range(logs.MOST_SECRETS + 1):
        secrets.add(f"secret-{number:06}")
    assert secrets.masked("secret-000000 secret-000001") == "secret-000000 ***"


def test_what_other_libraries_log_comes_out_too(lines):
    logging.getLogger("asyncio").warning("took %s", "long")
    (kept,), _ = lines()
    assert (kept["event"], kept["level"]) == ("took long", "warning")
