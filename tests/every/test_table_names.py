"""All services share one database, so no two may give a table or an index the same name."""

import importlib
import pkgutil
from collections import Counter

import sqlalchemy as sa

import pileus


def _names() -> list[str]:
    found = []
    for part in ("kit", *(module.name for module in pkgutil.iter_modules(pileus.__path__) if module.name != "kit")):
        if importlib.util.find_spec(f"pileus.{part}.tables") is None:
            continue
        tables = vars(importlib.import_module(f"pileus.{part}.tables")).values()
        for declared in [value for value in tables if isinstance(value, sa.MetaData)]:
            for table in declared.tables.values():
                found += [f"table {table.name}", *(f"index {index.name}" for index in table.indexes)]
    return found


def test_no_two_services_name_a_table_or_an_index_alike() -> None:
    names = Counter(_names())
    assert names["table ports"] == 1
    assert [] == [name for name, times in names.items() if times > 1]
