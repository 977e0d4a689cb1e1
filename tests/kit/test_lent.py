"""A jailed program opens the files that are lent to it, and nothing else."""

import os
from pathlib import Path

import pytest

from pileus.kit.lent import lent
from pileus.kit.run import ProgramFailed, run


@pytest.mark.host
async def test_a_program_reads_and_writes_what_is_lent_to_it_as_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "volumes"
    folder.mkdir(mode=0o700)
    for name in ("one", "two", "other"):
        (folder / name).write_text(name)
        (folder / name).chmod(0o600)
    async with lent(folder / "one", folder / "two", secret=b"key") as them:
        first, second, secret = them.names
        done = await run(
            them.around(["sh", "-c", f"id -u; cat {first} {secret} >{second}; cat {first}"]), pass_fds=them.descriptors
        )
        uid, said = done.out.splitlines()
        with pytest.raises(ProgramFailed):
            await run(them.around(["cat", str(folder / "other")]), pass_fds=them.descriptors)
        with pytest.raises(ProgramFailed):
            await run(them.around(["cat", "/etc/shadow"]), pass_fds=them.descriptors)
    assert uid != str(os.geteuid())
    assert ("one", "onekey") == (said, (folder / "two").read_text())


@pytest.mark.host
async def test_another_program_does_not_open_what_was_lent_before(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o600)
    async with lent(tmp_path / "one"), lent(tmp_path / "two") as two:
        with pytest.raises(ProgramFailed, match="Permission denied"):
            await run(two.around(["cat", str(tmp_path / "one")]), pass_fds=two.descriptors)


@pytest.mark.host
async def test_what_is_lent_to_be_read_is_not_written(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    async with lent(tmp_path / "one", tmp_path / "two", to_read=1) as them:
        first, second = them.names
        await run(them.around(["sh", "-c", f"cat {first} >{second}"]), pass_fds=them.descriptors)
        with pytest.raises(ProgramFailed, match="Permission denied"):
            await run(them.around(["sh", "-c", f"echo more >{first}"]), pass_fds=them.descriptors)
    assert ("one", "one") == ((tmp_path / "one").read_text(), (tmp_path / "two").read_text())


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="symbolic"):
        async with lent(tmp_path / "link"):
            pass
