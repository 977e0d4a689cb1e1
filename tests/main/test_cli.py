"""The command line: quick, and silent about what it does not have."""

import os
import subprocess
import sys

import pytest

from pileus.main import cli

ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_help_lists_only_commands_that_exist(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "levitate", "a command nobody wrote")
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert 0 == ended.value.code
    assert "test" in shown
    assert "levitate" not in shown


def test_unknown_command_is_refused_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["levitate"])
    assert 2 == ended.value.code
    assert "levitate" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from pileus.main.cli import _parser; _parser(None); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=ENV, text=True)
    assert not {"asyncio", "msgspec", "sqlalchemy", "cryptography"} & set(done.stdout.split())
