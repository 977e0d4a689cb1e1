"""Commands one after the other, each with what it has to print or to complain of.

    walk("volume create --size 1 one", status="creating")
    walk.until("volume show one", status="available")
    walk("volume delete one", fails="snapshots")
    walk.keep("one", "volume show one")
    walk("volume migrate --host h1@b#b {one}", as_="admin")

What a command shows is compared as text, in small letters: clients differ in whether they print `true` or `True`.
"""

import shlex
from typing import Any, Protocol

from tests.clients.cloud import until


class Cloud(Protocol):
    """What commands are given to."""

    def openstack(self, line: str, as_: str = "demo", *, fails: bool = False) -> Any: ...


class Walk:
    """Commands to one cloud, and the ids they told."""

    def __init__(self, cloud: Cloud, *, newest: bool = True) -> None:
        self._cloud = cloud
        self.newest = newest  # or the oldest client that is supported
        self.ids: dict[str, str] = {}

    def __call__(self, line: str, *, as_: str = "demo", fails: str = "", **shows: object) -> Any:
        """What the command prints; it must fail with these words if that is said, and show these fields."""
        said = self._cloud.openstack(line.format(**self.ids), as_, fails=bool(fails))
        if fails:
            assert fails.lower() in str(said).lower(), f"{line}: {said}"
            return said
        wrong = _differing(said, shows)
        assert not wrong, f"{line}: {wrong} in {said}"
        return said

    def until(self, line: str, *, as_: str = "demo", **shows: object) -> Any:
        """What the command prints, as soon as it shows these fields."""
        found: list[Any] = []

        def look() -> bool:
            found[:] = [self(line, as_=as_)]
            return not _differing(found[0], shows)

        until(look, f"{line} shows {shows}")
        return found[0]

    def gone(self, line: str, *, as_: str = "demo") -> None:
        """What the command lists, lists or shows nothing any more."""
        until(lambda: self(line, as_=as_) == [], f"{line} lists nothing")

    def keep(self, name: str, line: str, *, as_: str = "demo", key: str = "id") -> str:
        """The id that the command tells; later lines name it in braces."""
        told = self(line, as_=as_)
        row = told[0] if isinstance(told, list) else told
        self.ids[name] = str(next(value for field, value in row.items() if field.lower() == key.lower()))
        return self.ids[name]

    def names(self, line: str, *, as_: str = "demo", column: str = "Name") -> list[str]:
        """What the command lists, in order of names."""
        return sorted(str(row[column]) for row in self(line, as_=as_))


def words(said: object) -> list[str]:
    """The words in a table that a program prints as text."""
    return shlex.split(str(said).replace("|", " ").replace("'", " ").replace('"', " "))


def _differing(said: Any, shows: dict[str, object]) -> dict[str, object]:
    """Which of the fields are not as they have to be, and what they are."""
    if not shows:
        return {}
    shown = {str(key).lower().replace(" ", "_"): value for key, value in said.items()} if isinstance(said, dict) else {}
    return {
        key: shown.get(key, "not shown")
        for key, value in shows.items()
        if str(shown.get(key, "not shown")).lower() != str(value).lower()
    }
