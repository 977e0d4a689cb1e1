"""The kit's migrations make the tables as they are declared."""

import shutil
from pathlib import Path

import pytest

from pileus.kit import migrations
from pileus.kit.db.upgrade import autogenerate
from pileus.kit.tables import metadata


@pytest.mark.slow
def test_migrations_leave_nothing_to_do(tmp_path):
    folder = shutil.copytree(Path(migrations.__file__).parent, tmp_path / "migrations")
    assert autogenerate("kit", metadata, folder, "difference") is None
