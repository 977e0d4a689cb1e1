"""The launcher: it knows when its environment is current, and says what is wrong when it cannot be made."""

import fcntl
import importlib.util
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

LAUNCHER = Path(__file__).resolve().parents[2] / "pileus"


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launcher as a module, of a checkout with one requirement."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("launcher", str(LAUNCHER))
    spec = importlib.util.spec_from_loader("launcher", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "core.txt").write_text("a==1\n")
    monkeypatch.setattr(module, "ROOT", str(tmp_path))
    return module


def test_environment_is_current_until_requirements_change(launcher: ModuleType, tmp_path: Path) -> None:
    home = str(tmp_path)
    assert not launcher.is_current(home, "core")
    Path(launcher.stamp(home, "core")).write_bytes(launcher.fingerprint("core"))
    assert launcher.is_current(home, "core")
    (tmp_path / "requirements" / "core.txt").write_text("a==2\n")
    assert not launcher.is_current(home, "core")


def test_command_inherits_sources_and_keeps_bytecode(launcher: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    env = launcher.child_environment("/somewhere")
    assert str(Path(launcher.ROOT) / "src") == env["PYTHONPATH"]
    assert "PYTHONDONTWRITEBYTECODE" not in env


def test_failed_install_says_why_and_leaves_no_stamp(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / ".venv"
    home.mkdir()
    monkeypatch.setattr(launcher, "make_venv", lambda home, afresh: None)
    monkeypatch.setattr(launcher, "run", lambda argv, env: (1, ["ERROR: no such thing as a==1"]))
    with pytest.raises(SystemExit) as ended:
        launcher.prepare(str(home), ["core"])
    said = capsys.readouterr()
    assert 1 == ended.value.code
    assert "no such thing as a==1" in said.err
    assert "" == said.out
    assert not launcher.is_current(str(home), "core")
    assert (home / ".pileus-installing").exists()


def test_interrupted_install_is_made_afresh(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ".venv"
    home.mkdir()
    (home / ".pileus-installing").touch()
    asked: list[bool] = []
    monkeypatch.setattr(launcher, "make_venv", lambda home, afresh: asked.append(afresh))
    monkeypatch.setattr(launcher, "run", lambda argv, env: (0, []))
    launcher.prepare(str(home), ["core"])
    assert [True] == asked
    assert launcher.is_current(str(home), "core")
    assert not (home / ".pileus-installing").exists()


def test_checkouts_that_share_an_environment_by_a_link_take_turns(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared" / ".venv").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    link = tmp_path / "mine" / ".venv"
    link.symlink_to(tmp_path / "shared" / ".venv")
    others_may: list[bool] = []

    def install(home: str, names: list[str]) -> None:
        assert (str(link), ["core"]) == (home, names)
        other = os.open(tmp_path / "shared", os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            others_may.append(True)
        except BlockingIOError:
            others_may.append(False)
        finally:
            os.close(other)

    monkeypatch.setattr(launcher, "install", install)
    launcher.prepare(str(link), ["core"])
    assert [False] == others_may


def test_an_environment_is_never_cleared_through_a_link(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "precious").touch()
    (tmp_path / ".venv").symlink_to(shared)
    monkeypatch.setattr(launcher, "run", lambda argv, env: pytest.fail(f"{argv} was run"))
    with pytest.raises(SystemExit):
        launcher.make_venv(str(tmp_path / ".venv"), afresh=True)
    assert "Remove the link" in capsys.readouterr().err
    assert (shared / "precious").exists()
