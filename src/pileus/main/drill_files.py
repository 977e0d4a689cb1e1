"""The files of a drill's volumes: whether each holds what it was made of, who has it open, and what is left of what is gone."""

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

NOISE = 4 * 2**20  # so many bytes at the beginning of volumes that are made of something
VOLUME, SNAPSHOT, BACKUP = "volume", "volume_snapshot", "volume_backup"


class VolumeFolders(msgspec.Struct, frozen=True):
    """Where the volumes of a drill lie, nowhere if they are only pretended; `noise` is the digest of what they are made of."""

    roots: tuple[Path, ...] = ()
    noise: str = ""

    def state(self, kind: str, id: str, *, blank: bool) -> str:
        """`whole`, or what is wrong with the file of a volume or a snapshot."""
        if not self.roots:
            return "whole"
        files = self._files(kind, id)
        if len(files) != 1:
            return f"{len(files)} files"
        with files[0].open("rb") as file:
            held = hashlib.sha256(file.read(NOISE)).hexdigest()
        expected = hashlib.sha256(bytes(NOISE)).hexdigest() if blank else self.noise
        return "whole" if held == expected else "other bytes"

    def over(self, known: Mapping[str, Collection[str]]) -> list[str]:
        """Files and folders that belong to nothing the user has, by kind, and what work that was broken off has left."""
        found = []
        for root in self.roots:
            for kind, ids in known.items():
                for path in sorted((root / kind).glob("*")):
                    if path.name not in ids:
                        found.append(str(path.relative_to(root)))
                    else:
                        found += [
                            str(file.relative_to(root)) for file in sorted(path.iterdir()) if not _belongs(kind, file)
                        ]
        return found

    def holders(self, id: str) -> int | None:
        """How many processes have the volume's file open; None where there is none to have."""
        if not self.roots:
            return None
        files = {str(file) for file in self._files(VOLUME, id)}
        return sum(1 for opened in _open_files() if files & opened)

    def _files(self, kind: str, id: str) -> list[Path]:
        return [file for root in self.roots for file in (root / kind / id).glob("*.raw")]


def _belongs(kind: str, file: Path) -> bool:
    return file.suffix == ".raw" if kind != BACKUP else file.suffix != ".part"


def _open_files() -> Iterator[set[str]]:
    """For each process the files it has open."""
    for process in Path("/proc").glob("[0-9]*"):
        opened = set()
        with contextlib.suppress(OSError):  # it ends just now
            for handle in (process / "fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # it was just closed
                    opened.add(os.readlink(handle))
        yield opened
