"""Clouds that are made at the same time on one machine take different blocks for their external networks."""

import multiprocessing
from pathlib import Path

import pytest

from pileus.main.blocks import BLOCKS, NoFreeBlock, claim_block


def claimed(state: Path, claims: Path) -> str:
    state.mkdir(exist_ok=True)
    return claim_block(state, claims)


def test_clouds_made_at_once_get_different_blocks(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        got = pool.starmap(claimed, [(tmp_path / f"cloud{n}", tmp_path / "claims") for n in range(6)])
    assert 6 == len(set(got))


def test_the_same_cloud_gets_its_block_again_and_one_that_is_gone_leaves_its(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    block = claimed(first, tmp_path / "claims")
    other = claimed(second, tmp_path / "claims")
    assert block == claimed(first, tmp_path / "claims")
    assert block != other
    first.rmdir()
    assert block == claimed(third, tmp_path / "claims")


def test_when_all_are_taken_it_is_said_what_helps(tmp_path: Path) -> None:
    with pytest.raises(NoFreeBlock, match="cidr"):
        for number in range(len(BLOCKS) + 1):
            claimed(tmp_path / str(number), tmp_path / "claims")
