"""Options: where each value comes from, and what is said of wrong ones."""

from pathlib import Path

import msgspec
import pytest

from pileus.kit.config import BadConfig, load, read


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 1


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "a"
    flag: bool = False
    inner: Inner = Inner()
    named: dict[str, Inner] = {}

    def __post_init__(self) -> None:
        if self.name == "none":
            raise ValueError("option 'name': it is somebody")


def test_the_command_line_wins_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('name = "file"\n[inner]\nsize = 2\n')
    found = load(Options, file, {"name": "given"}, {"PILEUS_FLAG": "true", "PILEUS_INNER__SIZE": "3", "OTHER": "x"})
    assert Options("given", True, Inner(3)) == found.options
    origins = {setting.name: setting.origin for setting in found.settings}
    assert {
        "name": "command line",
        "flag": "environment variable PILEUS_FLAG",
        "inner.size": "environment variable PILEUS_INNER__SIZE",
    } == origins


def test_an_empty_table_is_a_thing_as_it_usually_is(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[named.a]\n[named.b]\nsize = 2\n")
    assert {"named.a": {}, "named.b.size": 2} == read(file)
    assert {"a": Inner(), "b": Inner(2)} == load(Options, file, {}, {}).options.named
    assert {"a": Inner(3)} == load(Options, None, {"named.a.size": 3, "named.a": {}}, {}).options.named


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label = 'x'\n", ":1: there is no option 'label'"),
        ("name = 'x'\n[inner]\nsice = 1\n", ":3: there is no option 'inner.sice'"),
        ("[inner]\nsize = 'big'\n", ":2: option 'inner.size'"),
        ("name = \n", "it is not TOML"),
        ("[named.a]\n[named.b]\nsize = 'x'\n", ":3: option 'named.b.size'"),
        ("[inner]\nname = 1\n", ":2: there is no option 'inner.name'"),
        ("name = 'none'\n", ":1: option 'name': it is somebody"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(BadConfig) as told:
        load(Options, file, {}, {})
    assert words in told.value.message


def test_what_is_wrong_is_told_of_who_said_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("name = 'x'\n")
    with pytest.raises(BadConfig, match=r"^command line: option 'name'"):
        load(Options, file, {"name": "none"}, {})
    with pytest.raises(BadConfig, match=r"^environment variable PILEUS_INNER__SIZE: option 'inner\.size'"):
        load(Options, file, {}, {"PILEUS_INNER__SIZE": "x"})


def test_what_cannot_be_read_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"it cannot be read: Is a directory"):
        read(tmp_path)
