"""The house rules bite: each check finds what it is there for."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def tool(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_sizes_count_neither_docstring_nor_blank_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = tool("check_sizes", monkeypatch)
    source = 'def f():\n    """One.\n\n    Two.\n    """\n\n    a = 1\n    return a\n'
    assert ("x.py::f", 3, 40, "lines") in list(sizes.measured(Path("x.py"), source))


def test_sizes_count_public_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = tool("check_sizes", monkeypatch)
    source = "class A:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(13)) + "    def _own(self): ...\n"
    assert ("x.py::A", 13, 12, "public methods") in list(sizes.measured(Path("x.py"), source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("src/pileus/kit/utils.py", ""),
        ("src/pileus/kit/a.py", "class PortManager: ..."),
        ("src/pileus/kit/a.py", "def boot_instance(): ..."),
        ("src/pileus/kit/a.py", "def boot(tenant_id): ..."),
    ],
)
def test_words_refuse(path: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(tool("check_words", monkeypatch).complaints_about(Path(path), source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("src/pileus/compute/api/servers.py", "class InstanceActions: ..."),
        ("src/pileus/kit/a.py", "def is_kind(thing): return isinstance(thing, int)"),
        ("src/pileus/kit/database.py", "class Database: ..."),
    ],
)
def test_words_allow(path: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [] == list(tool("check_words", monkeypatch).complaints_about(Path(path), source))


def test_registry_finds_addresses_and_workplaces(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = tool("check_registry", monkeypatch)
    index = "https://" + "pypi" + ".example/simple"
    place = "/wo" + "rk/somewhere"
    assert ["a:1", "a:2"] == [said.rsplit(":", 1)[0] for said in registry.complaints_about("a", f"{index}\n{place}\n")]
    assert [] == list(registry.complaints_about("a", "it is a network of /work\n"))


def test_decisions_are_numbered_without_gaps() -> None:
    pages = sorted((TOOLS.parent / "docs" / "decisions").glob("[0-9]*.md"))
    assert pages
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences")), page.name
