"""The clouds that are judged: their hosts reach the same volumes, their controllers have the same database and keys."""

from pathlib import Path

from pileus.main.conformance import HOME
from pileus.main.judged_storage import sharing
from pileus.main.second_controller import first_of_two, second_of_two
from pileus.main.settings import Settings, settings_of
from pileus.main.state import Credentials, State


def options(state: State, file: Path | None = None) -> Settings:
    return settings_of(state, {}, file).options


def test_both_hosts_have_each_back_end_of_the_gate_in_a_directory_that_serves_as_it_is(tmp_path: Path) -> None:
    first, second = State(tmp_path / "gate"), State(tmp_path / "second")
    config = sharing(HOME / "gate.toml", tmp_path / "volumes", first.path, second.path)
    said = options(first, config)
    assert said.identity.lockout_failure_attempts == 2
    assert said.volume_backends.keys() == {"bronze", "gold"}
    assert said.volume_backends == options(second).volume_backends
    for name, backend in said.volume_backends.items():
        assert (backend.driver, backend.path) == ("shared", str(tmp_path / "volumes" / name))
        assert (Path(backend.path) / ".pileus-volumes").exists()


def test_a_second_controller_is_no_host_and_has_the_firsts_database_keys_and_images(tmp_path: Path) -> None:
    first, second = State(tmp_path / "first"), State(tmp_path / "second")
    first.create()
    first.keep(Credentials(passwords={"admin": "secret"}))
    config = first_of_two(HOME / "workers.toml", tmp_path, "postgresql://pileus@/postgres?host=/nowhere")
    second_of_two(first, config, "http://127.0.0.1:1", second)
    (first / "images" / "one").touch()
    one, other = options(first, config), options(second)
    assert (one.agent, other.agent) == (True, False)
    assert one.database == other.database == "postgresql://pileus@/postgres?host=/nowhere"
    assert one.identity.keys_dir == other.identity.keys_dir == str(tmp_path / "keys")
    assert other.url == "http://127.0.0.1:1"
    assert second.credentials() == first.credentials()
    assert (second / "images" / "one").exists()
