"""Tokens sealed with Fernet, and the repository of their keys.

The repository is a folder with one key per file, named by number: 0 is staged (the next primary), the highest number is
the primary, with which tokens are made; all of them open tokens. Rotation makes the staged key the primary, so that
whoever shares the folder knows a key before the first token is made with it.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class KeyRepository:
    """The folder of keys; made, with a staged and a primary key, when there is none."""

    def __init__(self, folder: Path, keep: int = 3, make: Callable[[], bytes] = Fernet.generate_key) -> None:
        self._folder = folder
        self._keep = max(keep, 2)
        self._make = make
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            if not self._numbers():
                self._write(0)
                self._write(1)

    def stamp(self) -> int:
        """Changes whenever a key came or went."""
        return self._folder.stat().st_mtime_ns

    def newest_first(self) -> list[bytes]:
        """All keys, the primary first."""
        return [(self._folder / str(number)).read_bytes().strip() for number in reversed(self._numbers())]

    def rotate(self, in_use_s: float = 0) -> int:
        """The staged key is the primary, whose number is told, and a new one is staged; the oldest keys are gone.

        A key that was the primary within the last `in_use_s` seconds is kept whatever its age, as something made with it
        may still be about.
        """
        with self._alone():
            primary = self._numbers()[-1] + 1
            (self._folder / "0").rename(self._folder / str(primary))
            # A key's time is when it became the primary, and hence when the one before it was that no more.
            os.utime(self._folder / str(primary))
            self._write(0)
            numbers = self._numbers()
            for at, number in enumerate(numbers[1 : -(self._keep - 1)], 1):
                retired_at = (self._folder / str(numbers[at + 1])).stat().st_mtime
                if retired_at + in_use_s <= time.time():
                    (self._folder / str(number)).unlink()
        return primary

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Other controllers that share the folder change nothing meanwhile."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdigit())

    def _write(self, number: int) -> None:
        # Written aside and renamed, so that nobody reads half a key.
        aside = self._folder / f".{number}.new"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._make())
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._folder / str(number))


class FernetSeal:
    """Seals with the primary key of a repository and opens with any."""

    def __init__(self, repository: KeyRepository) -> None:
        self._repository = repository
        self._stamp = 0
        self._fernet = self._load()

    def seal(self, payload: bytes) -> str:
        """A token that holds the payload, made with the primary key there is now."""
        if self._repository.stamp() != self._stamp:
            self.reload()
        return self._fernet.encrypt(payload).decode().rstrip("=")

    def open(self, token: str) -> bytes | None:
        """The payload of a token; None when it is none of ours."""
        try:
            sealed = (token + "=" * (-len(token) % 4)).encode("ascii")
        except UnicodeEncodeError:
            return None
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            # Perhaps another process rotated the keys.
            if self._repository.stamp() == self._stamp:
                return None
        self.reload()
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None

    def reload(self) -> None:
        """Use the keys as they are now."""
        self._fernet = self._load()

    def _load(self) -> MultiFernet:
        self._stamp = self._repository.stamp()
        return MultiFernet([Fernet(key) for key in self._repository.newest_first()])
