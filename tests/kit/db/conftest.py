"""The two tables of `tables.py` in an open database, once on either engine."""

from collections.abc import Callable

import pytest

from . import tables


@pytest.fixture
def opened(fresh_database: Callable[[], str]) -> tables.Opened:
    """`async with opened() as db:` gives a database of its own."""
    return lambda: tables.opened(fresh_database())
