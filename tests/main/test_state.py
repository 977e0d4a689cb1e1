"""The state directory, its credentials and its certificate."""

import os
import shlex
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from pileus.main.certificates import ensure_certificate
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
