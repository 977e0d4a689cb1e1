"""Directories are read as os.listdir reads them, however many names they hold and whatever those look like."""

import os
from pathlib import Path

import pytest

from pileus.object_store.disk.folders import Folder


@pytest.mark.parametrize("count", [0, 1, 3000])
def test_names_that_begin_so_are_found_and_no_others(tmp_path: Path, count: int) -> None:
    wanted = [f"{'ab' * 16}-{at:05d}.data" for at in range(count)]
    others = [f"{'cd' * 16}-{at:05d}.data" for at in range(count)]
    strange = [f"x{'ab' * 16}-1.data", "é" * 40, os.fsdecode(b"\xff" * 40)]
    for name in (*wanted, *others, *strange):
        (tmp_path / name).touch()
    with Folder(str(tmp_path)) as folder:
        assert wanted == sorted(folder.beginning("ab" * 16))
    with Folder(str(tmp_path)) as folder:
        assert [strange[2]] == folder.beginning(os.fsdecode(b"\xff" * 32))


def test_a_directory_that_is_not_there_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Folder(str(tmp_path / "none"))
