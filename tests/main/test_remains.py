"""What is taken away with a cloud, and what of others is not."""

from pathlib import Path

from pileus.main.remains import remove_groups


def test_only_the_groups_of_this_clouds_servers_go(tmp_path: Path) -> None:
    for name in ("cpu/pileus/mine", "cpu/pileus/theirs", "memory/session/pileus/mine", "cpu/mine"):
        (tmp_path / name).mkdir(parents=True)

    remove_groups(["mine"], tmp_path)

    assert not (tmp_path / "cpu/pileus/mine").exists()
    assert (tmp_path / "cpu/pileus/theirs").exists()
    assert not (tmp_path / "memory/session/pileus").exists()
    assert (tmp_path / "cpu/mine").exists()
