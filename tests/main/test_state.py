"""The state directory, its credentials and its certificate."""

import argparse
import os
import shlex
import ssl
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from pileus.main.certificates import ensure_certificate
from pileus.main.cli import main
from pileus.main.commands.options import given_settings
from pileus.main.credentials import NoSuchUser, ensure_credentials, exports
from pileus.main.settings import Settings, remember, settings_of
from pileus.main.state import AlreadyRunning, State


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "state")
    made.create()
    return made


def test_one_process_holds_a_cloud(state: State) -> None:
    with state.lock():
        assert os.getpid() == state.pid()
        code = f"from pileus.main.state import State; from pathlib import Path; State(Path({str(state.path)!r})).lock()"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert AlreadyRunning.__name__ in other.stderr
        assert str(os.getpid()) in other.stderr
    assert state.pid() is None


def test_passwords_are_made_once_and_only_the_owner_reads_them(state: State) -> None:
    first = ensure_credentials(state, Settings())
    assert first.passwords == ensure_credentials(state, Settings()).passwords
    for name in ("credentials.json", "clouds.yaml"):
        assert 0o600 == (state / name).stat().st_mode & 0o777


def test_exports_are_safe_to_evaluate(state: State) -> None:
    credentials = ensure_credentials(state, Settings())
    credentials.passwords["admin"] = 'it\'s $(touch /tmp/never) "quoted"'
    state.keep(credentials)
    lines = exports(state, Settings(), "admin")
    told = subprocess.run(
        ["sh", "-c", f'{lines}\nprintf %s "$OS_PASSWORD"'], capture_output=True, text=True, check=True
    )
    assert credentials.passwords["admin"] == told.stdout
    assert all(line.startswith("export OS_") for line in lines.splitlines())
    assert shlex.split(lines)
    with pytest.raises(NoSuchUser):
        exports(state, Settings(), "nobody")


def test_what_the_command_line_gave_is_remembered(state: State) -> None:
    given: dict[str, object] = {"listen": "127.0.0.1:5999", "network_driver": "fake"}
    remember(state, settings_of(state, given).options, given)
    kept = settings_of(state, {}).options
    assert "127.0.0.1:5999" == kept.listen
    assert kept.external.cidr


def test_beyond_loopback_the_cloud_has_a_certificate_of_its_own_authority(state: State) -> None:
    assert ensure_certificate(state, Settings()) is None
    settings = Settings(listen="192.0.2.7:5000")
    assert settings.url.startswith("https://")
    made = ensure_certificate(state, settings)
    assert made is not None
    assert 0o600 == Path(made.key).stat().st_mode & 0o777
    context = ssl.create_default_context(cafile=made.authority)
    context.load_cert_chain(made.certificate, made.key)
    text = Path(made.certificate).read_text()
    assert made == ensure_certificate(state, settings)
    assert text == Path(made.certificate).read_text(), "a good certificate is kept"
    ensure_certificate(state, Settings(listen="192.0.2.8:5000"))
    assert text != Path(made.certificate).read_text(), "a new address needs a new certificate"
    assert "OS_CACERT" in _exports(state, settings)


def _exports(state: State, settings: Settings) -> str:
    ensure_credentials(state, settings)
    return exports(state, settings, "admin")


def test_tables_in_tables_are_remembered(state: State) -> None:
    given: dict[str, object] = {
        "image.stores.cold.path": "cold",
        "image.stores.file.path": "images",
        "image.size_cap": 5,
    }
    remember(state, settings_of(state, given).options, given)
    image = settings_of(state, {}).options.image
    assert ({"cold", "file"}, "cold", 5) == (set(image.stores), image.stores["cold"].path, image.size_cap)


WRONG = {
    "listen": ["", "here", "127.0.0.1:", "127.0.0.1:70000", "http://127.0.0.1:1", "127.0.0.1:１"],
    "hosts_listen": ["127.0.0.1"],
    "public_url": ["cloud", "ftp://cloud", "https://"],
    "database": ["mysql://cloud:secret@db/pileus"],
    "tls_certificate": ["/etc/cloud.pem"],
}


@pytest.mark.parametrize(("option", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_options_that_cannot_be_meant_so_are_refused_before_anything_is_kept(
    state: State, tmp_path: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(f'log_level = "info"\n{option} = "{value}"\n')
    fakes = ["--compute", "fake", "--network", "fake"]
    assert 1 == main(["up", "--state", str(state.path), *fakes, "--config", str(file)])
    told = capsys.readouterr().err
    assert told.startswith(f"pileus: {file}:2: option '{option}'") or "option 'tls_key'" in told
    assert 1 == len(told.splitlines())
    assert "secret" not in told
    assert not (state / "config.toml").exists()


def test_a_cloud_that_runs_keeps_its_options(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, object] = {"compute_driver": "fake", "network_driver": "fake"}
    remember(state, settings_of(state, given).options, given)
    before = (state / "config.toml").read_text()
    with state.lock():
        assert 1 == main(["up", "--state", str(state.path), "--listen", "127.0.0.1:5999"])
    assert "with other values of: listen. Nothing was changed" in capsys.readouterr().err
    assert before == (state / "config.toml").read_text()
    assert 0o600 == (state / "config.toml").stat().st_mode & 0o777


def test_no_table_of_options_takes_what_it_does_not_know() -> None:
    seen: list[type[msgspec.Struct]] = []

    def look(kind: object) -> None:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
            seen.append(kind)
            for hint in get_type_hints(kind).values():
                look(hint)
        for inner in get_args(kind):
            look(inner)

    look(Settings)
    assert len(seen) >= 16
    assert [] == [kind.__name__ for kind in seen if not kind.__struct_config__.forbid_unknown_fields]


def test_arguments_of_other_commands_are_not_options_of_the_cloud() -> None:
    args = argparse.Namespace(listen="192.0.2.1:5001", volumes=7, state=None)
    assert {} == given_settings(args)
